package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fileID tells files apart, whatever they are called.
type fileID struct{ dev, ino uint64 }

// heldFile is a log that is, or will be, without a name. As long as it is open here, the audit can read what upkeep
// wrote to it.
type heldFile struct {
	file *os.File
	name string // when it was first seen
}

// hold keeps the file at path readable beyond its removal. A file that is not there is none, and nor is a link.
func (h *host) hold(path string) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		f.Close()
		return
	}
	id := fileID{st.Dev, st.Ino}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[id] != nil {
		f.Close()
		return
	}
	h.held[id] = &heldFile{f, path}
}

// holdFallbacks keeps upkeep's own files of output: they go with their service.
func (h *host) holdFallbacks() {
	paths, err := filepath.Glob(filepath.Join(h.data, "logs", "*"))
	if err != nil {
		return
	}
	for _, path := range paths {
		h.hold(path)
	}
}

// holdAll keeps every log there is, and returns what is held.
func (h *host) holdAll() []*heldFile {
	h.holdFallbacks()
	for _, account := range accounts {
		paths, err := filepath.Glob(filepath.Join(h.home(account), "admin/logs/services/*"))
		if err != nil {
			continue
		}
		for _, path := range paths {
			h.hold(path)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*heldFile
	for _, f := range h.held {
		all = append(all, f)
	}
	return all
}
