package keeper

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/failpoint"
)

// peer is a connection: the daemon's, or that of a command.
type peer struct {
	socket int
	pid    int
	pidfd  int  // -1 when it has died meanwhile
	closed bool // guarded by the keeper's mu

	adopted bool // the daemon that started this keeper: the connection is older than the keeper
	joined  bool // guarded by the keeper's mu
}

// dead reports whether the peer has died, while its messages may not all be read.
func (p *peer) dead() bool {
	if p.pidfd < 0 {
		return true
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}, 0)
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// sendTime bounds how long the keeper waits for a peer that does not read.
const sendTime = time.Second

func (p *peer) send(m message) error {
	if p == nil || p.closed {
		return unix.EPIPE
	}
	return send(p.socket, m)
}

// listen makes the socket, in place of one that a dead keeper left behind.
func (k *keeper) listen() error {
	addr, folder, err := address(k.dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := os.Remove(filepath.Join(k.dir, socketName)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("replace the keeper's socket: %w", err)
	}
	if k.socket, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	old := unix.Umask(0o177)
	err = unix.Bind(k.socket, addr)
	unix.Umask(old)
	if err == nil {
		err = unix.Listen(k.socket, 16)
	}
	if err != nil {
		return fmt.Errorf("make the keeper's socket in %s: %w", k.dir, err)
	}
	return nil
}

// accept serves each connection by a goroutine: the daemon's, and now and then that of a command.
func (k *keeper) accept() {
	for {
		socket, _, err := unix.Accept4(k.socket, unix.SOCK_CLOEXEC)
		switch err {
		case nil:
		case unix.EINTR, unix.ECONNABORTED:
			continue
		case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS:
			time.Sleep(100 * time.Millisecond)
			continue
		default:
			return // closed
		}
		p, err := newPeer(socket)
		if err != nil {
			k.note("refused a connection: %v", err)
			unix.Close(socket)
			continue
		}
		go k.serve(p)
	}
}

// newPeer accepts upkeep's own user, and root.
func newPeer(socket int) (*peer, error) {
	cred, err := unix.GetsockoptUcred(socket, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if int(cred.Uid) != os.Geteuid() && cred.Uid != 0 {
		return nil, fmt.Errorf("process %d belongs to user %d", cred.Pid, cred.Uid)
	}
	if err := limitSending(socket, sendTime); err != nil {
		return nil, err
	}
	pidfd, err := unix.PidfdOpen(int(cred.Pid), 0)
	if err != nil {
		pidfd = -1
	}
	return &peer{socket: socket, pid: int(cred.Pid), pidfd: pidfd}, nil
}

// serve takes messages until the other side closes. The kernel closes a dead daemon's side when the last of its
// threads has left its last system call: from then on nobody but the keeper moves output.
func (k *keeper) serve(p *peer) {
	packets := newReceiver(p.socket)
	for {
		m, err := packets.next()
		if err != nil {
			break
		}
		k.locked(func() { k.answer(p, m) })
	}
	k.locked(func() {
		p.closed = true
		unix.Close(p.socket)
		if p.pidfd >= 0 {
			unix.Close(p.pidfd)
		}
		// A daemon that starts a keeper may die before it says anything.
		if k.daemon == p || p.adopted && !p.joined && k.daemon == nil {
			k.daemonGone()
		}
	})
}

// daemonGone notes that the daemon's connection is closed. The caller holds mu.
func (k *keeper) daemonGone() {
	k.daemon = nil
	clear(k.early) // all that it said was heard
	failpoint.At("keeper.alone")
	k.lookAtMover()
	switch {
	case k.child.ended != nil:
		k.heardAll()
	case k.child.pid != 0: // its end will be seen by waiting
	case k.child.upgrade != nil && !k.child.leaving:
		k.upgradeStep("it ended")
	case k.child.leaving:
		k.end(0)
	case k.child.retry == nil:
		// A daemon that is nobody's child, because its keeper died before it.
		k.note("the daemon is gone")
		k.startAfterFailure()
	}
}

// answer does what a message asks for. The caller holds mu.
func (k *keeper) answer(p *peer, m message) {
	if k.command(p, m) {
		m.closeFDs()
		return
	}
	if m.verb == verbJoin {
		k.join(p)
	}
	if k.daemon != p {
		m.closeFDs()
		return
	}
	switch m.verb {
	case verbList:
		k.list(p, m.arg)
	case verbPut:
		if len(m.fds) == 1 && soundName(m.arg) {
			k.put(m.arg, m.fds[0])
			return
		}
	case verbDrop:
		k.drop(m.arg)
	case verbClear:
		for _, name := range slices.Collect(maps.Keys(k.held)) {
			k.letGo(name)
		}
	case verbReady:
		k.daemonReady()
	case verbBeat:
		k.mover.beat = time.Now()
		k.lookAtMover()
	case verbLeave:
		if k.child.upgrade == nil {
			k.child.leaving = true
		}
	case verbQuit:
		k.end(0)
	}
	m.closeFDs()
}

// command answers what "upkeep upgrade" and its like ask; false when the message is none of theirs.
func (k *keeper) command(p *peer, m message) bool {
	switch m.verb {
	case verbUpgrade:
		k.startUpgrade(m.arg, p)
	case verbStopAll:
		if k.daemon.send(message{verb: verbStopAll}) != nil {
			p.send(message{verb: verbFailed, arg: "the daemon does not run at the moment; the keeper starts it again"})
		} else {
			p.send(message{verb: verbDone})
		}
	case verbStatus:
		p.send(message{verb: verbDone, arg: k.status()})
	default:
		return false
	}
	return true
}

// join makes the peer the daemon, unless there is another one.
func (k *keeper) join(p *peer) {
	if k.daemon != nil && k.daemon != p {
		p.send(message{verb: verbBusy, arg: itoa(k.daemon.pid)})
		return
	}
	k.daemon, p.joined = p, true
	maps.DeleteFunc(k.exits, func(name string, _ Exit) bool { return k.held[name] == nil }) // nobody will ask for them
	failpoint.At("keeper.joined")
	p.send(message{verb: verbWelcome, arg: version})
}

// list sends what is held under a prefix, and the exits of it. What has ended by now is among them, whether the keeper
// was told already or not. The caller holds mu.
func (k *keeper) list(p *peer, question string) {
	for k.reapOne() {
	}
	id, prefix, _ := strings.Cut(question, " ")
	var names []string
	for name := range k.held {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for batch := range slices.Chunk(names, maxFDs) {
		m := message{verb: verbHeld, arg: id + " " + strings.Join(batch, " ")}
		for _, name := range batch {
			m.fds = append(m.fds, k.held[name].fd)
		}
		if err := p.send(m); err != nil {
			k.note("hand over: %v", err)
			return
		}
	}
	for _, name := range names {
		if e, ok := k.exits[name]; ok && p.send(message{verb: verbExit, arg: id + " " + e.encode(name)}) != nil {
			return
		}
	}
	p.send(message{verb: verbEnd, arg: id})
}

// status is what "upkeep doctor" shows: key=value words.
func (k *keeper) status() string {
	state := "starting"
	switch {
	case k.daemonPID() == 0:
		state = "down"
	case !k.child.ready.IsZero() || k.child.pid == 0:
		state = "ready"
	}
	return fmt.Sprintf("keeper=%d daemon=%d state=%s held=%d moving=%t binary=%s",
		os.Getpid(), k.daemonPID(), state, len(k.held), k.mover.on, k.child.binary)
}
