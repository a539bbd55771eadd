package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"upkeep/internal/fault"
	"upkeep/internal/panel"
)

// mountedSource has its home on a small file system of its own.
func mountedSource(t *testing.T, options string) (Source, func(options string)) {
	t.Helper()
	src := newSource(t, 1)
	resize := mountTemporary(t, src.Home, options)
	give(t, src.Home)
	return src, resize
}

func TestFullHomeGoesToTheFallback(t *testing.T) {
	src, resize := mountedSource(t, "size=256k")
	l := start(t, stubborn)
	w := open(t, l, src)
	text := numbered(0, 50000, false)
	must(t, program(t, w, "lines", "50000").Run())
	mark(t, l, src, "x")
	text = strings.TrimSuffix(text, "\n") + "\nupkeep: x\n"
	home := read(t, src.path())
	if len(home) == 0 || len(home) == len(text) {
		t.Fatalf("the home took %d bytes of %d: not a test of a full one", len(home), len(text))
	}
	if got := home + read(t, l.fallbackPath(1)); got != text {
		t.Errorf("both files together: got %d bytes, want the %d bytes written", len(got), len(text))
	}
	if got := l.Trouble(1); !strings.HasPrefix(got, "The disk of the home is full;") {
		t.Errorf("Trouble: got %q", got)
	}

	// Opening is no proof that there is space, so the page still says so …
	open(t, l, src)
	settled(t, l, src)
	if got := l.Trouble(1); !strings.HasPrefix(got, "The disk of the home is full;") {
		t.Errorf("Trouble after another Open: got %q", got)
	}
	// … until the home took something.
	resize("size=8m")
	open(t, l, src)
	mark(t, l, src, "z")
	wantFile(t, src.path(), home+"\nupkeep: z\n")
	if got := l.Trouble(1); got != "" {
		t.Errorf("Trouble with space again: got %q", got)
	}
}

func TestFullInodesGoToTheFallback(t *testing.T) {
	src, _ := mountedSource(t, "nr_inodes=3")
	l := start(t)
	w := open(t, l, src)
	write(t, w, "a\n")
	mark(t, l, src, "x")
	wantFile(t, l.fallbackPath(1), "a\nupkeep: x\n")
	if got := l.Trouble(1); !strings.HasPrefix(got, "The disk of the home is full;") {
		t.Errorf("Trouble: got %q", got)
	}
}

// With no space anywhere output waits in the FIFO, and so does the program; neither is lost.
func TestFullEverywhereWaits(t *testing.T) {
	src, resize := mountedSource(t, "size=256k")
	state := filepath.Join(src.Home, "state")
	must(t, os.Mkdir(state, 0o700))
	l := startIn(t, state, func(u *tuning) { u.longest, u.retryFull = u.shortest, time.Hour })
	other := newSource(t, 2)
	w, ow := open(t, l, src), open(t, l, other)
	cmd := program(t, w, "lines", "200000")
	must(t, cmd.Start())
	eventually(t, "trouble is told", func() bool { return strings.HasPrefix(l.Trouble(1), "Neither ") })

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Mark(ctx, 1, "given up"); !errors.Is(err, context.Canceled) {
		t.Errorf("Mark that gives up: got %v", err)
	}
	wantFewWakes(t, l, other, ow, 200) // the full FIFO, which is readable all the time, causes none
	resize("size=64m")
	open(t, l, src)
	must(t, cmd.Wait())
	mark(t, l, src, "x")
	// Which file took which part is the disk's affair; each part is in order.
	got := read(t, src.path()) + read(t, l.fallbackPath(1))
	if want := numbered(0, 200000, true) + "\nupkeep: x\n"; !sameLinesInParts(got, want) {
		t.Errorf("both files together: got %d bytes, want %d", len(got), len(want))
	}
}

// sameLinesInParts compares what is left when the places of division do not matter: every byte but newlines.
func sameLinesInParts(got, want string) bool {
	count := func(s string) (n [256]int) {
		for _, c := range []byte(s) {
			n[c]++
		}
		return n
	}
	return count(got) == count(want)
}

// A home whose file system stands still must not hold up another account.
func TestHangingHomeStallsItsOwnAccountOnly(t *testing.T) {
	hanging, healthy := newSource(t, 1), newSource(t, 2)
	freeze, thaw := fault.MountFreezable(t, hanging.Home)
	give(t, hanging.Home)
	l := start(t)
	var ws []*os.File
	for i := range 3 { // more than the account has workers
		src := hanging
		src.Service, src.Name = panel.ServiceID(10+i), fmt.Sprintf("web%d", i)
		ws = append(ws, open(t, l, src))
		must(t, l.Mark(t.Context(), src.Service, "before"))
	}
	w := open(t, l, healthy)

	freeze()
	for _, hw := range ws {
		write(t, hw, "a\n")
	}
	eventually(t, "both workers of the account hang", func() bool { return l.pool.waiting(hanging.Account) > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Open(ctx, hanging); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open in a hanging home: got %v, want %v", err, context.DeadlineExceeded)
	}
	write(t, w, "b\n")
	mark(t, l, healthy, "x")
	wantFile(t, healthy.path(), "b\nupkeep: x\n")
	wantExtract(t, l, healthy, "b", "upkeep: x")

	thaw()
	for i := range ws {
		path := filepath.Join(hanging.Home, logFolder, fmt.Sprintf("web%d.log", i))
		eventually(t, "the stalled line comes", func() bool { return strings.HasSuffix(read(t, path), "\na\n") })
	}
}
