package cgroup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// attempts bounds how often work is repeated that lost a race against another worker.
const attempts = 10

// Create makes the empty group <base>/<account>/<service>/<run> and returns its path. A group of the same run that
// is empty is replaced, because it may have been killed (see the package comment); one with processes is answered
// with [ErrPopulated].
func (t *Tree) Create(account, service string, run int) (string, error) {
	if err := errors.Join(checkName(account), checkName(service)); err != nil {
		return "", err
	}
	dir := filepath.Join(t.base, account, service)
	path := filepath.Join(dir, strconv.Itoa(run))
	for range attempts {
		err := errors.Join(ensure(t.base), ensure(filepath.Dir(dir)), ensure(dir), create(path))
		if err == nil {
			return path, nil
		}
		// Another run's Remove may take away the directories above between two steps.
		if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("create control group: %w", err)
		}
	}
	return "", fmt.Errorf("create control group %s: directories above vanish", path)
}

// ensure makes a directory unless it is there. In a race os.MkdirAll would call a directory that was there, and is
// gone, an error of its own.
func ensure(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

func create(path string) error {
	err := os.Mkdir(path, 0o755)
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := removeTree(path); err != nil {
		return err
	}
	return os.Mkdir(path, 0o755)
}

// Remove takes away the group of a run and the groups below it, then the directories of its service and account
// when nothing is left in them. A group that is gone already is fine; processes in it are answered with
// [ErrPopulated].
func Remove(path string) error {
	if err := removeTree(path); err != nil {
		return fmt.Errorf("remove control group: %w", err)
	}
	service := filepath.Dir(path)
	// Whatever keeps these two is somebody else's: another run, or one that is being made right now.
	if unix.Rmdir(service) == nil {
		_ = unix.Rmdir(filepath.Dir(service)) // the same
	}
	return nil
}

func removeTree(path string) error {
	children, err := children(path)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := removeTree(child); err != nil {
			return err
		}
	}
	switch err := unix.Rmdir(path); {
	case err == nil, errors.Is(err, unix.ENOENT):
		return nil
	case inUse(err):
		return fmt.Errorf("%s: %w", path, ErrPopulated)
	default:
		return fmt.Errorf("rmdir %s: %w", path, err)
	}
}

// children lists the groups directly below path; none when path is gone. A group's link count is 2 plus the number
// of its children, so the usual group, which has none, costs one system call.
func children(path string) ([]string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, ignoreGone(err)
	}
	if st.Nlink <= 2 {
		return nil, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, ignoreGone(err)
	}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(path, e.Name()))
		}
	}
	return dirs, nil
}

// ignoreGone turns the errors of a group that was removed meanwhile into none. A file that was open before the
// removal answers ENODEV.
func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// RemoveAfter is Remove for a group whose last process has ended and may not have left yet: the kernel lets go of
// a process a moment after its parent has its exit status. It waits for that as long as patience lasts.
func RemoveAfter(path string, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	err := Remove(path)
	for errors.Is(err, ErrPopulated) && awaitChange(path, time.Until(deadline)) {
		err = Remove(path)
	}
	return err
}

// awaitChange blocks until the group's population changes; false when patience ended first. A group that is empty
// or gone already counts as changed.
func awaitChange(path string, patience time.Duration) bool {
	if patience <= 0 {
		return false
	}
	f, err := os.Open(filepath.Join(path, "cgroup.events"))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer f.Close()
	// Reading arms the poll: it tells of changes since this descriptor was last read.
	text, err := io.ReadAll(f)
	if err != nil {
		return false
	}
	if populated, err := number(text, "populated"); err != nil || populated == 0 {
		return err == nil
	}
	poll := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}
	n, err := unix.Poll(poll, int(patience.Milliseconds())+1)
	return n > 0 || err == unix.EINTR
}
