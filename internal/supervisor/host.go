package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/keeper"
	"upkeep/internal/logs"
	"upkeep/internal/panel"
	"upkeep/internal/process"
)

// Output is where the output of services goes; a *logs.Logs is one.
type Output interface {
	Open(context.Context, logs.Source) (*os.File, error)
	Attach(context.Context, logs.Source) error
	Mark(context.Context, panel.ServiceID, string) error
	Close(panel.ServiceID)
	Remove(panel.ServiceID)
	Trouble(panel.ServiceID) string
}

// Keeper holds what must outlive this daemon; a *keeper.Client is one.
type Keeper interface {
	Put(name string, fd int)
	Drop(name string)
	List(prefix string) keeper.Held
	OnRefill(func())
}

// Config is what an Engine needs to know.
type Config struct {
	Policy   panel.Policy
	Journal  Journal
	Output   Output
	Keeper   Keeper // nil: nobody holds anything, and exits while the daemon is away may stay unknown
	Log      *slog.Logger
	Instance string // of this upkeep, unique on the machine, [a-z0-9]
	Helper   string // path of upkeep-helper

	// FIFOs is the folder of the services' FIFOs, each named by its ID. Programs that write over their environment are
	// recognised by them when a run is not recorded; empty leaves that out.
	FIFOs string
	// OpenFile is the soft limit of open descriptors of a service; 0 means 1024, what a login shell has.
	OpenFile uint64
	// Account and Service are the limits of every account and of every service.
	Account, Service panel.Limits
	// NoCgroup keeps the engine from control groups even where they could be used.
	NoCgroup bool
}

// New returns an engine for this machine. It refuses a kernel without pidfds (before Linux 5.4) and a helper that
// cannot be executed.
func New(c Config) (*Engine, error) {
	if c.OpenFile == 0 {
		c.OpenFile = 1024
	}
	if err := unix.Access(c.Helper, unix.X_OK); err != nil {
		return nil, fmt.Errorf("helper %s: %w; build it with \"make build\" or set its path", c.Helper, err)
	}
	late := newLateJournal(c.Journal)
	c.Journal = late
	h, err := newRealHost(c)
	if err != nil {
		return nil, err
	}
	e := newEngine(c.Policy, late, func(n notify) host { h.notify = n; return h }, c.Log)
	e.late = late
	e.limits = h.limits()
	return e, nil
}

// realHost does what the engine wants on this machine.
type realHost struct {
	Config
	notify  notify
	bootID  string
	tree    *cgroup.Tree // nil where control groups cannot be used
	limiter *cgroup.Limiter
	spares  *spares
	poll    *poller
	// looking wakes lookAtStopping: a run without a control group is being stopped.
	looking chan struct{}
	// carriers are the processes of services by what they carry; nil until the take-over needs them. Only that uses it.
	carriers map[panel.ServiceID][]process.Carrier

	mu   sync.Mutex
	runs map[panel.ServiceID]*liveRun
	// mains holds the PIDs of main processes that are upkeep's children and were not waited for yet.
	mains map[int]bool
	// left is what the keeper held when this daemon came: pidfds, and exits that no daemon saw.
	left keeper.Held
}

// liveRun is what the host holds of a run of which something lives.
type liveRun struct {
	service  panel.ServiceID
	run      int
	identity panel.Identity
	limits   cgroup.Group
	pidfd    int  // of the main process; closed at the end of the run
	child    bool // the main process is upkeep's own child, so its status is had by waiting
	stopping bool // changes of the group are reported
	// asked are the processes that got SIGTERM. Some programs take a second one for impatience and drop their work.
	// Only the run's worker touches it.
	asked map[int]bool
}

// name is what the keeper calls the run.
func (r *liveRun) name() string { return keeper.Run(int64(r.service), r.run, r.identity.PID) }

func (r *liveRun) group() process.Group {
	return process.Group{Service: r.service, Identity: r.identity}
}

func newRealHost(c Config) (*realHost, error) {
	if c.Keeper == nil {
		c.Keeper = (*keeper.Client)(nil)
	}
	h := &realHost{Config: c, runs: map[panel.ServiceID]*liveRun{}, mains: map[int]bool{},
		looking: make(chan struct{}, 1)}
	err := process.CheckPidfds()
	if err != nil {
		return nil, err
	}
	if h.bootID, err = process.BootID(); err != nil {
		return nil, err
	}
	if !c.NoCgroup {
		h.tree, err = cgroup.Find(c.Instance)
		if err != nil && !errors.Is(err, cgroup.ErrUnavailable) {
			return nil, err
		}
	}
	if h.tree == nil {
		c.Log.Info("no control groups: runs are told apart by session and environment", "reason", err)
	}
	if h.limiter, err = newLimiter(c, h.tree); err != nil {
		return nil, err
	}
	if h.poll, err = newPoller(); err != nil {
		return nil, err
	}
	// Whatever leaves its parent becomes ours to reap, also where PID 1 reaps late or never.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become subreaper: %w", err)
	}
	h.spares = newSpares(c.Helper, h.tree, h.limiter)
	h.left = c.Keeper.List(keeper.Runs())
	c.Keeper.OnRefill(h.refillKeeper)
	return h, nil
}

// run waits for exits until ctx ends. It returns an error when it cannot go on.
func (h *realHost) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { h.reapOrphans(ctx) })
	group.Go(func() { h.lookAtStopping(ctx) })
	stop := context.AfterFunc(ctx, h.poll.wake)
	defer stop()
	err := h.poll.wait(ctx, h.exited, h.groupsChanged)
	cancel()
	group.Wait()
	return err
}

// close gives back what the host holds. Programs live on; only the descriptors are closed.
func (h *realHost) close() {
	h.spares.dismiss()
	h.poll.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.runs {
		unix.Close(r.pidfd)
	}
	h.runs = nil
	if h.tree != nil {
		if err := h.tree.Close(); err != nil {
			h.Log.Error("close control groups", "err", err)
		}
	}
	if err := h.limiter.Close(); err != nil {
		h.Log.Error("close control groups of limits", "err", err)
	}
}

// find returns the live run of that number.
func (h *realHost) find(id panel.ServiceID, run int) (*liveRun, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.runs[id]
	if !ok || r.run != run {
		return nil, fmt.Errorf("run %d of service %d: %w", run, id, panel.ErrGone)
	}
	return r, nil
}

func (h *realHost) hold(r *liveRun) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.runs[r.service] = r
	if r.child {
		h.mains[r.identity.PID] = true
	}
}

func (h *realHost) identity(id panel.ServiceID) (panel.Identity, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.runs[id]
	if !ok {
		return panel.Identity{}, false
	}
	return r.identity, true
}

func (h *realHost) trouble(id panel.ServiceID) string { return h.Output.Trouble(id) }
func (h *realHost) state(pid int) string              { return process.State(pid) }

// markTime bounds the wait for the last line of a run: it is worth a moment, not a start held up by a home that
// hangs.
const markTime = 200 * time.Millisecond

// end writes the last line of a run of which nothing lives.
func (h *realHost) end(ctx context.Context, id panel.ServiceID, exit panel.Exit) {
	ctx, cancel := context.WithTimeout(ctx, markTime)
	defer cancel()
	if err := h.Output.Mark(ctx, id, lastLine(exit)); err != nil {
		h.Log.Warn("last line of a run", "service", id, "err", err)
	}
}

// settle lets go of a run whose end is stored. Until then its main process stays a zombie, and its pidfd with the
// keeper: should this daemon die, the next one learns the exit status from there.
func (h *realHost) settle(id panel.ServiceID) {
	h.mu.Lock()
	r, ok := h.runs[id]
	delete(h.runs, id)
	h.mu.Unlock()
	if ok {
		h.reap(r)
		h.release(r)
	}
}

// release closes what a run held, has the keeper forget it, and removes its control group.
func (h *realHost) release(r *liveRun) {
	h.Keeper.Drop(r.name())
	if r.pidfd >= 0 {
		h.poll.forget(r.pidfd)
		unix.Close(r.pidfd)
	}
	defer h.limiter.Remove(r.limits)
	if r.identity.Cgroup == "" {
		return
	}
	h.poll.unwatchGroup(r.identity.Cgroup)
	if err := cgroup.Remove(r.identity.Cgroup); err != nil {
		h.Log.Warn("remove control group", "service", r.service, "err", err)
	}
}

func (h *realHost) forget(id panel.ServiceID) { h.Output.Remove(id) }
