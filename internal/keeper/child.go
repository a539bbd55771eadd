package keeper

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/failpoint"
)

// child is the daemon, and what becomes of it when it ends.
type child struct {
	binary string
	args   []string

	pid     int       // 0: no child of ours runs
	ready   time.Time // when it said that it has taken over; zero before
	known   bool      // some daemon was ready once: there may be services to keep
	leaving bool      // its end is asked for, and the keeper's
	failed  int       // ends without having been any good, in a row
	retry   *time.Timer
	upgrade *upgrade            // another binary is on its way
	ended   *syscall.WaitStatus // of the daemon, as long as what it said last may be unread
}

// times are those of a daemon's life, which tests shorten.
type times struct {
	delays []time.Duration // before a daemon that does not stay is started again; the last one repeats
	good   time.Duration   // of work, after which an end counts as a new trouble and not as the same again
	stop   time.Duration   // for a daemon to end, before an upgrade ends it by force
	ready  time.Duration   // for a new daemon to take over
	leave  time.Duration   // for a daemon to end when the keeper was asked to
}

// defaultTimes: the requests of a daemon that ends take at most five seconds, its workers a little more. Taking over
// a thousand services takes a second, a migration of a large database more.
func defaultTimes() times {
	return times{
		delays: []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
			30 * time.Second},
		good: time.Minute, stop: 30 * time.Second, ready: 2 * time.Minute, leave: 20 * time.Second,
	}
}

// Kept is the variable in the environment of a daemon that was started by a keeper.
const Kept = "UPKEEP_KEPT"

// startDaemon starts the daemon's binary with what the keeper itself got as standard input, output and error. The
// caller holds mu, so that nobody reaps the child before it is known.
func (k *keeper) startDaemon() {
	c := &k.child
	c.retry, c.ready = nil, time.Time{}
	argv := append([]string{c.binary}, c.args...)
	pid, err := syscall.ForkExec(c.binary, argv, &syscall.ProcAttr{
		Env: append(os.Environ(), Kept+"=1"), Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		k.note("start %s: %v", c.binary, err)
		k.daemonFailed(err.Error())
		return
	}
	c.pid = pid
	k.unprotect(pid)
	failpoint.At("keeper.started")
	k.note("daemon %d is %s", pid, c.binary)
}

// startFailed is the exit status of a keeper whose daemon cannot be started at all, which a shell would use.
const startFailed = 126

// reapOne waits for one child that has ended: the daemon, or what the daemon left behind when it died. The caller holds
// mu.
func (k *keeper) reapOne() bool {
	var status unix.WaitStatus
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
	if err == unix.EINTR {
		return true
	}
	if err != nil || pid <= 0 {
		return false
	}
	failpoint.At("keeper.reaped")
	if pid == k.child.pid {
		k.child.pid = 0
		k.daemonReaped(pid, syscall.WaitStatus(status))
		return true
	}
	k.ended(pid, syscall.WaitStatus(status))
	failpoint.At("keeper.noted")
	return true
}

// unreadTime bounds the wait for the last words of a daemon that has ended. They are there already.
const unreadTime = time.Second

// daemonReaped hears what the daemon has said before it decides what follows its end: that it was asked for, perhaps.
// The caller holds mu.
func (k *keeper) daemonReaped(pid int, status syscall.WaitStatus) {
	if k.daemon == nil || k.daemon.pid != pid {
		k.daemonEnded(status)
		return
	}
	k.child.ended = &status
	time.AfterFunc(unreadTime, func() { k.locked(k.heardAll) })
}

// heardAll decides what follows the end of a daemon that was waiting to be heard, if there is one. The caller holds mu.
func (k *keeper) heardAll() {
	if status := k.child.ended; status != nil {
		k.child.ended = nil
		k.daemonEnded(*status)
	}
}

// ended remembers the exit of a process that is held, until the daemon lets go of it. The caller holds mu.
//
// What the daemon's children were comes to light when it dies, and its last messages may be read after that.
func (k *keeper) ended(pid int, status syscall.WaitStatus) {
	if k.daemon != nil && k.daemon.dead() {
		k.early[pid] = Exit{Status: status, Known: true, At: time.Now()}
	}
	for name := range k.held {
		if p, ok := pidOf(name); ok && p == pid {
			e := k.exits[name]
			if e.Known {
				continue // the PID is another's by now
			}
			e.Status, e.Known = status, true
			if e.At.IsZero() {
				e.At = time.Now()
			}
			k.exits[name] = e
		}
	}
}

// daemonEnded decides what follows the end of the daemon. The caller holds mu.
func (k *keeper) daemonEnded(status syscall.WaitStatus) {
	c := &k.child
	k.note("the daemon ended: %s", word(status))
	switch {
	case c.upgrade != nil && !c.leaving:
		k.upgradeStep(word(status))
	case c.leaving || !c.known || asked(status):
		k.end(codeOf(status))
	case !c.ready.IsZero() && (status.Signal() == unix.SIGKILL || time.Since(c.ready) >= k.times.good):
		c.failed = 0
		k.startAfterFailure()
	default:
		k.startAfterFailure()
	}
}

// asked reports whether a daemon died of a signal that asks for its end, before it had begun to listen to them.
func asked(status syscall.WaitStatus) bool {
	sig := status.Signal()
	return sig == unix.SIGTERM || sig == unix.SIGINT || sig == unix.SIGHUP
}

// daemonFailed is daemonEnded for a daemon that could not even be started. The caller holds mu.
func (k *keeper) daemonFailed(why string) {
	c := &k.child
	switch {
	case c.upgrade != nil && !c.leaving:
		k.upgradeStep(why)
	case c.leaving || !c.known:
		k.end(startFailed)
	default:
		k.startAfterFailure()
	}
}

// startAfterFailure starts the daemon again, after the delay that its failures have earned. The caller holds mu.
func (k *keeper) startAfterFailure() {
	c := &k.child
	delay := k.times.delays[min(c.failed, len(k.times.delays)-1)]
	c.failed++
	if delay > 0 {
		k.note("the daemon is started again in %s", delay)
	}
	c.retry = time.AfterFunc(delay, func() {
		k.locked(func() {
			if c.pid == 0 && c.retry != nil && !c.leaving {
				k.startDaemon()
			}
		})
	})
}

func codeOf(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal()) // what a shell would say
	}
	return status.ExitStatus()
}

func word(status syscall.WaitStatus) string {
	if status.Signaled() {
		return status.Signal().String()
	}
	return "exit status " + itoa(status.ExitStatus())
}

// daemonReady is told that the daemon has taken over. The caller holds mu.
func (k *keeper) daemonReady() {
	c := &k.child
	c.known, c.ready = true, time.Now()
	failpoint.At("keeper.ready")
	if k.log == nil {
		k.openLog()
	}
	if c.upgrade != nil {
		k.upgradeDone()
	}
}

// upgrade is the way from one binary to another, and back when that one is no good.
type upgrade struct {
	former  string
	asked   *peer       // who waits for the outcome
	limit   *time.Timer // for the step under way
	stopped bool        // the former daemon has ended; what runs now is the new one
	back    string      // why the former binary is started again; empty as long as it is not
}

// startUpgrade begins to put another binary in the daemon's place. The caller holds mu.
func (k *keeper) startUpgrade(binary string, asked *peer) {
	c := &k.child
	refuse := func(why string) { asked.send(message{verb: verbFailed, arg: why}) }
	switch {
	case c.upgrade != nil:
		refuse("another upgrade is under way")
		return
	case c.leaving:
		refuse("upkeep is about to end")
		return
	case !filepath.IsAbs(binary) || unix.Access(binary, unix.X_OK) != nil:
		refuse("the keeper cannot execute " + binary)
		return
	}
	k.note("upgrade from %s to %s", c.binary, binary)
	c.upgrade = &upgrade{former: c.binary, asked: asked}
	c.binary = binary
	if c.retry != nil {
		c.retry.Stop()
	}
	if k.daemonPID() == 0 {
		k.upgradeStep("it ended")
		return
	}
	k.limit(k.times.stop, "the daemon did not end")
	if k.daemon == nil || k.daemon.send(message{verb: verbReplace}) != nil {
		k.killDaemon(unix.SIGTERM)
	}
}

// limit ends the daemon by force when the step under way takes too long. The caller holds mu.
func (k *keeper) limit(d time.Duration, why string) {
	u := k.child.upgrade
	if u.limit != nil {
		u.limit.Stop()
	}
	u.limit = time.AfterFunc(d, func() {
		k.locked(func() {
			if k.child.upgrade == u {
				k.note("%s within %s", why, d)
				k.killDaemon(unix.SIGKILL)
			}
		})
	})
}

func (k *keeper) killDaemon(sig syscall.Signal) {
	if pid := k.daemonPID(); pid != 0 {
		if err := unix.Kill(pid, sig); err != nil {
			k.note("end the daemon: %v", err)
		}
	}
}

// upgradeStep follows the end of a daemon during an upgrade. The caller holds mu.
func (k *keeper) upgradeStep(why string) {
	c := &k.child
	u := c.upgrade
	switch {
	case !u.stopped:
		u.stopped = true
	case u.back == "":
		u.back = c.binary + " did not become ready (" + why + "); " + u.former + " goes on"
		k.note("%s", u.back)
		c.binary = u.former
	default: // the former one does not start any more, either
		k.finishUpgrade(message{verb: verbFailed, arg: u.back + ", but it does not become ready, either; it is tried again"})
		k.startAfterFailure()
		return
	}
	k.limit(k.times.ready, "the new daemon did not become ready")
	failpoint.At("keeper.replacing")
	k.startDaemon()
	failpoint.At("keeper.replaced")
}

// upgradeDone follows a daemon's word that it is ready. The caller holds mu.
func (k *keeper) upgradeDone() {
	u := k.child.upgrade
	switch {
	case !u.stopped: // the former one, which has only just come up itself: it will be told
		if k.daemon != nil {
			k.daemon.send(message{verb: verbReplace})
		}
	case u.back != "":
		k.finishUpgrade(message{verb: verbFailed, arg: u.back})
	default:
		k.finishUpgrade(message{verb: verbDone, arg: itoa(k.daemonPID())})
	}
}

func (k *keeper) finishUpgrade(answer message) {
	u := k.child.upgrade
	k.child.upgrade, k.child.failed = nil, 0
	u.limit.Stop()
	u.asked.send(answer)
}
