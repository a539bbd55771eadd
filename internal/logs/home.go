package logs

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// logFolder is where the logs of services stand in a home.
const logFolder = "admin/logs/services"

// errHomeGone says that the home itself is not there.
var errHomeGone = fmt.Errorf("home: %w", panel.ErrNotFound)

// finding is what a look at one name of a folder brought: a descriptor that can do nothing but name it.
type finding struct {
	fd int
	st unix.Stat_t
}

// look opens name in the folder, whatever it is, without following or touching it.
func look(folder int, name string) (finding, error) {
	fd, err := openIn(folder, name, unix.O_PATH, 0)
	if err != nil {
		return finding{}, err
	}
	f := finding{fd: fd}
	if err := unix.Fstat(fd, &f.st); err != nil {
		unix.Close(fd)
		return finding{}, err
	}
	return f, nil
}

// openIn opens one name in a folder. The kernel refuses links and everything that would leave the folder.
func openIn(folder int, name string, flags, mode int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_NOFOLLOW | unix.O_CLOEXEC),
		Mode:    uint64(mode),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for try := 1; ; try++ {
		fd, err := unix.Openat2(folder, name, &how)
		// EAGAIN: something was renamed meanwhile, and the kernel does not vouch for the way. Or somebody holds
		// a lease on the file, for up to a minute: not worth waiting for.
		if try == maxTries || err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// maxTries bounds what is tried again because of what somebody else did at the same moment.
const maxTries = 10

// walk opens the log folder of a home. With make, missing folders are made. It runs as the account.
func walk(src Source, make bool) (int, error) {
	fd, err := unix.Open(src.Home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return -1, errHomeGone
	}
	if err != nil {
		return -1, &refusal{what: "home folder", path: "~", err: err}
	}
	path := "~"
	for name := range strings.SplitSeq(logFolder, "/") {
		path += "/" + name
		next, err := enter(fd, name, src, make)
		unix.Close(fd)
		if err != nil {
			return -1, at(err, "log folder", path)
		}
		fd = next
	}
	return fd, nil
}

func enter(folder int, name string, src Source, make bool) (int, error) {
	f, err := look(folder, name)
	if err == unix.ENOENT && make {
		// The process's umask applies. EEXIST: somebody else was faster; look says what it is.
		if err := unix.Mkdirat(folder, name, 0o750); err != nil && err != unix.EEXIST {
			return -1, err
		}
		f, err = look(folder, name)
	}
	if err != nil {
		return -1, err
	}
	if err := soundFolder(f.st, src); err != nil {
		unix.Close(f.fd)
		return -1, err
	}
	return f.fd, nil
}

// soundFolder accepts folders of the account, and of root, who may have prepared them.
func soundFolder(st unix.Stat_t, src Source) error {
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return &refusal{kind: kindOf(st), wanted: "a folder"}
	}
	if int(st.Uid) != src.owner() && st.Uid != 0 {
		return &refusal{kind: "not the account's", wanted: "the account's"}
	}
	return nil
}

// soundFile accepts a regular file of the account that has no other name.
func soundFile(st unix.Stat_t, src Source) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return &refusal{kind: kindOf(st), wanted: "a regular file"}
	case int(st.Uid) != src.owner():
		return &refusal{kind: "not the account's", wanted: "the account's"}
	case st.Nlink > 1:
		return &refusal{kind: "a hard link: it has another name, too", wanted: "a file with one name"}
	}
	return nil
}

// access is how openHome opens the file.
type access int

const (
	reading access = iota
	writing        // reading too: a mark looks at the last byte. Makes what is missing.
)

// openHome opens the log file of a service in its home, as the account. A missing file is [fs.ErrNotExist], a
// missing home [panel.ErrNotFound], and what must not be used a *refusal.
func openHome(src Source, a access) (fd int, err error) {
	err = src.as(func() error {
		folder, err := walk(src, a == writing)
		if err != nil {
			return err
		}
		defer unix.Close(folder)
		for try := 1; ; try++ {
			fd, err = openLog(folder, src, a)
			// The file came or went between two looks.
			if try == maxTries || err != unix.EEXIST && (err != unix.ENOENT || a == reading) {
				break
			}
		}
		return at(err, "log file", "~/"+logFolder+"/"+src.Name+".log")
	})
	if err != nil {
		return -1, fmt.Errorf("log of %q: %w", src.Name, err)
	}
	return fd, nil
}

// openLog looks before it opens, so that no device or FIFO is ever opened, and looks again at what it got.
func openLog(folder int, src Source, a access) (int, error) {
	name, flags := src.Name+".log", unix.O_RDONLY
	if a == writing {
		flags = unix.O_RDWR // splice refuses O_APPEND
	}
	f, err := look(folder, name)
	switch {
	case err == unix.ENOENT && a == writing:
		flags |= unix.O_CREAT | unix.O_EXCL
	case err != nil:
		return -1, err
	default:
		unix.Close(f.fd)
		if err := soundFile(f.st, src); err != nil {
			return -1, err
		}
	}
	fd, err := openIn(folder, name, flags|unix.O_NONBLOCK|unix.O_NOCTTY, modeFor(flags))
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		err = soundFile(st, src)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// modeFor: openat2 refuses a mode where nothing is made.
func modeFor(flags int) int {
	if flags&unix.O_CREAT == 0 {
		return 0
	}
	return 0o640
}

// leadsTo reports whether the path in the home still leads to the open file.
func leadsTo(src Source, fd int) bool {
	var open, there unix.Stat_t
	err := src.as(func() error {
		folder, err := walk(src, false)
		if err != nil {
			return err
		}
		defer unix.Close(folder)
		f, err := look(folder, src.Name+".log")
		if err != nil {
			return err
		}
		there = f.st
		return unix.Close(f.fd)
	})
	return err == nil && unix.Fstat(fd, &open) == nil && open.Dev == there.Dev && open.Ino == there.Ino
}

// openReadable opens a log of the home to read it.
func openReadable(src Source) (*os.File, error) {
	fd, err := openHome(src, reading)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), src.path()), nil
}
