package logs

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// written is a service that is not open and whose home has a log.
func written(t *testing.T, text string) Source {
	t.Helper()
	src := newSource(t, 1)
	makeFolders(t, src, logFolder)
	must(t, os.WriteFile(src.path(), []byte(text), 0o640))
	give(t, src.path())
	return src
}

func TestExtractChoosesTheFile(t *testing.T) {
	l := start(t)
	src := written(t, "home\n")
	wantExtract(t, l, src, "home")
	must(t, os.WriteFile(l.fallbackPath(1), []byte("fallback\n"), 0o600))
	wantExtract(t, l, src, "home")
	must(t, os.Remove(src.path()))
	wantExtract(t, l, src, "fallback")
	must(t, os.Symlink("/etc/passwd", src.path()))
	wantExtract(t, l, src, "fallback")
}

func TestExtractOfNothing(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	x, err := l.Extract(t.Context(), src, panel.LogQuery{})
	if err != nil || len(x.Lines) != 0 || x.Path != src.path() {
		t.Errorf("no log: got %+v, %v", x, err)
	}
	if _, err := os.Lstat(src.Home + "/admin"); !os.IsNotExist(err) {
		t.Error("reading made folders")
	}
	r, size, err := l.OpenFile(t.Context(), src)
	must(t, err)
	defer r.Close()
	if text, err := io.ReadAll(r); size != 0 || len(text) != 0 || err != nil {
		t.Errorf("no log: got %d, %q, %v", size, text, err)
	}
	src.Home += "/gone"
	if _, err := l.Extract(t.Context(), src, panel.LogQuery{}); !errors.Is(err, panel.ErrNotFound) {
		t.Errorf("no home: got %v, want %v", err, panel.ErrNotFound)
	}
}

func TestExtractFollowsNothing(t *testing.T) {
	tests := map[string]func(t *testing.T, src Source){
		"link":   func(t *testing.T, src Source) { must(t, os.Symlink("/etc/passwd", src.path())) },
		"FIFO":   func(t *testing.T, src Source) { must(t, unix.Mkfifo(src.path(), 0o666)) },
		"folder": func(t *testing.T, src Source) { must(t, os.Mkdir(src.path(), 0o777)) },
		"linked folder": func(t *testing.T, src Source) {
			must(t, os.RemoveAll(src.Home+"/admin/logs"))
			must(t, os.Symlink("/etc", src.Home+"/admin/logs"))
		},
		"another's file": func(t *testing.T, src Source) {
			needRoot(t)
			must(t, os.WriteFile(src.path(), []byte("secret"), 0o644))
		},
	}
	for name, plant := range tests {
		t.Run(name, func(t *testing.T) {
			l := start(t)
			src := written(t, "")
			must(t, os.Remove(src.path()))
			plant(t, src)
			if x, err := l.Extract(t.Context(), src, panel.LogQuery{}); !errors.Is(err, panel.ErrForbidden) {
				t.Errorf("Extract: got %+v, %v, want %v", x, err, panel.ErrForbidden)
			}
			if r, _, err := l.OpenFile(t.Context(), src); !errors.Is(err, panel.ErrForbidden) {
				t.Errorf("OpenFile: got %v, %v, want %v", r, err, panel.ErrForbidden)
			}
		})
	}
}

// A reader that follows by the last position gets each line, an unfinished one again when it has grown.
func TestExtractFollow(t *testing.T) {
	l := start(t)
	src := newSource(t, 1)
	w := open(t, l, src)
	shown := map[panel.Position]string{}
	q := panel.LogQuery{HasAfter: true}
	for _, text := range []string{"one\ntw", "o\nthree", "", "\n"} {
		want := size(src.path()) + int64(len(text))
		write(t, w, text)
		eventually(t, "the text comes", func() bool { return size(src.path()) == want })
		x, err := l.Extract(t.Context(), src, q)
		must(t, err)
		if text == "" && len(x.Lines) != 0 {
			t.Errorf("nothing new: got %d lines", len(x.Lines))
		}
		for _, line := range x.Lines {
			shown[line.Position] = string(line.Text)
		}
		q.After = x.To
	}
	if len(shown) != 3 || shown[0] != "one" || shown[4] != "two" || shown[8] != "three" {
		t.Errorf("shown: got %v", shown)
	}
}

func TestOpenFileEndsAtItsSize(t *testing.T) {
	l := start(t)
	src := written(t, strings.Repeat("line\n", 1000))
	r, n, err := l.OpenFile(t.Context(), src)
	must(t, err)
	defer r.Close()
	f, err := os.OpenFile(src.path(), os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	defer f.Close()
	write(t, f, "later\n")
	text, err := io.ReadAll(r)
	if err != nil || n != 5000 || string(text) != strings.Repeat("line\n", 1000) {
		t.Errorf("got %d bytes of %d, %v", len(text), n, err)
	}
}

// A reader that gives up leaves no descriptor behind, whenever that happens: start looks for it.
func TestReadersThatGiveUp(t *testing.T) {
	l := start(t)
	src := written(t, "x\n")
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		r, _, err := l.OpenFile(ctx, src)
		if err == nil {
			must(t, r.Close())
		} else if !errors.Is(err, context.Canceled) && !errors.Is(err, panel.ErrBusy) {
			t.Fatal(err) // busy: too many that gave up are still in the queue
		}
		cancel()
	}
}

func TestReadersOfAHangingHomeAreRefused(t *testing.T) {
	l := start(t)
	src := written(t, "x\n")
	end := make(chan struct{})
	for range accountWorkers + maxReaders {
		l.pool.submit(src.Account, func() { <-end })
	}
	_, err := l.Extract(t.Context(), src, panel.LogQuery{})
	if !errors.Is(err, panel.ErrBusy) {
		t.Errorf("got %v, want %v", err, panel.ErrBusy)
	}
	close(end)
}
