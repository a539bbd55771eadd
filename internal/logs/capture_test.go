package logs

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"upkeep/internal/panel"
)

func TestCaptureEveryByte(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	w := open(t, l, src)
	cmd := program(t, w, "lines", "20000")
	must(t, cmd.Run())
	w.Close()
	want := numbered(0, 20000, true)
	eventually(t, "all lines are in the file", func() bool { return size(src.path()) == int64(len(want)) })
	wantFile(t, src.path(), want)
	if got := l.Path(1); got != src.path() {
		t.Errorf("Path: got %s, want %s", got, src.path())
	}
	if got := l.Trouble(1); got != "" {
		t.Errorf("Trouble: got %q, want none", got)
	}
}

func TestCaptureBinary(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	w := open(t, l, src)
	var b strings.Builder
	for i := range 300_000 {
		b.WriteByte(byte(i * 7))
	}
	write(t, w, b.String())
	mark(t, l, src, "end")
	if got := read(t, src.path()); !strings.HasPrefix(got, b.String()) {
		t.Errorf("the bytes in the file are not those written")
	}
}

func TestCaptureKeepsTheOrderOfOutputAndError(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	w := open(t, l, src)
	must(t, program(t, w, "both", "5000").Run())
	want := numbered(0, 5000, false)
	eventually(t, "all lines are in the file", func() bool { return size(src.path()) == int64(len(want)) })
	wantFile(t, src.path(), want)
}

func TestCaptureAfterTheMainProcessEnded(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	w := open(t, l, src)
	stay, end, err := os.Pipe()
	must(t, err)
	cmd := program(t, w, "grandchild")
	cmd.Stdin = stay
	must(t, cmd.Run()) // returns although the grandchild holds the output
	w.Close()
	stay.Close()
	mark(t, l, src, "run 1 ended")
	wantFile(t, src.path(), "from the main process\nupkeep: run 1 ended\n")
	end.Close()
	want := "from the main process\nupkeep: run 1 ended\nfrom the grandchild\n"
	eventually(t, "the grandchild's line comes", func() bool { return size(src.path()) == int64(len(want)) })
	wantFile(t, src.path(), want)
}

// The program may open its output anew, as its own user: it owns the FIFO.
func TestCaptureReopenedStandardOutput(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	w := open(t, l, src)
	cmd := program(t, w, "")
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", "echo a >/dev/stdout; echo b >/proc/self/fd/2"}
	if src.OwnUser {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testUser, Gid: testUser}}
	}
	must(t, cmd.Run())
	mark(t, l, src, "end")
	wantFile(t, src.path(), "a\nb\nupkeep: end\n")
}

func TestMarkStandsBehindTheOutput(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	w := open(t, l, src)
	var want strings.Builder
	for i := range 200 {
		line := numbered(i, 1, i%2 == 1)
		write(t, w, line)
		mark(t, l, src, "mark\n"+strconv.Itoa(i))
		want.WriteString(strings.TrimSuffix(line, "\n") + "\nupkeep: mark " + strconv.Itoa(i) + "\n")
	}
	wantFile(t, src.path(), want.String())
}

func TestMarkDuringAFlood(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	w := open(t, l, src)
	cmd := program(t, w, "endless")
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	for i := range 20 {
		before := size(src.path())
		eventually(t, "output grows", func() bool { return size(src.path()) > before })
		mark(t, l, src, "mark "+strconv.Itoa(i))
	}
	in.Close()
	must(t, cmd.Wait())
	mark(t, l, src, "end")
	text := read(t, src.path())
	for i := range 20 {
		if !strings.Contains(text, "\nupkeep: mark "+strconv.Itoa(i)+"\n") {
			t.Errorf("mark %d is missing", i)
		}
	}
	if !strings.HasSuffix(text, "\nupkeep: end\n") {
		t.Errorf("end: got %.100q", text[max(0, len(text)-100):])
	}
}

func TestMarkOfAServiceThatIsNotOpen(t *testing.T) {
	l := start(t)
	if err := l.Mark(t.Context(), 7, "x"); !errors.Is(err, panel.ErrNotFound) {
		t.Errorf("got %v, want %v", err, panel.ErrNotFound)
	}
}
