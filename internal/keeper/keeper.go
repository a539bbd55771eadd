// Package keeper is the small process above upkeep's daemon, and the daemon's side of talking to it.
//
// The keeper makes upkeep's own comings and goings invisible to services. It is the ancestor of the daemon and of
// every service, so when the daemon dies services become its children and their exit statuses reach it. It holds
// descriptors under names: the listening socket of the panel, the FIFO, the log file and the pidfd of each service.
// It starts the daemon again, or another binary in its place. As long as no daemon moves output, it does. It decides
// nothing about services: it never starts, signals or kills one, reads no configuration and speaks to no network.
//
// The helper binary calls [Keep]. "upkeep serve" becomes a keeper by [Become], and the daemon under it talks to it as
// a [Client]. Both sides import the standard library and x/sys only, so that the helper stays small.
package keeper

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/drain"
	"upkeep/internal/privilege"
)

// Verbs of the helper binary.
const (
	VerbKeep  = "keep"  // start a daemon and keep it
	VerbAdopt = "adopt" // keep the daemon that runs and has lost its keeper
)

// keeper is the process's whole state.
type keeper struct {
	dir    string
	log    *log.Logger
	socket int // listens
	lock   *os.File
	drain  *drain.Lock

	mu     sync.Mutex
	held   map[string]*held
	exits  map[string]Exit
	child  child
	daemon *peer // the daemon's connection; nil when none is there
	mover  mover
	code   chan int // the exit status of the keeper, once it is decided
}

// Keep runs a keeper until its daemon ends because it was asked to, and returns the exit status. args are the data
// directory, the daemon's binary and the daemon's arguments. verb is VerbKeep or VerbAdopt.
func Keep(verb string, args []string) int {
	if len(args) < 2 {
		fmt.Fprintln(os.Stderr, "upkeep-helper: keep DATA BINARY [ARGUMENTS]: only upkeep itself calls this")
		return 2
	}
	k := &keeper{dir: args[0], held: map[string]*held{}, exits: map[string]Exit{}, code: make(chan int, 1)}
	k.child = child{binary: args[1], args: args[2:], known: verb == VerbAdopt}
	if err := k.prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "upkeep:", err)
		return 1
	}
	defer k.close()
	debug.SetGCPercent(gcPercent)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE)
	go k.accept()
	go k.watchBeat()
	if verb == VerbKeep {
		k.locked(k.startDaemon)
	}
	k.locked(k.lookAtMover)
	for {
		select {
		case sig := <-signals:
			k.signal(sig)
		case code := <-k.code:
			return code
		}
	}
}

// gcPercent keeps the heap close to what is held: a message is garbage as soon as it was read.
const gcPercent = 20

func (k *keeper) locked(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

// end decides the exit status; the first decision counts. The caller holds mu.
func (k *keeper) end(code int) {
	select {
	case k.code <- code:
	default:
	}
}

// prepare takes the data directory and everything else that a keeper needs.
func (k *keeper) prepare() (err error) {
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close-on-exec of inherited descriptors: %w", err)
	}
	if err := k.takeLock(); err != nil {
		return err
	}
	if k.child.known {
		k.openLog()
	}
	// Orphans of the daemon come to its nearest subreaper.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	k.protect()
	if k.drain, err = drain.Open(k.dir); err != nil {
		return err
	}
	if err := k.mover.prepare(); err != nil {
		return err
	}
	return k.listen()
}

// takeLock makes sure that this is the only keeper of the directory.
func (k *keeper) takeLock() (err error) {
	if k.lock, err = os.OpenFile(filepath.Join(k.dir, LockFile), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("the data directory cannot be written: %w; choose another one with --data", err)
	}
	if err := unix.Flock(int(k.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(k.lock, 32)) // only to name the PID
		return fmt.Errorf("another upkeep already runs on %s (PID %s); stop it, or choose another directory with --data",
			k.dir, strings.TrimSpace(string(holder)))
	}
	if err = k.lock.Truncate(0); err == nil {
		_, err = fmt.Fprintf(k.lock, "%d\n", os.Getpid())
	}
	if err != nil {
		k.note("write the keeper's PID: %v", err) // a full disk: the lock holds all the same
	}
	return nil
}

// LockFile is the file in the data directory that names the keeper's PID and is locked while it lives.
const LockFile = "keeper.lock"

// openLog opens the keeper's own messages, once there is something to keep. They never go to standard output or
// standard error, which may be a pipe that nobody reads. Without the file, on a disk that is full or read-only, the
// keeper works all the same.
func (k *keeper) openLog() {
	f, err := os.OpenFile(filepath.Join(k.dir, "keeper.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	if st, err := f.Stat(); err == nil && st.Size() > maxLog {
		_ = f.Truncate(0) // a log that is too long is still a log
	}
	k.log = log.New(f, "", log.LstdFlags|log.LUTC|log.Lmsgprefix)
}

// maxLog is the size in bytes from which a new keeper begins its log anew. It has a line or two for each start.
const maxLog = 1 << 20

func (k *keeper) note(format string, args ...any) {
	if k.log != nil {
		k.log.Printf(format, args...)
	}
}

// protect asks the kernel to take others first when memory runs out, and gives up the capability that would let its
// writes ignore the quota of a home. The runtime has raised the limit of open files already.
func (k *keeper) protect() {
	if os.Geteuid() != 0 {
		return
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("-900"), 0); err != nil {
		k.note("ask for protection when memory runs out: %v", err)
	}
	if err := privilege.DropResource(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		k.note("give up CAP_SYS_RESOURCE: %v", err)
	}
}

func (k *keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	unix.Close(k.socket)
	if err := os.Remove(filepath.Join(k.dir, socketName)); err != nil {
		k.note("remove the socket: %v", err)
	}
	k.note("the keeper ends; services run on")
}

// signal takes a signal. Those that ask for an end are passed on to the daemon, which leaves services running.
func (k *keeper) signal(sig os.Signal) {
	switch sig {
	case unix.SIGCHLD:
		for k.reapOne() {
		}
	case unix.SIGINT:
		// In a terminal the daemon has got it, too, and takes a second one for impatience.
		if !foreground() {
			k.locked(func() { k.leave(unix.SIGINT) })
		}
	case unix.SIGTERM, unix.SIGHUP:
		k.locked(func() { k.leave(unix.SIGTERM) })
	}
}

// foreground reports whether a terminal sends its signals to the keeper's process group.
func foreground() bool {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// leaveTime is how long a daemon may take to end when the keeper was asked to.
const leaveTime = 20 * time.Second

// leave ends the daemon and then the keeper. The caller holds mu.
func (k *keeper) leave(sig syscall.Signal) {
	k.child.leaving = true
	pid := k.daemonPID()
	if pid == 0 {
		k.end(0)
		return
	}
	k.note("asked to end by %v", sig)
	if err := unix.Kill(pid, sig); err != nil {
		k.note("end the daemon: %v", err)
	}
	time.AfterFunc(leaveTime, func() { k.locked(func() { k.end(0) }) })
}

// daemonPID is the PID of the daemon, 0 when none is there. The caller holds mu.
func (k *keeper) daemonPID() int {
	if k.child.pid == 0 && k.daemon != nil {
		return k.daemon.pid
	}
	return k.child.pid
}
