package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lockHolder is the PID, as text, of the process that holds a lock file of the data directory: "lock" is the daemon's,
// "keeper.lock" the keeper's. It is empty when nobody does. Taking the lock to find out would keep a daemon from
// starting in that moment, so the kernel's list is read.
func lockHolder(dir, name string) string {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	st := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	// 1: FLOCK  ADVISORY  WRITE 4242 08:01:131 0 EOF. The device is not that of stat on every file system.
	file := fmt.Sprintf(":%d ", st.Ino)
	for line := range strings.Lines(string(locks)) {
		if !strings.Contains(line, "FLOCK") || !strings.Contains(line, "WRITE") || !strings.Contains(line, file) {
			continue
		}
		// The list names the process that took the lock, which may have been another one that handed it on.
		if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) != "" {
			return strings.TrimSpace(string(text))
		}
		return strings.Fields(line)[4]
	}
	return ""
}
