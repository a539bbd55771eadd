package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Kernel is what this kernel can do for a supervisor. A sandbox may refuse what the kernel could.
type Kernel struct {
	Pidfd      bool // processes are held by descriptors: Linux 5.3
	Pidfs      bool // and recognised by them for the life of the machine: 6.9
	ExitStatus bool // which tell how a process ended that somebody else waited for: 6.15
	Clone3     bool // processes begin inside of their control group: 5.7
}

// TestKernel finds out by trying, with a child that ends at once.
func TestKernel() (k Kernel, err error) {
	// Without its argument the call cannot work, and says so only where it exists and is allowed.
	_, _, errno := unix.Syscall(unix.SYS_CLONE3, 0, 0, 0)
	k.Clone3 = errno == unix.EINVAL
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return k, nil
	}
	unix.Close(fd)
	k.Pidfd = true
	fd = -1
	child := exec.Command("/bin/true")
	child.SysProcAttr = &syscall.SysProcAttr{PidFD: &fd}
	if err := child.Start(); err != nil {
		return k, err
	}
	inode, inodeErr := pidfdInode(fd)
	k.Pidfs = inodeErr == nil && inode != 0
	err = child.Wait()
	if errors.As(err, new(*exec.ExitError)) {
		err = nil // how it ended does not matter
	}
	_, k.ExitStatus = reapedStatus(fd)
	return k, errors.Join(err, inodeErr, unix.Close(fd))
}
