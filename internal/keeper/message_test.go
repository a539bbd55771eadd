package keeper

import (
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// What a daemon said before it died is heard, also when it has left an answer unread: the kernel then reports a reset
// before it hands out what is there.
func TestLastWordsOfAPeer(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	for _, err := range []error{
		send(pair[0], message{verb: verbEnd}),
		send(pair[1], message{verb: verbDrop, arg: "fifo/1"}),
		unix.Close(pair[1]),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := newReceiver(pair[0])
	if m, err := r.next(); err != nil || m.verb != verbDrop || m.arg != "fifo/1" {
		t.Errorf("got %+v, %v, want the message", m, err)
	}
	if _, err := r.next(); err != io.EOF {
		t.Errorf("got %v at the end, want EOF", err)
	}
}
