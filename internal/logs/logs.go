// Package logs carries the output of services to their log files and reads it back.
//
// Each service writes to a FIFO of upkeep's own. One epoll loop learns that there is output, waits a moment so
// that more can come, and a worker moves it with splice(2) to the account's log file. The kernel takes bytes
// out of the FIFO only when they are in the file, so the size of the file is all that needs to be remembered:
// whoever is killed in the middle, no byte is lost and none is written twice.
//
// Homes are hostile and may hang. Every path in one is walked from a descriptor of the home, as the account,
// following no link, and only by workers, of which an account gets at most two. What the home does not take
// goes to a file of upkeep's own, the fallback, and [Logs.Trouble] says why.
package logs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/drain"
	"upkeep/internal/keeper"
	"upkeep/internal/panel"
	"upkeep/internal/privilege"
)

// Keeper holds the FIFOs and log files while this process is away; a *keeper.Client is one.
type Keeper interface {
	Put(name string, fd int)
	Drop(name string)
	OnRefill(func())
}

// Options configure [New].
type Options struct {
	Keeper   Keeper        // nil: while this process is away, services wait once their FIFOs are full
	State    string        // directory of upkeep's own, for FIFOs and fallback files; made if missing
	Logger   *slog.Logger  // nil: nothing is reported
	Coalesce time.Duration // the longest wait for more output before it is moved; 0 means 50 ms
}

// Source is a service as its output concerns it.
type Source struct {
	Service panel.ServiceID
	Account panel.AccountID
	Name    string // of the service: the name of the log file without ".log"
	Home    string // absolute path
	Cred    privilege.Credentials
	OwnUser bool // the account has a Unix user of its own, Cred; else upkeep's own user owns the home
}

// Logs captures and reads output. Its methods may be called by several goroutines, before, during and after
// Run; after Run only reading succeeds.
type Logs struct {
	state  string
	log    *slog.Logger
	lock   *os.File // held as long as this process reads the FIFOs
	drains *drain.Lock
	spill  *os.File // the folder of the fallback files
	keeper Keeper
	epoll  int
	signal int // eventfd that wakes the loop
	pool   *pool
	timers timers
	wakes  atomic.Int64 // returns of the loop from the kernel, for tests of idleness
	tuning

	mu      sync.Mutex // guards what follows and the marked fields of each stream; no I/O under it
	streams map[panel.ServiceID]*stream
	ended   bool
}

// tuning holds the times that tests change.
type tuning struct {
	shortest    time.Duration // wait for more output of a service that was idle
	longest     time.Duration // … of a busy one
	verifyEvery time.Duration // between two looks whether the path still leads to the open log file
	retryHome   time.Duration // between two tries of a home that refused, while output arrives
	retryFull   time.Duration // between two tries when neither file takes bytes
	retryLocked time.Duration // between two tries while the keeper moves the output
	leaveAfter  time.Duration // the longest wait for workers at the end of Run
	keep        int64         // bytes of a fallback file before a new one is begun
}

func defaultTuning(coalesce time.Duration) tuning {
	if coalesce <= 0 {
		coalesce = 50 * time.Millisecond
	}
	return tuning{
		shortest:    min(2*time.Millisecond, coalesce),
		longest:     coalesce,
		verifyEvery: time.Second,
		retryHome:   30 * time.Second,
		retryFull:   time.Second,
		retryLocked: 20 * time.Millisecond,
		leaveAfter:  5 * time.Second,
		keep:        16 << 20,
	}
}

// New makes what capture needs. Only one process may read the FIFOs of a state directory: while another one
// does, the error wraps [panel.ErrBusy]. Only the end of Run releases everything.
func New(o Options) (*Logs, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Logs{
		state: o.State, log: o.Logger, pool: newPool(maxWorkers), epoll: -1, signal: -1,
		keeper: o.Keeper, tuning: defaultTuning(o.Coalesce), streams: map[panel.ServiceID]*stream{},
	}
	if l.keeper == nil {
		l.keeper = (*keeper.Client)(nil)
	}
	if err := errors.Join(l.makeFolders(), l.makeWatch()); err != nil {
		l.release()
		return nil, fmt.Errorf("prepare logs in %q: %w", o.State, err)
	}
	l.keeper.Put(keeper.Spill(), int(l.spill.Fd()))
	l.keeper.OnRefill(l.refillKeeper)
	return l, nil
}

// lockTime is how long the lock of an upkeep that was killed may outlive it: a child that it had just forked holds a
// copy until it has executed its program.
const lockTime = 500 * time.Millisecond

func (l *Logs) makeFolders() error {
	for _, name := range []string{"fifos", "logs"} {
		if err := os.MkdirAll(filepath.Join(l.state, name), 0o700); err != nil {
			return err
		}
	}
	var err error
	if l.drains, err = drain.Open(l.state); err != nil {
		return err
	}
	if l.spill, err = os.Open(filepath.Join(l.state, "logs")); err != nil {
		return err
	}
	lock, err := os.Open(filepath.Join(l.state, "fifos"))
	if err != nil {
		return err
	}
	l.lock = lock
	// Two readers would share the bytes of a FIFO between them.
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for end := time.Now().Add(lockTime); errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(end); {
		time.Sleep(lockTime / 50)
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("another process reads the output: %w", panel.ErrBusy)
	}
	return err
}

func (l *Logs) release() {
	for _, fd := range []int{l.epoll, l.signal} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if l.drains != nil {
		l.drains.Close()
	}
	for _, f := range []*os.File{l.lock, l.spill} {
		f.Close() // nil, or read only: an error means nothing
	}
}

// refillKeeper gives a new keeper everything that the one before held.
func (l *Logs) refillKeeper() {
	l.keeper.Put(keeper.Spill(), int(l.spill.Fd()))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.streams {
		if !l.ended {
			s.requests = append(s.requests, request{serve: (*stream).hold, end: ignore})
			l.schedule(s)
		}
	}
}

// check refuses a source that could not be told apart from another or would lead to another file.
func (s Source) check() error {
	switch {
	case s.Service <= 0:
		return fmt.Errorf("log of %q: no service: %w", s.Name, panel.ErrNotFound)
	case s.Name == "" || strings.ContainsAny(s.Name, "/\x00"):
		return fmt.Errorf("log of service %d: name %q: %w", s.Service, s.Name, panel.ErrForbidden)
	case !filepath.IsAbs(s.Home):
		return fmt.Errorf("log of %q: home %q is not absolute: %w", s.Name, s.Home, panel.ErrForbidden)
	}
	return nil
}

// owner is the user that everything the service writes to must belong to.
func (s Source) owner() int {
	if s.OwnUser {
		return s.Cred.UID
	}
	return os.Geteuid()
}

// as runs f with the rights of the account.
func (s Source) as(f func() error) error {
	if !s.OwnUser {
		return f()
	}
	return privilege.As(s.Cred, f)
}

// path is where the service's log belongs.
func (s Source) path() string { return filepath.Join(s.Home, logFolder, s.Name+".log") }

// FIFOs is the folder, below that of [Options].State, of the services' FIFOs. Each is named by the service's ID.
func FIFOs(state string) string { return filepath.Join(state, "fifos") }

func (l *Logs) fifoPath(id panel.ServiceID) string {
	return filepath.Join(FIFOs(l.state), strconv.FormatInt(int64(id), 10))
}

func (l *Logs) fallbackPath(id panel.ServiceID) string {
	return filepath.Join(l.state, "logs", strconv.FormatInt(int64(id), 10)+".log")
}
