package keeper

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// version is that of the messages. A daemon that meets a keeper of another version has it replaced.
const version = "1"

// The verbs. A message is a verb, a space, and one argument that may be empty; descriptors go along.
const (
	verbJoin    = "join"    // daemon: here I am; the argument is its version
	verbWelcome = "welcome" // answer to join: the keeper's version
	verbBusy    = "busy"    // answer to join: another daemon is here
	verbList    = "list"    // daemon: a number, and a prefix: give me what you hold under such names
	verbHeld    = "held"    // answer to list: the number, names, and their descriptors in the same order
	verbExit    = "exit"    // answer to list: the number, a name, the wait status and the time of its process's exit
	verbEnd     = "end"     // answer to list: the number; that was all
	verbPut     = "put"     // daemon: hold this
	verbDrop    = "drop"    // daemon: let go of this
	verbClear   = "clear"   // daemon: let go of everything
	verbReady   = "ready"   // daemon: I have taken over
	verbBeat    = "beat"    // daemon: I move output
	verbLeave   = "leave"   // daemon: my end is asked for; end with me
	verbQuit    = "quit"    // daemon: end now, another keeper is on its way

	verbUpgrade = "upgrade" // command: start this binary in place of the daemon
	verbStopAll = "stop-all"
	verbStatus  = "status"
	verbDone    = "done"    // answer to a command
	verbFailed  = "failed"  // answer to a command: why
	verbReplace = "replace" // keeper: daemon, end; another binary takes your place
)

const (
	// maxMessage bounds a message: the names of maxFDs descriptors fit.
	maxMessage = 64 << 10
	// maxFDs is what the kernel lets one message carry (SCM_MAX_FD).
	maxFDs = 253
)

// message is one packet between keeper, daemon and commands.
type message struct {
	verb, arg string
	fds       []int // the receiver's to close
}

func (m message) closeFDs() {
	for _, fd := range m.fds {
		unix.Close(fd)
	}
}

// send sends a packet whole or not at all. A receiver that is gone is an error, never a signal.
func send(socket int, m message) error { return sendWith(socket, m, 0) }

// sendWith is send with flags of sendmsg(2).
func sendWith(socket int, m message, flags int) error {
	var rights []byte
	if len(m.fds) > 0 {
		rights = unix.UnixRights(m.fds...)
	}
	for {
		_, err := unix.SendmsgN(socket, []byte(m.verb+" "+m.arg), rights, nil, unix.MSG_NOSIGNAL|flags)
		if err != unix.EINTR {
			return os.NewSyscallError("sendmsg", err)
		}
	}
}

// receiver reads packets from a socket. It belongs to one goroutine.
type receiver struct {
	socket       int
	body, rights []byte
}

func newReceiver(socket int) *receiver {
	return &receiver{socket, make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*maxFDs))}
}

// next waits for a packet; io.EOF when the other side has closed, or sends what none of ours does.
func (r *receiver) next() (message, error) {
	for {
		n, rn, flags, _, err := unix.Recvmsg(r.socket, r.body, r.rights, unix.MSG_CMSG_CLOEXEC)
		// ECONNRESET comes once, when the other side has closed without reading everything. What it sent before that
		// stands behind it.
		if err == unix.EINTR || err == unix.ECONNRESET {
			continue
		}
		if err != nil {
			return message{}, os.NewSyscallError("recvmsg", err)
		}
		m := message{fds: descriptors(r.rights[:rn])}
		if n == 0 || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 { // no packet of ours is empty, or longer than the buffer
			m.closeFDs()
			return message{}, io.EOF
		}
		m.verb, m.arg, _ = strings.Cut(string(r.body[:n]), " ")
		return m, nil
	}
}

func descriptors(rights []byte) (fds []int) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if got, err := unix.ParseUnixRights(&m); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

// socketName is the keeper's socket in the data directory.
const socketName = "keeper"

// address names the socket by a descriptor of its folder: the path may be longer than an address can be.
func address(dir string) (addr *unix.SockaddrUnix, folder *os.File, err error) {
	folder, err = os.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	return &unix.SockaddrUnix{Name: "/proc/self/fd/" + itoa(int(folder.Fd())) + "/" + socketName}, folder, nil
}

// connect opens a connection to the keeper of a data directory. Without one the error is ErrNone.
func connect(dir string) (int, error) {
	addr, folder, err := address(dir)
	if errors.Is(err, os.ErrNotExist) {
		return -1, ErrNone
	}
	if err != nil {
		return -1, err
	}
	defer folder.Close()
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(socket, addr); err != nil {
		unix.Close(socket)
		if err == unix.ENOENT || err == unix.ECONNREFUSED {
			return -1, ErrNone
		}
		return -1, os.NewSyscallError("connect", err)
	}
	return socket, nil
}

// limitReceiving bounds the time that a receiver waits for a packet; 0 means for ever.
func limitReceiving(socket int, d time.Duration) error {
	tv := unix.NsecToTimeval(d.Nanoseconds())
	return os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
}

// limitSending bounds the time that a send waits for a receiver that does not read.
func limitSending(socket int, d time.Duration) error {
	tv := unix.NsecToTimeval(d.Nanoseconds())
	return os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv))
}

// ErrNone says that no keeper runs on a data directory.
var ErrNone = errors.New("no upkeep runs here")
