package logs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLogChangedFromOutside(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
		want   string
	}{
		{"deleted", func(t *testing.T, path string) { must(t, os.Remove(path)) }, "b\nupkeep: y\n"},
		{"truncated", func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, "b\nupkeep: y\n"},
		{"shortened", func(t *testing.T, path string) { must(t, os.Truncate(path, 2)) }, "a\nb\nupkeep: y\n"},
		{"appended to", func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			defer f.Close()
			write(t, f, "other\n")
		}, "a\nupkeep: x\nother\nb\nupkeep: y\n"},
		{"renamed", func(t *testing.T, path string) { must(t, os.Rename(path, path+".1")) }, "b\nupkeep: y\n"},
		{"folder deleted", func(t *testing.T, path string) {
			must(t, os.RemoveAll(filepath.Dir(filepath.Dir(path))))
		}, "b\nupkeep: y\n"},
		{"replaced by another file", func(t *testing.T, path string) {
			must(t, os.WriteFile(path+".new", []byte("new\n"), 0o600))
			give(t, path+".new")
			must(t, os.Rename(path+".new", path))
		}, "new\nb\nupkeep: y\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := start(t, asked, always)
			src := newSource(t, 1)
			w := open(t, l, src)
			write(t, w, "a\n")
			mark(t, l, src, "x")
			tt.change(t, src.path())
			write(t, w, "b\n")
			mark(t, l, src, "y")
			wantFile(t, src.path(), tt.want)
			if got := l.Trouble(1); got != "" {
				t.Errorf("Trouble: got %q, want none", got)
			}
		})
	}
}

// A deleted file is noticed with the next batch, without a look at its path.
func TestDeletedLogIsMadeAgainAtOnce(t *testing.T) {
	l := start(t, asked, func(u *tuning) { u.verifyEvery = time.Hour })
	src := newSource(t, 1)
	w := open(t, l, src)
	write(t, w, "a\n")
	mark(t, l, src, "x")
	must(t, os.Remove(src.path()))
	write(t, w, "b\n")
	mark(t, l, src, "y")
	wantFile(t, src.path(), "b\nupkeep: y\n")
}

func TestHomeMissing(t *testing.T) {
	l := start(t, func(u *tuning) { u.retryHome = 0 })
	src := newSource(t, 1)
	home := src.Home
	src.Home = home + "/later"
	w := open(t, l, src)
	write(t, w, "a\n")
	mark(t, l, src, "x")
	wantFile(t, l.fallbackPath(1), "a\nupkeep: x\n")
	if got := l.Trouble(1); !strings.HasPrefix(got, "The home folder is missing;") {
		t.Errorf("Trouble: got %q", got)
	}
	must(t, os.Mkdir(src.Home, 0o755))
	give(t, src.Home)
	write(t, w, "b\n") // without another Open: the home is tried again by itself
	mark(t, l, src, "y")
	wantFile(t, src.path(), "b\nupkeep: y\n")
	if got := l.Trouble(1); got != "" {
		t.Errorf("Trouble: got %q, want none", got)
	}
}

// A lease makes an open wait, or fail, for as long as its holder likes (up to lease-break-time).
func TestLeaseOnTheLog(t *testing.T) {
	l := start(t, stubborn)
	src := newSource(t, 1)
	makeFolders(t, src, logFolder)
	must(t, os.WriteFile(src.path(), nil, 0o640))
	give(t, src.path())
	f, err := os.OpenFile(src.path(), os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skipf("the file system has no leases: %v", err)
	}
	w := open(t, l, src)
	write(t, w, "a\n")
	mark(t, l, src, "x")
	wantFile(t, l.fallbackPath(1), "a\nupkeep: x\n")
}

// What an account sends to the fallback must not fill upkeep's own disk.
func TestFallbackIsBounded(t *testing.T) {
	const keep = 64 << 10
	l := start(t, stubborn, func(u *tuning) { u.keep = keep })
	src := newSource(t, 1)
	must(t, os.Symlink("/tmp", src.Home+"/admin"))
	w := open(t, l, src)
	must(t, program(t, w, "lines", "100000").Run())
	mark(t, l, src, "end")
	path := l.fallbackPath(1)
	if got := size(path) + size(path+formerSuffix); got > 2*(keep+spliceBytes) {
		t.Errorf("bytes kept: %d", got)
	}
	if got := read(t, path+formerSuffix) + read(t, path); !strings.HasSuffix(got, "line 0099999upkeep: end\n") &&
		!strings.HasSuffix(got, "line 0099999\nupkeep: end\n") { // the mark may be the first of a new file
		t.Errorf("the newest lines are missing: %.100q", got[max(0, len(got)-100):])
	}
}
