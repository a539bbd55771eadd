package launcher

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// socketFD is where the helper finds its end of the socket.
const socketFD = 3

// lastWord is what a launcher says before it becomes the program. A launcher that dies without it, for want of
// memory or threads, was never the program.
const lastWord = 1

// exitDismissed is the exit status of a launcher that nothing was asked of.
const exitDismissed = 0

// ExitFailed is the exit status of a launcher that could not execute the program. Why, it says on its socket; the
// status is all that is left when the daemon has died.
const ExitFailed = 125

// Main waits for a spec and becomes the program. It does not return: it ends the process when there is nothing to
// do, or after it said which step failed.
func Main() {
	// Credentials and signal masks are set by raw calls for this thread alone, and execve makes the calling
	// thread the whole process.
	runtime.LockOSThread()
	spec, err := receiveSpec()
	if err == io.EOF {
		os.Exit(exitDismissed)
	}
	if err != nil {
		os.Exit(ExitFailed)
	}
	failure := spec.become()
	unix.Write(socketFD, encodeFailure(failure)) //nolint:errcheck // nobody is left to tell
	os.Exit(ExitFailed)
}

// receiveSpec reads the spec from the socket, and puts the descriptor that comes with it in place of standard
// output and standard error.
func receiveSpec() (*Spec, error) {
	unix.CloseOnExec(socketFD)
	head := make([]byte, 4)
	rights := make([]byte, unix.CmsgSpace(4))
	n, rn, _, _, err := unix.Recvmsg(socketFD, head, rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_WAITALL)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	if n < len(head) {
		return nil, io.ErrUnexpectedEOF
	}
	if err := takeOutput(rights[:rn]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head)
	if size > maxMessage {
		return nil, errMessage
	}
	body := make([]byte, size)
	for got := 0; got < len(body); {
		n, err := unix.Read(socketFD, body[got:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		got += n
	}
	return decode(body)
}

func takeOutput(rights []byte) error {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return errMessage
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return errMessage
	}
	for _, fd := range []int{1, 2} {
		if err := unix.Dup3(fds[0], fd, 0); err != nil {
			return err
		}
	}
	return unix.Close(fds[0])
}

// become takes the steps of a start in their order and returns only when one of them failed.
func (s *Spec) become() *Failure {
	for _, step := range []func() *Failure{
		s.joinCgroups, s.checkDaemon, s.setLimits, s.closeDescriptors, s.becomeUser, s.enterDirectory,
	} {
		if f := step(); f != nil {
			return f
		}
	}
	path, f := s.lookup()
	if f != nil {
		return f
	}
	s.announce()
	unix.Write(socketFD, []byte{lastWord}) //nolint:errcheck // the program comes first
	resetSignals()
	return fail(panel.StepExecute, syscall.Exec(path, s.Argv, s.Env), path)
}

// fail makes a Failure of an error; nil when there is none.
func fail(step panel.Step, err error, detail string) *Failure {
	if err == nil {
		return nil
	}
	errno, _ := err.(syscall.Errno)
	return &Failure{Step: step, Errno: int(errno), Detail: detail}
}

func (s *Spec) joinCgroups() *Failure {
	for _, path := range s.Cgroups {
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fail(panel.StepCgroup, err, path)
		}
		_, err = unix.Write(fd, []byte("0"))
		unix.Close(fd)
		if err != nil {
			return fail(panel.StepCgroup, err, path)
		}
	}
	return nil
}

// checkDaemon refuses to go on when the daemon has died meanwhile. By now the launcher is in the run's control
// group and its identity is stored, so the next daemon either finds it there or sees it end here: never two.
func (s *Spec) checkDaemon() *Failure {
	poll := []unix.PollFd{{Fd: socketFD, Events: unix.POLLRDHUP}}
	if n, err := unix.Poll(poll, 0); err == nil && n > 0 {
		return &Failure{Step: panel.StepFork}
	}
	return nil
}

func (s *Spec) closeDescriptors() *Failure {
	err := unix.CloseRange(socketFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	return fail(panel.StepLimits, err, "descriptors")
}

// becomeUser drops to the account's user by raw calls: the wrappers of package syscall would ask every thread of
// the runtime, which is slower and pointless before execve.
func (s *Spec) becomeUser() *Failure {
	if s.SetUser {
		groups := make([]uint32, len(s.Groups)+1) // one spare, so that the address is never that of nothing
		for i, g := range s.Groups {
			groups[i] = uint32(g)
		}
		if e := setGroups(groups, len(s.Groups)); e != 0 {
			return fail(panel.StepIdentity, e, "groups")
		}
		gid, uid := uintptr(s.GID), uintptr(s.UID)
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); e != 0 {
			return fail(panel.StepIdentity, e, "gid")
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); e != 0 {
			return fail(panel.StepIdentity, e, "uid")
		}
	}
	if s.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fail(panel.StepIdentity, err, "no-new-privileges")
		}
	}
	return nil
}

// enterDirectory comes after becomeUser, so that upkeep's rights open no door.
func (s *Spec) enterDirectory() *Failure {
	return fail(panel.StepDirectory, unix.Chdir(s.Directory), s.Directory)
}

// lookup finds the program as execvp would, with the account's rights and in the service's PATH.
func (s *Spec) lookup() (string, *Failure) {
	name := s.Argv[0]
	if strings.Contains(name, "/") {
		err := executable(name)
		return name, fail(panel.StepLookup, err, name)
	}
	found := error(unix.ENOENT)
	for _, dir := range strings.Split(pathOf(s.Env), ":") {
		if dir == "" {
			dir = "."
		}
		path := dir + "/" + name
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if err == unix.EACCES {
			found = err
		}
	}
	return "", fail(panel.StepLookup, found, name)
}

func pathOf(env []string) string {
	for _, e := range env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			return path
		}
	}
	return ""
}

// executable reports why a file cannot be executed, as an errno.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return unix.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}

// announce writes the banner, unless the output is full: a start never waits for a reader.
func (s *Spec) announce() {
	if s.Banner == "" {
		return
	}
	poll := []unix.PollFd{{Fd: 1, Events: unix.POLLOUT}}
	if n, err := unix.Poll(poll, 0); err != nil || n == 0 || poll[0].Revents&unix.POLLOUT == 0 {
		return
	}
	line := strings.Replace(s.Banner, "%d", fmt.Sprint(os.Getpid()), 1)
	unix.Write(1, []byte(line+"\n")) //nolint:errcheck // the program comes first
}
