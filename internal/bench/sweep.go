package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// endProcesses kills every process whose program lies below dir, which nobody else knows, and waits until none is
// left.
func endProcesses(dir string) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left := 0
		for _, pid := range allProcesses() {
			if runsFrom(pid, dir) {
				left++
				killIf(pid, dir)
			}
		}
		reapChildren()
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes do not end", left)
		}
	}
}

// allProcesses lists the numbers in /proc.
func allProcesses() []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// runsFrom is false for zombies: their program is gone.
func runsFrom(pid int, dir string) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && strings.HasPrefix(exe, dir+"/")
}

// killIf looks again once the process is held, because a number can be given away.
func killIf(pid int, dir string) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if runsFrom(pid, dir) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // one that ended meanwhile is fine
	}
}

// reapChildren waits for all children that have ended. It is called only when no command is under way, whose own
// wait would miss its child.
func reapChildren() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}

// removeTree removes a control group with all below it, which is empty of processes or about to be.
func removeTree(base string) error {
	var err error
	for range 100 {
		if err = removeGroups(base); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func removeGroups(base string) error {
	var groups []string
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	for _, path := range slices.Backward(groups) { // those below come first
		if e := unix.Rmdir(path); e != nil && e != unix.ENOENT {
			err = errors.Join(err, fmt.Errorf("remove %s: %w", path, e))
		}
	}
	return err
}
