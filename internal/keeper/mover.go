package keeper

import (
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/drain"
	"upkeep/internal/failpoint"
)

// mover moves output to the log files while no daemon does. Its fields are guarded by the keeper's mu.
type mover struct {
	event   int                  // eventfd that interrupts the wait
	beat    time.Time            // when a daemon last said that it moves output
	on      bool                 // the keeper is to move output
	running bool                 // its goroutine is there
	busy    map[string]time.Time // FIFOs that a worker empties, and since when
	later   map[string]time.Time // FIFOs that are not to be tried before
}

const (
	// beatTime is how often a daemon says that it moves output, and silence after how much of none it is held to be
	// stopped or starved. What services have written by then waits in their FIFOs.
	beatTime = time.Second
	silence  = 2 * time.Second
	// coalesce is the wait for more output before it is moved, as long as a busy daemon's.
	coalesce = 20 * time.Millisecond
	// lockedTime and refusedTime are the waits after somebody else was found moving, and after no file took bytes.
	lockedTime  = 50 * time.Millisecond
	refusedTime = time.Second
	// moveBytes is the most that one system call moves: the size of a FIFO.
	moveBytes = 1 << 20
	// maxWorkers bounds the memory that workers need. One that has been busy for stuckTime does not count.
	maxWorkers = 32
	stuckTime  = 100 * time.Millisecond
	// turnMoves bounds what is moved from a FIFO before its lock is given back: a daemon may wait for it.
	turnMoves = 8
	// spillBytes is the size from which a spill file is begun anew; the one before is kept.
	spillBytes = 16 << 20
)

func (m *mover) prepare() (err error) {
	m.busy, m.later = map[string]time.Time{}, map[string]time.Time{}
	m.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return os.NewSyscallError("eventfd", err)
}

func (m *mover) wake() {
	one := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	_, _ = unix.Write(m.event, one) // a full counter wakes as well
}

// watchBeat looks now and then whether the daemon still moves output.
func (k *keeper) watchBeat() {
	for range time.Tick(beatTime) {
		k.locked(k.lookAtMover)
	}
}

// lookAtMover starts or ends the moving. The caller holds mu.
func (k *keeper) lookAtMover() {
	m := &k.mover
	on := k.daemon == nil || time.Since(m.beat) > silence
	if on == m.on {
		return
	}
	m.on = on
	if on && !m.running {
		m.running = true
		go k.move()
	}
	m.wake()
}

// move waits for output, and for the ends of processes, until a daemon does so again.
func (k *keeper) move() {
	for {
		k.mu.Lock()
		if !k.mover.on {
			k.mover.running = false
			k.mu.Unlock()
			return
		}
		fds, names, wait := k.watched(time.Now())
		k.mu.Unlock()
		if _, err := unix.Poll(fds, int(wait.Milliseconds())); err != nil && err != unix.EINTR {
			k.note("wait for output: %v", err)
			time.Sleep(refusedTime)
			continue
		}
		k.mu.Lock()
		k.report(fds, names)
		k.mu.Unlock()
		time.Sleep(coalesce)
	}
}

// watched lists what to wait for and how long. The caller holds mu.
func (k *keeper) watched(now time.Time) (fds []unix.PollFd, names []string, wait time.Duration) {
	wait = time.Minute
	add := func(name string, fd int) {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		names = append(names, name)
	}
	add("", k.mover.event)
	for name, h := range k.held {
		switch {
		case strings.HasPrefix(name, fifoPrefix) && k.mover.busy[name].IsZero():
			if left := k.mover.later[name].Sub(now); left > 0 {
				wait = min(wait, left+time.Millisecond)
				continue
			}
			add(name, h.fd)
		case strings.HasPrefix(name, runPrefix) && k.exits[name].At.IsZero():
			add(name, h.fd)
		}
	}
	return fds, names, wait
}

// report acts upon what happened. A name may have been let go of meanwhile. The caller holds mu.
func (k *keeper) report(fds []unix.PollFd, names []string) {
	for i, fd := range fds {
		if fd.Revents == 0 {
			continue
		}
		name := names[i]
		switch {
		case name == "":
			_, _ = unix.Read(k.mover.event, make([]byte, 8)) // EAGAIN is as good
		case k.held[name] == nil:
		case strings.HasPrefix(name, runPrefix):
			if k.exits[name].At.IsZero() {
				k.exits[name] = Exit{At: time.Now()}
			}
		default:
			k.moveFrom(name)
		}
	}
}

// working is the number of workers, apart from those that a home has let hang.
func (m *mover) working() (n int) {
	for _, since := range m.busy {
		if time.Since(since) < stuckTime {
			n++
		}
	}
	return n
}

// moveFrom has a worker empty a FIFO. The caller holds mu.
func (k *keeper) moveFrom(name string) {
	service, ok := serviceOf(name)
	if !ok || k.mover.working() >= maxWorkers {
		return // one that has to wait is found readable again
	}
	w := &mover1{service: service, lock: k.drain, fifo: k.use(name), log: k.use(Log(service)), spill: k.use(spillName)}
	k.mover.busy[name] = time.Now()
	go func() {
		pause := w.run()
		k.mu.Lock()
		defer k.mu.Unlock()
		w.fifo.done()
		w.log.done()
		w.spill.done()
		delete(k.mover.busy, name)
		delete(k.mover.later, name)
		if pause > 0 && k.held[name] != nil {
			k.mover.later[name] = time.Now().Add(pause)
		}
		k.mover.wake()
	}()
}

// mover1 empties one FIFO. It is a worker of its own, because the home that it writes to may hang.
type mover1 struct {
	service          int64
	lock             *drain.Lock
	fifo, log, spill *held
	left             int // moves until the turn is over
}

// run returns how long the FIFO has to wait for the next try; 0 when it is empty, or has had its turn.
func (w *mover1) run() time.Duration {
	if !w.lock.Try(w.service) {
		return lockedTime
	}
	defer w.lock.Give(w.service)
	w.left = turnMoves
	if w.log == nil { // the daemon died before it could say where to: the next one will
		return refusedTime
	}
	if w.toLog() == unix.EAGAIN {
		return 0
	}
	if w.spill != nil && w.toSpill() == unix.EAGAIN {
		return 0
	}
	return refusedTime
}

// move moves output to the end of a file; EAGAIN when there is none, or the turn is over.
func (w *mover1) move(fd int, size int64) error {
	if w.left == 0 {
		return unix.EAGAIN
	}
	w.left--
	_, err := drain.Move(w.fifo.fd, fd, size, moveBytes)
	return err
}

// toLog moves output to the log file until the FIFO is empty, which is EAGAIN, or the file does not take it. A file
// that was deleted or linked is left alone.
func (w *mover1) toLog() error {
	for {
		var st unix.Stat_t
		if err := unix.Fstat(w.log.fd, &st); err != nil {
			return err
		}
		if st.Nlink != 1 {
			return errLog
		}
		if err := w.move(w.log.fd, st.Size); err != nil {
			return err
		}
		failpoint.At("keeper.moved")
	}
}

var errLog = errors.New("the log file was deleted or linked")

// toSpill moves output to a file of upkeep's own, which the daemon knows as the service's fallback.
func (w *mover1) toSpill() error {
	for {
		name := itoa(int(w.service)) + ".log"
		fd, err := unix.Openat(w.spill.fd, name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		err = w.fill(fd)
		unix.Close(fd)
		if err != errFull {
			return err
		}
		if err := unix.Renameat(w.spill.fd, name, w.spill.fd, name+".former"); err != nil {
			return err
		}
	}
}

var errFull = errors.New("the spill file is full")

func (w *mover1) fill(fd int) error {
	for {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		if st.Size >= spillBytes {
			return errFull
		}
		if err := w.move(fd, st.Size); err != nil {
			return err
		}
	}
}
