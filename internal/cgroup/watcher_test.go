package cgroup

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func watcher(t *testing.T) *Watcher {
	t.Helper()
	w, err := NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// read waits for events.
func read(t *testing.T, w *Watcher) []string {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.FD()), Events: unix.POLLIN}}, 20_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Fatalf("no event: %d, %v", n, err)
		}
		paths, err := w.Read()
		if err != nil {
			t.Fatal(err)
		}
		if paths != nil {
			return paths
		}
	}
}

func add(t *testing.T, w *Watcher, path string) {
	t.Helper()
	if err := w.Add(path); err != nil {
		t.Fatal(err)
	}
}

func TestWatcher(t *testing.T) {
	tr, w := tree(t), watcher(t)
	quiet, busy := newRun(t, tr, 1), newRun(t, tr, 2)
	add(t, w, quiet)
	add(t, w, busy)
	if paths, err := w.Read(); paths != nil || err != nil {
		t.Fatalf("before anything: %v, %v", paths, err)
	}
	startTree(t, busy)
	if got := read(t, w); !slices.Equal(got, []string{busy}) {
		t.Fatalf("after a start: %v, want %s", got, busy)
	}
	if err := Kill(busy); err != nil {
		t.Fatal(err)
	}
	for populated(t, busy) {
		if got := read(t, w); !slices.Equal(got, []string{busy}) {
			t.Fatalf("after the kill: %v, want %s", got, busy)
		}
	}
}

func TestWatcherRemove(t *testing.T) {
	tr, w := tree(t), watcher(t)
	gone, kept := newRun(t, tr, 1), newRun(t, tr, 2)
	add(t, w, gone)
	add(t, w, kept)
	w.Remove(gone)
	w.Remove(gone)
	startIn(t, gone, "sleep", "60")
	startIn(t, kept, "sleep", "60")
	if got := read(t, w); !slices.Equal(got, []string{kept}) {
		t.Errorf("events of %v, want only %s", got, kept)
	}
}

// Kernels differ in whether they tell that a watched group was removed; the next one of that name is watched anyhow.
func TestWatcherOfGroupMadeAgain(t *testing.T) {
	tr, w := tree(t), watcher(t)
	path := newRun(t, tr, 1)
	add(t, w, path)
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Add of a missing group: %v", err)
	}
	add(t, w, newRun(t, tr, 1))
	if len(w.paths) != 1 || len(w.wds) != 1 {
		t.Errorf("the former watch is remembered: %v %v", w.paths, w.wds)
	}
	startIn(t, path, "sleep", "60")
	if got := read(t, w); !slices.Equal(got, []string{path}) {
		t.Errorf("in the new group of that name: %v", got)
	}
}

// The event of a removed group, where a kernel sends one, is told and ends the watch.
func TestWatcherIgnored(t *testing.T) {
	w := watcher(t)
	w.wds["a"], w.paths[7] = 7, "a"
	changed := map[string]bool{}
	w.note(rawEvent(7, unix.IN_IGNORED), changed)
	if !changed["a"] || len(w.paths)+len(w.wds) != 0 {
		t.Errorf("changed %v, still known %v %v", changed, w.paths, w.wds)
	}
}

// When the queue overflows the kernel does not say whose events it dropped.
func TestWatcherOverflow(t *testing.T) {
	w := &Watcher{wds: map[string]int32{"a": 1, "b": 2}, paths: map[int32]string{1: "a", 2: "b"}}
	changed := map[string]bool{}
	w.note(rawEvent(-1, unix.IN_Q_OVERFLOW), changed)
	if !changed["a"] || !changed["b"] {
		t.Errorf("after an overflow: %v, want all", changed)
	}
}

func rawEvent(wd int32, mask uint32) []byte {
	raw := make([]byte, unix.SizeofInotifyEvent)
	binary.NativeEndian.PutUint32(raw, uint32(wd))
	binary.NativeEndian.PutUint32(raw[4:], mask)
	return raw
}

func BenchmarkProcesses(b *testing.B) {
	tr := tree(b)
	path := newRun(b, tr, 1)
	startIn(b, path, "sleep", "60")
	for b.Loop() {
		if len(processes(b, path)) != 1 {
			b.Fatal(filepath.Base(path))
		}
	}
}
