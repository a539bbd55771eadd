package cgroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Watcher tells when groups become empty or populated, frozen or thawed, through one file descriptor for all of
// them. It is safe for concurrent use.
type Watcher struct {
	fd int

	mu    sync.Mutex
	paths map[int32]string // by watch descriptor, which the kernel does not use twice
	wds   map[string]int32 // the reverse
}

// NewWatcher returns a watcher without groups.
func NewWatcher() (*Watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch control groups: %w", err)
	}
	return &Watcher{fd: fd, paths: map[int32]string{}, wds: map[string]int32{}}, nil
}

// FD is for the caller's poll set: it is readable when [Watcher.Read] may have something to tell.
func (w *Watcher) FD() int { return w.fd }

// Close ends all watches.
func (w *Watcher) Close() error { return unix.Close(w.fd) }

// Add watches the group at path. What happened before is not told: read [Populated] after Add, not before.
func (w *Watcher) Add(path string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	wd, err := unix.InotifyAddWatch(w.fd, filepath.Join(path, "cgroup.events"), unix.IN_MODIFY)
	if err != nil {
		return fmt.Errorf("watch control group %s: %w", path, err)
	}
	if old, ok := w.wds[path]; ok && old != int32(wd) {
		w.forget(old) // a group removed and made again under the same name
	}
	w.paths[int32(wd)], w.wds[path] = path, int32(wd)
	return nil
}

// Remove ends the watch on path, if there is one. Call it also when the group itself was removed: many kernels do not
// tell, and the watch would keep a piece of the dead group in memory.
func (w *Watcher) Remove(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if wd, ok := w.wds[path]; ok {
		w.forget(wd)
	}
}

// forget runs under mu.
func (w *Watcher) forget(wd int32) {
	// The kernel ends the watch of a removed group by itself, and then refuses this.
	_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
	delete(w.wds, w.paths[wd])
	delete(w.paths, wd)
}

// Read returns the groups that changed since the last call, each once, and nothing when none did; it never blocks.
// An event can come before the state it announces is final, and one event can stand for several changes: the
// caller asks [Populated] for what is true now, and expects another event if that was too early. When the kernel
// had to drop events, every watched group is returned.
func (w *Watcher) Read() ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := map[string]bool{}
	var buf [4096]byte
	for {
		n, err := unix.Read(w.fd, buf[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return keys(changed), nil
		case err != nil:
			return keys(changed), fmt.Errorf("read events of control groups: %w", err)
		}
		w.note(buf[:n], changed)
	}
}

// note runs under mu.
func (w *Watcher) note(events []byte, changed map[string]bool) {
	for len(events) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(events))
		mask := binary.NativeEndian.Uint32(events[unsafe.Offsetof(unix.InotifyEvent{}.Mask):])
		size := binary.NativeEndian.Uint32(events[unsafe.Offsetof(unix.InotifyEvent{}.Len):])
		events = events[unix.SizeofInotifyEvent+size:]
		path, known := w.paths[wd]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			for path := range w.wds {
				changed[path] = true
			}
		case !known: // of a watch that was removed
		case mask&unix.IN_IGNORED != 0: // the group was removed, and this kernel tells
			w.forget(wd)
			changed[path] = true
		default:
			changed[path] = true
		}
	}
}

func keys(set map[string]bool) []string {
	if len(set) == 0 {
		return nil
	}
	list := make([]string, 0, len(set))
	for key := range set {
		list = append(list, key)
	}
	return list
}
