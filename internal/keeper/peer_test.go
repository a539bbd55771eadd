package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// connected is a connection to the keeper that has said nothing yet.
func connected(t testing.TB, r *run) int {
	t.Helper()
	socket, err := connect(r.dir)
	must(t, err)
	return socket
}

// alive checks that the keeper still answers.
func (r *run) alive() {
	r.t.Helper()
	if got := r.number("keeper"); got != r.cmd.Process.Pid {
		r.t.Fatalf("keeper: %d, want %d: %s", got, r.cmd.Process.Pid, r.log())
	}
}

// raw sends a packet as it is.
func raw(socket int, body []byte, fds ...int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	_, err := unix.SendmsgN(socket, body, rights, nil, unix.MSG_NOSIGNAL)
	return err
}

// settled is the number of descriptors that the keeper has when a daemon was ready once and nothing is held.
func (r *run) settled() (n int) {
	r.t.Helper()
	c := r.join()
	c.Ready()
	c.List("").close() // an answer says that what came before is done
	die(c)
	r.alive()
	eventually(r.t, "only the daemon's death is left of it", func() bool {
		n = openFDs(r.t, r.cmd.Process.Pid)
		time.Sleep(5 * time.Millisecond)
		return n == openFDs(r.t, r.cmd.Process.Pid)
	})
	return n
}

// Whatever an allowed peer sends, before and after it has become the daemon: the keeper lives on and leaks nothing.
func TestGarbage(t *testing.T) {
	r := start(t, "idle")
	before := r.settled()
	fds := make([]int, maxFDs)
	for i := range fds {
		fds[i] = 1
	}
	long := bytes.Repeat([]byte("x"), maxMessage+1)
	packets := []struct {
		body []byte
		fds  int
	}{
		{nil, 0}, {nil, 3}, {[]byte(" "), 1}, {[]byte("put"), 0}, {[]byte("put "), 1}, {[]byte("put a"), 0},
		{[]byte("put a"), 2}, {[]byte("put a"), maxFDs}, {[]byte("join"), 7}, {[]byte("drop"), 1}, {[]byte("drop a"), 2},
		{[]byte("list"), 0}, {[]byte("list 1 "), 1}, {[]byte("clear"), 1}, {[]byte("held a b"), 2}, {[]byte("exit a 1 1"), 0},
		{[]byte("ready"), 1}, {[]byte("beat"), 1}, {[]byte("status"), 2}, {[]byte("upgrade"), 0}, {[]byte("upgrade rel"), 1},
		{[]byte("upgrade /etc/passwd"), 0}, {[]byte("stop-all"), 1}, {[]byte("\x00\xff\n"), 1}, {long, 0}, {long, 2},
		{append([]byte("put "), long...), 1}, {[]byte("put run/1/2/-7"), 1}, {[]byte("put run/x"), 1},
		{[]byte("put fifo/x"), 1}, {[]byte("put fifo/-1"), 1}, {[]byte("put fifo/99999999999999999999"), 1}, {[]byte("put log/1"), 1},
	}
	for _, joined := range []bool{false, true} {
		for _, p := range packets {
			socket := connected(t, r)
			if joined {
				must(t, limitReceiving(socket, patience))
				eventually(t, "the keeper has let go of the daemon before", func() bool {
					must(t, raw(socket, []byte("join "+version)))
					m, err := newReceiver(socket).next()
					must(t, err)
					return m.verb == verbWelcome
				})
			}
			if err := raw(socket, p.body, fds[:p.fds]...); err != nil && err != unix.EPIPE {
				t.Fatalf("send %.20q: %v", p.body, err)
			}
			if err := raw(socket, []byte("clear"), 0); err != nil && err != unix.EPIPE {
				t.Fatal(err)
			}
			unix.Close(socket)
			r.alive()
		}
	}
	eventually(t, "the keeper has closed what it got", func() bool { return openFDs(t, r.cmd.Process.Pid) <= before })
}

// The same with packets that nobody has thought of.
func TestRandomPackets(t *testing.T) {
	r := start(t, "idle")
	before := r.settled()
	random := rand.New(rand.NewPCG(1, 2))
	verbs := []string{verbJoin, verbList, verbPut, verbPut, verbPut, verbDrop, verbClear, verbReady, verbBeat, verbHeld,
		verbExit, verbEnd, verbStatus, verbReplace, verbDone, ""}
	prefixes := []string{fifoPrefix, logPrefix, runPrefix, "", spillName, "1 "}
	for range 20 {
		socket := connected(t, r)
		must(t, limitReceiving(socket, time.Nanosecond)) // answers are not read
		must(t, raw(socket, []byte("join "+version)))
		for range 100 {
			body := fmt.Sprintf("%s %s%d", verbs[random.IntN(len(verbs))], prefixes[random.IntN(len(prefixes))], random.IntN(9))
			fds := make([]int, []int{0, 1, 1, 1, 2, 9}[random.IntN(6)])
			if err := raw(socket, []byte(body), fds...); err != nil {
				t.Fatalf("send %q: %v", body, err)
			}
			if random.IntN(4) == 0 {
				_, _, _, _, _ = unix.Recvmsg(socket, make([]byte, 9), nil, unix.MSG_DONTWAIT)
			}
		}
		must(t, raw(socket, []byte("clear")))
		unix.Close(socket)
		r.alive()
	}
	eventually(t, "the keeper has closed what it got", func() bool { return openFDs(t, r.cmd.Process.Pid) <= before })
}

func TestSecondDaemonIsRefused(t *testing.T) {
	r := start(t, "idle")
	c := r.join()
	c.Put("x", 0)
	other := connected(t, r)
	defer unix.Close(other)
	must(t, hello(other))
	second := &Client{}
	if err := second.welcomed(other); !errors.Is(err, panel.ErrBusy) || !strings.Contains(err.Error(), itoa(os.Getpid())) {
		t.Errorf("second daemon: %v, want %v and the PID of the first", err, panel.ErrBusy)
	}
	must(t, send(other, message{verb: verbClear}))
	must(t, send(other, message{verb: verbQuit}))
	must(t, send(other, message{verb: verbList, arg: "1 "}))
	r.alive()
	held := c.List("")
	defer held.close()
	if len(held.FDs) != 1 {
		t.Errorf("held: %v, want what the first daemon has put", held.FDs)
	}
	// It waits for the first one to go.
	joined := make(chan error, 1)
	go func() {
		late := &Client{dir: r.dir}
		socket, err := late.join()
		unix.Close(socket)
		joined <- err
	}()
	die(c)
	if err := <-joined; err != nil {
		t.Errorf("join after the first one has gone: %v", err)
	}
}

// A peer that sends and never reads holds up nobody for long.
func TestPeerThatNeverReads(t *testing.T) {
	r := start(t, "idle")
	lazy := connected(t, r)
	defer unix.Close(lazy)
	must(t, raw(lazy, []byte("join "+version)))
	must(t, raw(lazy, []byte("put x"), 0))
	must(t, limitSending(lazy, 10*time.Millisecond))
	for raw(lazy, []byte("list 1 ")) == nil { // until the keeper is stuck with an answer
	}
	begin := time.Now()
	r.alive()
	// Each answer is given up after sendTime, and another peer may have to wait for two of them.
	if waited := time.Since(begin); waited > 5*sendTime {
		t.Errorf("another peer had to wait for %v", waited)
	}
}

// strangerVerb makes the test binary connect as whoever runs it.
const strangerVerb = "stranger"

func beStranger(dir string) int {
	socket, err := connect(dir)
	if err != nil {
		fmt.Println("connect:", err)
		return 0
	}
	if err := raw(socket, []byte("status")); err != nil {
		fmt.Println("send:", err)
		return 0
	}
	m, err := newReceiver(socket).next()
	fmt.Println("answer:", m.verb, err)
	return 0
}

// Another user is kept away by the permissions of the socket, and by the keeper itself.
func TestStrangers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	dir, err := os.MkdirTemp("", "upkeep-keeper")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	binary := filepath.Join(dir, "stranger")
	copyFile(t, os.Args[0], binary)
	r := startIn(t, dir, "idle")
	before := openFDs(t, r.cmd.Process.Pid)
	stranger := func() string {
		cmd := exec.Command(binary, strangerVerb, dir)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		must(t, err)
		return string(out)
	}
	if said := stranger(); !strings.Contains(said, "permission denied") {
		t.Errorf("a stranger gets %q, want a refusal", said)
	}
	must(t, os.Chmod(filepath.Join(dir, socketName), 0o666))
	if said := stranger(); strings.Contains(said, verbDone) || !strings.Contains(said, io.EOF.Error()) && !strings.Contains(said, "send:") {
		t.Errorf("a stranger at an open socket gets %q, want no answer", said)
	}
	r.alive()
	eventually(t, "the stranger's connection is closed", func() bool { return openFDs(t, r.cmd.Process.Pid) <= before })
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	if os.Link(from, to) == nil {
		return
	}
	text, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, text, 0o755))
}

// The address of a socket has room for 108 bytes.
func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120), strings.Repeat("e", 120))
	must(t, os.MkdirAll(dir, 0o700))
	r := startIn(t, dir, "idle")
	c := r.join()
	c.Put("x", 0)
	held := c.List("")
	defer held.close()
	if len(held.FDs) != 1 {
		t.Errorf("held: %v, want one descriptor", held.FDs)
	}
}

func TestNobodyKeeps(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Join(dir, "missing")} {
		if _, err := Status(t.Context(), d); !errors.Is(err, ErrNone) {
			t.Errorf("Status of %s: %v, want %v", d, err, ErrNone)
		}
		if err := StopAll(t.Context(), d); !errors.Is(err, ErrNone) {
			t.Errorf("StopAll of %s: %v, want %v", d, err, ErrNone)
		}
		if err := Upgrade(t.Context(), d, os.Args[0]); !errors.Is(err, ErrNone) {
			t.Errorf("Upgrade of %s: %v, want %v", d, err, ErrNone)
		}
	}
	// What a dead keeper leaves behind is as good as nothing.
	r := start(t, "idle")
	must(t, r.cmd.Process.Kill())
	<-r.ended
	if _, err := Status(t.Context(), r.dir); !errors.Is(err, ErrNone) {
		t.Errorf("Status after the keeper was killed: %v, want %v", err, ErrNone)
	}
}
