package logs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// always makes each batch look whether the path still leads to the open file.
func always(u *tuning) { u.verifyEvery = 0 }

// asked lets output be moved only by Open and Mark, so that a test can change the home in between.
func asked(u *tuning) { u.shortest, u.longest = time.Hour, time.Hour }

// stubborn makes a home that refused be left alone until the next Open.
func stubborn(u *tuning) { u.retryHome = time.Hour }

// planted is what stands in the place of a folder or file of the log, and where it might lead.
type planted struct {
	name   string
	root   bool // only root can make it
	folder bool // it may stand for a folder …
	file   bool // … or for the file
	said   string
	make   func(t *testing.T, path, outside string)
}

var plants = []planted{
	{"link to a folder", false, true, false, "is a symbolic link", func(t *testing.T, path, outside string) {
		must(t, os.Symlink(outside, path))
	}},
	{"link to a file", false, false, true, "is a symbolic link", func(t *testing.T, path, outside string) {
		must(t, os.Symlink(outside+"/victim", path))
	}},
	{"dangling link", false, true, true, "is a symbolic link", func(t *testing.T, path, outside string) {
		must(t, os.Symlink(outside+"/new", path))
	}},
	{"link to a process's descriptor", false, true, true, "is a symbolic link", func(t *testing.T, path, _ string) {
		must(t, os.Symlink("/proc/self/fd/1", path))
	}},
	{"hard link to another's file", true, false, true, "is not the account's", func(t *testing.T, path, outside string) {
		must(t, os.Link(outside+"/victim", path))
	}},
	{"hard link to an own file", false, false, true, "is a hard link", func(t *testing.T, path, outside string) {
		_ = os.Remove(outside + "/own") // of the time before; missing the first time
		must(t, os.WriteFile(outside+"/own", nil, 0o666))
		give(t, outside+"/own")
		must(t, os.Link(outside+"/own", path))
	}},
	{"FIFO", false, true, true, "is a named pipe", func(t *testing.T, path, _ string) {
		must(t, unix.Mkfifo(path, 0o666))
		give(t, path)
	}},
	{"socket", false, true, true, "is a socket", func(t *testing.T, path, _ string) {
		must(t, unix.Mknod(path, unix.S_IFSOCK|0o666, 0))
		give(t, path)
	}},
	{"device", true, true, true, "is a device", func(t *testing.T, path, _ string) {
		must(t, unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))) // as /dev/null
		give(t, path)
	}},
	{"folder for a file", false, false, true, "is a folder", func(t *testing.T, path, _ string) {
		must(t, os.Mkdir(path, 0o777))
		give(t, path)
	}},
	{"file for a folder", false, true, false, "is a file", func(t *testing.T, path, _ string) {
		must(t, os.WriteFile(path, nil, 0o666))
		give(t, path)
	}},
	{"another's folder", true, true, false, "is not the account's", func(t *testing.T, path, _ string) {
		must(t, os.Mkdir(path, 0o777))
		must(t, os.Chown(path, 12345, 12345))
		must(t, os.Chmod(path, 0o777))
	}},
	{"another's file", true, false, true, "is not the account's", func(t *testing.T, path, _ string) {
		must(t, os.WriteFile(path, nil, 0o666))
		must(t, os.Chown(path, 12345, 12345))
		must(t, os.Chmod(path, 0o666))
	}},
	{"unreadable folder", true, true, false, "permission denied", func(t *testing.T, path, _ string) {
		must(t, os.Mkdir(path, 0))
		give(t, path)
	}},
	{"read-only file", true, false, true, "permission denied", func(t *testing.T, path, _ string) {
		must(t, os.WriteFile(path, nil, 0o400))
		give(t, path)
	}},
}

// Whatever stands in the way to the log: nothing outside the home changes, no line is lost, the page is told,
// and all is well again once it is gone.
func TestHostileHome(t *testing.T) {
	places := []struct {
		path string
		file bool
	}{{"admin", false}, {"admin/logs", false}, {"admin/logs/services", false}, {"admin/logs/services/web.log", true}}
	for _, place := range places {
		for _, p := range plants {
			if p.file && place.file || p.folder && !place.file {
				t.Run(place.path+" is "+p.name, func(t *testing.T) { hostile(t, p, place.path) })
			}
		}
	}
}

func hostile(t *testing.T, p planted, place string) {
	if p.root {
		needRoot(t)
	}
	l := start(t, asked, always, stubborn)
	src, outside := newSource(t, 1), newOutside(t)
	path := filepath.Join(src.Home, place)
	makeFolders(t, src, filepath.Dir(place))
	p.make(t, path, outside)

	w := open(t, l, src)
	write(t, w, "a\n")
	mark(t, l, src, "x")
	wantFile(t, l.fallbackPath(1), "a\nupkeep: x\n")
	if got := l.Trouble(1); !strings.Contains(got, p.said) || !strings.Contains(got, "~/"+place) {
		t.Errorf("Trouble: got %q, want %q of %q", got, p.said, "~/"+place)
	}
	if got := l.Path(1); got != l.fallbackPath(1) {
		t.Errorf("Path: got %s, want the fallback", got)
	}
	wantExtract(t, l, src, "a", "upkeep: x")
	wantUntouched(t, outside)

	must(t, os.RemoveAll(path))
	open(t, l, src)
	write(t, w, "b\n")
	mark(t, l, src, "y")
	wantFile(t, src.path(), "b\nupkeep: y\n")
	if got := l.Trouble(1); got != "" {
		t.Errorf("Trouble after repair: got %q", got)
	}

	// The same while the log is being written.
	must(t, os.Rename(path, path+".away"))
	p.make(t, path, outside)
	write(t, w, "c\n")
	mark(t, l, src, "z")
	wantFile(t, l.fallbackPath(1), "a\nupkeep: x\nc\nupkeep: z\n")
	wantUntouched(t, outside)
}

// newOutside is a folder outside of the home, open to all, with a file in it.
func newOutside(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o777))
	must(t, os.WriteFile(dir+"/victim", []byte("untouched"), 0o666))
	must(t, os.Chmod(dir+"/victim", 0o666))
	return dir
}

// wantUntouched checks that nothing was written or made outside. "own" is the account's, made by a test.
func wantUntouched(t *testing.T, outside string) {
	t.Helper()
	wantFile(t, outside+"/victim", "untouched")
	wantFile(t, outside+"/own", "")
	names, err := os.ReadDir(outside)
	must(t, err)
	for _, n := range names {
		if n.Name() != "victim" && n.Name() != "own" {
			t.Errorf("made outside of the home: %s", n.Name())
		}
	}
}

// makeFolders makes folders of the home as the account would.
func makeFolders(t *testing.T, src Source, folder string) {
	t.Helper()
	path := src.Home
	for name := range strings.SplitSeq(folder, "/") {
		path = filepath.Join(path, name)
		must(t, os.MkdirAll(path, 0o755))
		give(t, path)
	}
}

func wantExtract(t *testing.T, l *Logs, src Source, want ...string) {
	t.Helper()
	x, err := l.Extract(t.Context(), src, panel.LogQuery{})
	must(t, err)
	var got []string
	for _, line := range x.Lines {
		got = append(got, string(line.Text))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Extract: got %q, want %q", got, want)
	}
}

// A folder, or the file, becomes a link to the outside and back, in a loop, while a program writes.
func TestSwappedWhileWriting(t *testing.T) {
	for name, c := range map[string]struct {
		swapped string
		link    func(t *testing.T, path, outside string)
	}{
		"folder above all": {"admin", func(t *testing.T, path, outside string) { must(t, os.Symlink(outside+"/admin", path)) }},
		"folder":           {"admin/logs", func(t *testing.T, path, outside string) { must(t, os.Symlink(outside, path)) }},
		"last folder":      {"admin/logs/services", func(t *testing.T, path, outside string) { must(t, os.Symlink(outside+"/services", path)) }},
		"file":             {logFolder + "/web.log", func(t *testing.T, path, outside string) { must(t, os.Symlink(outside+"/own", path)) }},
		"file, hard":       {logFolder + "/web.log", func(t *testing.T, path, outside string) { must(t, os.Link(outside+"/own", path)) }},
		"file, and a FIFO": {logFolder + "/web.log", func(t *testing.T, path, _ string) {
			must(t, unix.Mkfifo(path, 0o666))
			give(t, path)
		}},
	} {
		t.Run(name, func(t *testing.T) { swappedWhileWriting(t, c.swapped, c.link) })
	}
}

func swappedWhileWriting(t *testing.T, swapped string, link func(t *testing.T, path, outside string)) {
	const lines = 50_000
	l := start(t, always, func(u *tuning) { u.retryHome = 0 })
	src, outside := newSource(t, 1), newOutside(t)
	// Files the account could write to, at the places where a followed link would lead.
	must(t, os.WriteFile(outside+"/own", nil, 0o666))
	give(t, outside+"/own")
	must(t, os.MkdirAll(outside+"/services", 0o777))
	must(t, os.Chmod(outside+"/services", 0o777))
	must(t, os.Symlink("../own", outside+"/services/web.log"))
	must(t, os.Symlink(".", outside+"/logs"))
	must(t, os.Symlink(".", outside+"/admin"))
	w := open(t, l, src)
	mark(t, l, src, "start")
	link(t, src.Home+"/link", outside)

	var end atomic.Bool
	swaps := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; !end.Load() || swaps%2 == 1; swaps++ {
			// Where the file is what is swapped, upkeep makes it anew when it was away.
			if err := swap(src.Home+"/"+swapped, src.Home+"/link"); err != nil && err != unix.ENOENT {
				t.Error(err)
				return
			}
		}
	}()
	cmd := program(t, w, "lines", strconv.Itoa(lines))
	must(t, cmd.Run())
	end.Store(true)
	<-done
	mark(t, l, src, "end")

	home, own := read(t, src.path()), read(t, l.fallbackPath(1))
	wantFile(t, outside+"/own", "")
	wantFile(t, outside+"/victim", "untouched")
	wantFile(t, outside+"/services/web.log", "")
	// Where output changes from one file to the other a line may be divided, and a mark adds a newline behind an
	// unfinished one: so count what is not a newline.
	got := strings.NewReplacer("upkeep: start\n", "", "upkeep: end\n", "", "\n", "").Replace(home + own)
	if want := strings.ReplaceAll(numbered(0, lines, true), "\n", ""); len(got) != len(want) {
		t.Errorf("bytes in both files: got %d, want %d", len(got), len(want))
	}
	t.Logf("%d swaps, %d bytes in the home, %d in the fallback", swaps, len(home), len(own))
}

// swap exchanges two names in one step.
func swap(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
