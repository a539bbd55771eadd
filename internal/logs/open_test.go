package logs

import (
	"context"
	"errors"
	"maps"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/keeper"
	"upkeep/internal/panel"
)

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

// holder is a Keeper that is nothing but a list.
type holder struct{ held map[string]bool }

func (h *holder) Put(name string, _ int) { h.held[name] = true }
func (h *holder) Drop(name string)       { delete(h.held, name) }
func (h *holder) OnRefill(func())        {}

// A service that was not opened since the daemon came is let go of as well: the daemon before had opened it.
func TestRemovedServiceLeavesTheKeeper(t *testing.T) {
	k := &holder{map[string]bool{keeper.FIFO(7): true, keeper.Log(7): true, keeper.FIFO(8): true}}
	l, err := New(Options{State: t.TempDir(), Keeper: k})
	must(t, err)
	l.Remove(7)
	if want := map[string]bool{keeper.FIFO(8): true, keeper.Spill(): true}; !maps.Equal(k.held, want) {
		t.Errorf("held is %v, want %v", k.held, want)
	}
	l.release()
}
