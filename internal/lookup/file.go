package lookup

import (
	"errors"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// file is a file that was found. Its descriptor is a name only (O_PATH).
type file struct {
	fd   int
	mode uint32
}

// stat finds a file; ok is false when there is none, or none that the account may see.
//
// Within the home the path must stay there. A link that leads out, such as the python of a virtual environment,
// is followed all the same, because the account's rights are what protects the rest of the system, but not
// through the magic links of /proc, which lead to what this process has open.
func (f *finder) stat(abs string) (file, bool) {
	const flags = unix.O_PATH | unix.O_CLOEXEC
	fd, err := -1, error(unix.EXDEV)
	if below, ok := f.below(abs); ok {
		fd, err = unix.Openat2(f.homeFD, below, &unix.OpenHow{Flags: flags,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS})
	}
	if errors.Is(err, unix.EXDEV) {
		fd, err = unix.Openat2(unix.AT_FDCWD, abs, &unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_NO_MAGICLINKS})
	}
	if err != nil {
		return file{}, false
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return file{}, false
	}
	return file{fd, st.Mode}, true
}

func (f file) close() { unix.Close(f.fd) }

func (f file) directory() bool { return f.mode&unix.S_IFMT == unix.S_IFDIR }

func (f file) regular() bool { return f.mode&unix.S_IFMT == unix.S_IFREG }

// executable asks the kernel, so that access control lists and mounts without execution count.
func (f file) executable() bool {
	return f.regular() && unix.Faccessat2(f.fd, "", unix.X_OK, unix.AT_EACCESS|unix.AT_EMPTY_PATH) == nil
}

// headBytes is what the kernel reads of a file to execute (BINPRM_BUF_SIZE).
const headBytes = 256

// head reads the beginning of a regular file. A program may be executable and unreadable; then ok is false.
func (f file) head() (head []byte, ok bool) {
	if !f.regular() {
		return nil, false
	}
	in, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(f.fd), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, false
	}
	defer in.Close()
	head = make([]byte, headBytes)
	n, err := in.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false
	}
	return head[:n], true
}
