package logs

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// Neither an idle FIFO nor one whose writers are gone may wake the loop: only the other service does.
func TestIdleCostsNothing(t *testing.T) {
	l := start(t, func(u *tuning) { u.longest = u.shortest })
	held, left, busy := newSource(t, 1), newSource(t, 2), newSource(t, 3)
	open(t, l, held)
	w := open(t, l, left)
	write(t, w, "a\n")
	w.Close()
	must(t, l.Attach(t.Context(), newSource(t, 4))) // nobody ever wrote
	for _, src := range []Source{held, left} {
		mark(t, l, src, "x")
	}
	wantFewWakes(t, l, busy, open(t, l, busy), 200)
}

// wantFewWakes writes lines to a service that has none yet, one after the other, and counts what they cost: a
// stream that wakes the loop for nothing would add thousands.
func wantFewWakes(t *testing.T, l *Logs, src Source, w *os.File, lines int) {
	t.Helper()
	before := l.wakes.Load()
	for i := range lines {
		write(t, w, numbered(i, 1, false))
		want := int64((i + 1) * len(numbered(0, 1, false)))
		eventually(t, "the line comes", func() bool { return size(src.path()) == want })
	}
	// Each line: one report, one deadline, and what rounding to milliseconds adds.
	if got := l.wakes.Load() - before; got > int64(4*lines) {
		t.Errorf("the loop woke up %d times for %d lines", got, lines)
	}
}

func TestManyServices(t *testing.T) {
	const services = 5000
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if limit.Cur < 2*services+100 {
		t.Skipf("needs %d descriptors, the limit is %d", 2*services+100, limit.Cur)
	}
	l := start(t)
	descriptors, goroutines := openDescriptors(t), runtime.NumGoroutine()
	src := newSource(t, 1)
	for i := range services {
		src.Service, src.Name = panel.ServiceID(i+1), "service"+strconv.Itoa(i)
		w, err := l.Open(t.Context(), src)
		must(t, err)
		write(t, w, "a\n")
		w.Close()
	}
	for i := range services {
		src.Name = "service" + strconv.Itoa(i)
		eventually(t, "the line comes", func() bool { return size(src.path()) == 2 })
	}
	eventually(t, "workers end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if got := openDescriptors(t) - descriptors; got > 2*services {
		t.Errorf("descriptors: got %d, want at most two for each of %d services", got, services)
	}
}

// A flood must neither starve another service of the account nor keep its own marks waiting.
func TestFloodDoesNotStarve(t *testing.T) {
	l := start(t)
	quiet := newSource(t, 1)
	w := open(t, l, quiet)
	var ins []io.Closer
	for id := range panel.ServiceID(3) {
		src := quiet
		src.Service, src.Name = id+10, "flood"+strconv.Itoa(int(id))
		cmd := program(t, open(t, l, src), "endless")
		in, err := cmd.StdinPipe()
		must(t, err)
		must(t, cmd.Start())
		t.Cleanup(func() { in.Close(); must(t, cmd.Wait()) })
		ins = append(ins, in)
		eventually(t, "the flood runs", func() bool { return size(src.path()) > 1<<20 })
	}
	for i := range 20 {
		write(t, w, numbered(i, 1, false))
		want := int64((i + 1) * len(numbered(0, 1, false)))
		eventually(t, "the quiet line comes", func() bool { return size(quiet.path()) == want })
	}
	for _, in := range ins {
		in.Close()
	}
}

// The reader is killed again and again while a program writes: no line may be lost or doubled.
func TestKilledReaderLosesNothing(t *testing.T) {
	const kills = 25
	state, src := t.TempDir(), newSource(t, 1)
	fifo := filepath.Join(state, "fifos", "1")
	must(t, os.MkdirAll(filepath.Dir(fifo), 0o700))
	must(t, ensureFIFO(fifo, src))
	w, err := os.OpenFile(fifo, os.O_RDWR, 0)
	must(t, err)
	defer w.Close()
	writer := program(t, w, "endless")
	in, err := writer.StdinPipe()
	must(t, err)
	must(t, writer.Start())
	for i := range kills {
		killReader(t, state, src, int64(i%7+1)*100_000)
	}
	in.Close()
	l := startIn(t, state) // somebody must make room for the writer's last lines
	must(t, l.Attach(t.Context(), src))
	must(t, writer.Wait())
	mark(t, l, src, "end")
	text, ok := strings.CutSuffix(read(t, src.path()), "upkeep: end\n")
	if !ok {
		t.Error("the mark is not at the end")
	}
	wantNumbered(t, []byte(text), strings.Count(text, "\n"))
	t.Logf("%d kills, %d lines", kills, strings.Count(text, "\n"))
}

// killReader starts a reader and kills it when the log has grown by so many bytes.
func killReader(t *testing.T, state string, src Source, grow int64) {
	t.Helper()
	ready, said, err := os.Pipe()
	must(t, err)
	defer ready.Close()
	cmd := program(t, said, "reader", state, src.Home)
	cmd.Stderr = os.Stderr
	before := size(src.path())
	must(t, cmd.Start())
	said.Close()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the reader did not start: %v", err)
	}
	eventually(t, "the log grows", func() bool { return size(src.path()) >= before+grow })
	must(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Fatal("the reader ended by itself")
	}
}
