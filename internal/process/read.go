package process

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// unreadable reports whether err means that a process ended, or belongs to somebody who does not let us look.
func unreadable(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, unix.ESRCH)
}

// readHead returns at most the first limit bytes of a file of /proc. These never block, and a read that does not fill
// the buffer was the last, so that one read is enough for most; os.ReadFile takes twice the system calls.
func readHead(path string, limit int) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, min(limit, 1024))
	n := 0
	for {
		m, err := unix.Read(fd, buf[n:])
		if err != nil {
			return nil, err
		}
		n += m
		if n < len(buf) || n == limit {
			return buf[:n], nil
		}
		buf = append(buf, make([]byte, min(limit-n, len(buf)))...)
	}
}

// maxStatBytes is more than the numbers and the name in stat and statm can take.
const maxStatBytes = 4096

// residentBytes returns the resident set of a process, 0 when it is gone.
func residentBytes(pid int) int64 {
	text, err := readHead(procPath(pid, "statm"), maxStatBytes)
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	return pages(number(fields, 1))
}

var pageSize = int64(os.Getpagesize())

func pages(n int64) int64 { return n * pageSize }

// allPIDs lists every process of the machine that can be seen.
func allPIDs() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
