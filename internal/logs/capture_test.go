package logs

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

func TestOpenAgainKeepsTheFile(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	for i := range 3 {
		w := open(t, l, src)
		write(t, w, numbered(i, 1, false))
		w.Close()
		mark(t, l, src, "ended")
	}
	wantFile(t, src.path(), "line 0000000\nupkeep: ended\nline 0000001\nupkeep: ended\nline 0000002\nupkeep: ended\n")
}

func TestOpenUnderAnotherName(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	write(t, open(t, l, src), "a\n")
	mark(t, l, src, "x")
	renamed := src
	renamed.Name = "worker"
	write(t, open(t, l, renamed), "b\n")
	mark(t, l, renamed, "y")
	wantFile(t, src.path(), "a\nupkeep: x\n")
	wantFile(t, renamed.path(), "b\nupkeep: y\n")
}

func TestOpenRefusesSources(t *testing.T) {
	l := start(t)
	good := newSource(t, 1)
	tests := map[string]func(*Source){
		"no service":          func(s *Source) { s.Service = 0 },
		"empty name":          func(s *Source) { s.Name = "" },
		"name with a path":    func(s *Source) { s.Name = "../../../x" },
		"name with a NUL":     func(s *Source) { s.Name = "a\x00" },
		"home that is not so": func(s *Source) { s.Home = "home" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			src := good
			change(&src)
			if w, err := l.Open(t.Context(), src); err == nil {
				w.Close()
				t.Error("Open: no error")
			}
			if _, err := l.Extract(t.Context(), src, panel.LogQuery{}); err == nil {
				t.Error("Extract: no error")
			}
		})
	}
}

func TestFilesAreTheAccounts(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	open(t, l, src)
	mark(t, l, src, "x")
	want := map[string]uint32{
		src.Home + "/admin": unix.S_IFDIR | 0o750, src.Home + "/admin/logs": unix.S_IFDIR | 0o750,
		src.Home + "/admin/logs/services": unix.S_IFDIR | 0o750, src.path(): unix.S_IFREG | 0o640,
		l.fifoPath(1): unix.S_IFIFO | 0o600,
	}
	for path, mode := range want {
		var st unix.Stat_t
		must(t, unix.Lstat(path, &st))
		// The umask of whoever runs the tests may take more away.
		if st.Mode&^mode != 0 || int(st.Uid) != src.owner() {
			t.Errorf("%s: got mode %o of %d, want %o of %d", path, st.Mode, st.Uid, mode, src.owner())
		}
	}
}

func TestFIFOIsReplaced(t *testing.T) {
	tests := map[string]func(t *testing.T, path string){
		"file":   func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("x"), 0o600)) },
		"folder": func(t *testing.T, path string) { must(t, os.MkdirAll(path+"/sub", 0o700)) },
		"link":   func(t *testing.T, path string) { must(t, os.Symlink("/dev/null", path)) },
		"owner": func(t *testing.T, path string) {
			needRoot(t)
			must(t, unix.Mkfifo(path, 0o666))
			must(t, os.Chown(path, 12345, 12345))
		},
	}
	for name, plant := range tests {
		t.Run(name, func(t *testing.T) {
			l := start(t)
			src := newSource(t, 1)
			plant(t, l.fifoPath(1))
			write(t, open(t, l, src), "a\n")
			mark(t, l, src, "x")
			wantFile(t, src.path(), "a\nupkeep: x\n")
		})
	}
}

// A FIFO that another one replaces while it is open gives what is in it to the log first.
func TestFIFOIsReplacedWhileOpen(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	former := open(t, l, src)
	mark(t, l, src, "x")
	must(t, os.Remove(l.fifoPath(1)))
	write(t, former, "former\n")
	write(t, open(t, l, src), "new\n")
	mark(t, l, src, "y")
	wantFile(t, src.path(), "upkeep: x\nformer\nnew\nupkeep: y\n")
}

func TestCloseKeepsTheOutput(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	before := openDescriptors(t)
	w := open(t, l, src)
	write(t, w, "a\n")
	w.Close()
	l.Close(1)
	eventually(t, "descriptors are closed", func() bool { return openDescriptors(t) == before })
	wantFile(t, src.path(), "a\n")
	if _, err := os.Lstat(l.fifoPath(1)); err != nil {
		t.Errorf("the FIFO: %v", err)
	}
	write(t, open(t, l, src), "b\n") // and it can be opened again
	mark(t, l, src, "x")
	wantFile(t, src.path(), "a\nb\nupkeep: x\n")
}

func TestCloseAndOpenAtOnce(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	for i := range 200 {
		w := open(t, l, src)
		write(t, w, numbered(i, 1, false))
		w.Close()
		l.Close(1)
	}
	want := numbered(0, 200, false)
	eventually(t, "all lines are in the file", func() bool { return size(src.path()) == int64(len(want)) })
	wantFile(t, src.path(), want)
}

func TestRemove(t *testing.T) {
	for _, opened := range []bool{true, false} {
		t.Run("open="+strconv.FormatBool(opened), func(t *testing.T) {
			l := start(t)
			src := newSource(t, 1)
			must(t, os.WriteFile(l.fallbackPath(1), []byte("x"), 0o600))
			if opened {
				write(t, open(t, l, src), "a\n")
			} else {
				must(t, ensureFIFO(l.fifoPath(1), src))
			}
			l.Remove(1)
			eventually(t, "FIFO and fallback are gone", func() bool {
				_, fifo := os.Lstat(l.fifoPath(1))
				_, fallback := os.Lstat(l.fallbackPath(1))
				return os.IsNotExist(fifo) && os.IsNotExist(fallback)
			})
			if opened {
				wantFile(t, src.path(), "a\n")
			}
		})
	}
}

func TestOneReaderOnly(t *testing.T) {
	state := t.TempDir()
	startIn(t, state)
	if _, err := New(Options{State: state}); !errors.Is(err, panel.ErrBusy) {
		t.Errorf("a second one: got %v, want %v", err, panel.ErrBusy)
	}
}

func TestRunMovesTheRestAndEnds(t *testing.T) {
	l, err := New(Options{State: t.TempDir(), Coalesce: time.Hour})
	must(t, err)
	l.shortest = time.Hour // so that only the end moves anything
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	src := newSource(t, 1)
	w := open(t, l, src)
	write(t, w, "last words")
	w.Close()
	cancel()
	must(t, <-ended)
	wantFile(t, src.path(), "last words")
	if _, err := l.Open(t.Context(), src); err == nil {
		t.Error("Open after the end: no error")
	}
	x, err := l.Extract(t.Context(), src, panel.LogQuery{})
	if err != nil || len(x.Lines) != 1 {
		t.Errorf("Extract after the end: got %v, %v, want the line", x, err)
	}
}

// Neither an idle FIFO nor one whose writers are gone may wake the loop: only the other service does.
func TestIdleCostsNothing(t *testing.T) {
	l := start(t)
	held, left, busy := newSource(t, 1), newSource(t, 2), newSource(t, 3)
	open(t, l, held)
	w := open(t, l, left)
	write(t, w, "a\n")
	w.Close()
	must(t, l.Attach(t.Context(), newSource(t, 4))) // nobody ever wrote
	for _, src := range []Source{held, left} {
		mark(t, l, src, "x")
	}
	const lines = 200
	w = open(t, l, busy)
	before := l.wakes.Load()
	for i := range lines {
		write(t, w, numbered(i, 1, false))
		want := int64((i + 1) * len(numbered(0, 1, false)))
		eventually(t, "the line comes", func() bool { return size(busy.path()) == want })
	}
	// Each line: one report, one deadline, and what rounding to milliseconds adds.
	if got := l.wakes.Load() - before; got > 4*lines {
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
