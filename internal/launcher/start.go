package launcher

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Launcher is a launcher process that waits for its spec. It belongs to one goroutine at a time.
type Launcher struct {
	PID   int
	PidFD int // the caller's to close once Execute has returned; -1 where the kernel has none
	// Patience is how long Execute waits for the launcher before it kills it: 20 s unless it is changed.
	Patience time.Duration

	socket int
}

// answerTimeout bounds the wait for a launcher that was told what to do. Its steps take milliseconds; a home on
// a dead network file system can hold one up for ever.
const answerTimeout = 20 * time.Second

// ErrTimeout says that a launcher neither executed the program nor said why; it was killed.
var ErrTimeout = errors.New("launcher did not answer")

// Start starts a launcher, the file helper, as the leader of a session of its own.
func Start(helper string) (*Launcher, error) { return StartIn(helper, -1) }

// StartIn is Start with the launcher born in a control group, given by a descriptor of its directory; a negative
// one is none.
func StartIn(helper string, group int) (*Launcher, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("launcher socket: %w", err)
	}
	defer unix.Close(pair[1])
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("start launcher: %w", err)
	}
	defer null.Close()
	pidfd := -1
	pid, err := syscall.ForkExec(helper, []string{helper, "launch"}, &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"GOMAXPROCS=1", "GOGC=off"}, // it lives for milliseconds
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(pair[1])},
		Sys:   &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd, UseCgroupFD: group >= 0, CgroupFD: group},
	})
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("start launcher %s: %w", helper, err)
	}
	return &Launcher{PID: pid, PidFD: pidfd, Patience: answerTimeout, socket: pair[0]}, nil
}

// Execute tells the launcher to become the program, with output as its standard output and standard error. It
// returns nil once the program was executed, and a [*Failure] when the launcher said which step failed; the
// launcher has ended then, or is about to, and is the caller's to wait for.
func (l *Launcher) Execute(spec *Spec, output *os.File) error {
	defer l.closeSocket()
	message, err := spec.encode()
	if err != nil {
		return err
	}
	if err := l.send(message, output); err != nil {
		return fmt.Errorf("tell launcher %d: %w", l.PID, err)
	}
	answer, err := l.receive()
	if err != nil {
		return fmt.Errorf("hear launcher %d: %w", l.PID, err)
	}
	answer, came := bytes.CutPrefix(answer, []byte{lastWord})
	if len(answer) == 0 && !came {
		return fmt.Errorf("hear launcher %d: %w", l.PID, io.ErrUnexpectedEOF)
	}
	if len(answer) == 0 {
		return nil
	}
	failure, err := decodeFailure(answer)
	if err != nil {
		return err
	}
	return failure
}

// Dismiss lets go of a launcher that is not needed; it ends by itself.
func (l *Launcher) Dismiss() {
	l.closeSocket()
	if l.PidFD >= 0 {
		unix.Close(l.PidFD)
		l.PidFD = -1
	}
}

func (l *Launcher) closeSocket() {
	if l.socket >= 0 {
		unix.Close(l.socket)
		l.socket = -1
	}
}

// send writes the message; the output descriptor travels with its first byte.
func (l *Launcher) send(message []byte, output *os.File) error {
	n, err := unix.SendmsgN(l.socket, message, unix.UnixRights(int(output.Fd())), nil, unix.MSG_NOSIGNAL)
	for err == nil && n < len(message) {
		message = message[n:]
		n, err = unix.SendmsgN(l.socket, message, nil, nil, unix.MSG_NOSIGNAL)
	}
	return err
}

// receive reads until the launcher's end of the socket is closed.
func (l *Launcher) receive() ([]byte, error) {
	timeout := unix.NsecToTimeval(l.Patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(l.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return nil, err
	}
	var answer []byte
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(l.socket, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return nil, errors.Join(ErrTimeout, l.kill())
		case err == unix.ECONNRESET: // it ended with unread bytes: nothing was executed
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case n == 0:
			return answer, nil
		}
		answer = append(answer, buf[:n]...)
	}
}

func (l *Launcher) kill() error {
	if l.PidFD >= 0 {
		return unix.PidfdSendSignal(l.PidFD, unix.SIGKILL, nil, 0)
	}
	return unix.Kill(l.PID, unix.SIGKILL) // our own child, not waited for yet: the PID cannot be another's
}
