package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrInUse says that the database is open somewhere.
var ErrInUse = errors.New("the database is in use")

// use notes that somebody works with the database at path, and waits while it is being replaced.
func use(path string) (release func(), err error) { return hold(path, unix.LOCK_SH) }

// take gets the database at path for this process alone; [ErrInUse] when somebody works with it.
func take(path string) (release func(), err error) {
	release, err = hold(path, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrInUse
	}
	return release, err
}

func hold(path string, how int) (release func(), err error) {
	f, err := os.OpenFile(path+".use.lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := inheritOwner(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(f.Fd()), how)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	return func() { _ = f.Close() }, nil // gives the lock back; nothing was written
}

// instancePath is a file beside the database that outlives it: it says that there was one, and whose processes and
// control groups are those of this installation.
func instancePath(path string) string { return path + ".instance" }

// LastInstance is the instance of the database that was last opened at path, read without it; empty when there
// never was one.
func LastInstance(path string) (string, error) {
	text, err := os.ReadFile(instancePath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// noteInstance writes the file unless it says the same already.
func noteInstance(path, instance string) error {
	if last, err := LastInstance(path); err == nil && last == instance {
		return nil
	}
	err := os.WriteFile(instancePath(path), []byte(instance+"\n"), 0o600)
	return errors.Join(err, inheritOwner(instancePath(path)))
}

// inheritOwner gives a file that root has made to the owner of its folder, who may be somebody else and has to be able
// to open it.
func inheritOwner(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	dir := info.Sys().(*syscall.Stat_t)
	return os.Lchown(path, int(dir.Uid), int(dir.Gid))
}
