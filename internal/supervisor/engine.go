// Package supervisor is the engine: it keeps the programs of every service up.
//
// One loop (loop.go) owns the state of every service. A pure state machine a service (machine.go, table.go,
// ask.go, policy.go) takes events and answers with actions; workers (worker.go) carry the actions out on the
// host (host.go and its neighbours) and report back with events. A service costs a struct, not a goroutine.
//
// An Engine leaves every program as it is when it ends, and takes them over when it starts (takeover.go). There
// is no other way of starting: a first start is one that finds nothing.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"upkeep/internal/panel"
)

// Journal is where the engine writes what recovery needs, before it acts, and what happened, afterwards. The
// store is one.
type Journal interface {
	BeginRun(context.Context, panel.RunStart) error
	EndRun(context.Context, panel.ServiceID, panel.Exit, panel.Pace) error
	SavePace(context.Context, panel.ServiceID, panel.Pace) error
	AddCheck(context.Context, panel.ServiceID, panel.Check) error
	SetWanted(context.Context, panel.ServiceID, panel.Wanted, panel.Actor, time.Time, panel.Event) (panel.Service, error)
	AddEvent(context.Context, panel.Event) error
	Recoveries(context.Context) ([]panel.Recovery, error)
	AllServices(context.Context) ([]panel.Service, error)
	AccountByID(context.Context, panel.AccountID) (panel.Account, error)
}

// host is the machine under the engine. Tests put a fake in its place; everything else uses realHost.
type host interface {
	// launch executes a run's program, and returns when it was executed or could not be. With both an exit and a
	// PID the process hangs, cannot be ended, and is watched already.
	launch(ctx context.Context, svc panel.Service, acct panel.Account, do doLaunch) (evLaunched, *panel.Exit)
	// watch begins to report the run's exit through the notify function the host was made with.
	watch(id panel.ServiceID, run int)
	// check runs the monitoring command of a service to its end, or to the limit.
	check(ctx context.Context, svc panel.Service, acct panel.Account, limit time.Duration) panel.Check
	signal(id panel.ServiceID, run int, sig signalKind, group bool) error
	kill(ctx context.Context, id panel.ServiceID, run int) error
	// inspect lists the living processes of the run. With stop, the host also reports every later change.
	inspect(ctx context.Context, id panel.ServiceID, run int, stop bool) ([]int, error)
	// end writes the last line of a run of which nothing lives.
	end(ctx context.Context, id panel.ServiceID, exit panel.Exit)
	// settle lets go of everything that belonged to that run, once its end is stored.
	settle(id panel.ServiceID)
	// forget lets go of the service: its output's way and files of upkeep's own.
	forget(id panel.ServiceID)
	// takeOver looks what is left of a recorded run, and holds on to it when that is something.
	takeOver(ctx context.Context, svc panel.Service, acct panel.Account, rec panel.Recovery) (event, error)
	// tookOver says that every recorded run was looked for. It ends the checks that a former upkeep left behind.
	tookOver(ctx context.Context, services []panel.Service) error
	// identity of the live run's main process, for whoever looks at processes.
	identity(id panel.ServiceID) (panel.Identity, bool)
	// state is the word for what a process does now.
	state(pid int) string
	// trouble is why output does not go to the account's log file.
	trouble(id panel.ServiceID) string
	// run reports exits until ctx ends, or until it cannot any more, which is an error.
	run(ctx context.Context) error
	// close gives back what is held, after run and when no worker is left.
	close()
}

// Engine runs services. Its methods may be called by any goroutine, and answer once Run has taken over what it
// found.
type Engine struct {
	policy  *panel.Policy
	journal Journal
	late    *lateJournal // the same, for what could not be written; nil in tests that have no need of it
	host    host
	log     *slog.Logger
	jitter  func(time.Duration) time.Duration
	limits  panel.HostLimits

	requests chan request
	results  chan result
	checking chan struct{} // holds a token for each check that runs
	ready    chan struct{} // closed when the take-over is done
	stopped  chan struct{} // closed when the loop has ended

	mu       sync.RWMutex
	statuses map[panel.ServiceID]panel.Status
	watchers map[chan struct{}]struct{}
}

// ErrStopped says that the engine has ended; services run on.
var ErrStopped = errors.New("the supervisor has stopped")

func newEngine(policy panel.Policy, journal Journal, h func(notify) host, log *slog.Logger) *Engine {
	e := &Engine{
		policy: &policy, journal: journal, log: log,
		jitter:   jitterOf(policy.JitterPercent),
		requests: make(chan request), results: make(chan result, 64),
		checking: make(chan struct{}, maxChecks),
		ready:    make(chan struct{}), stopped: make(chan struct{}),
		statuses: map[panel.ServiceID]panel.Status{}, watchers: map[chan struct{}]struct{}{},
	}
	e.host = h(e.notify)
	return e
}

// notify is how the host reports an event that nobody waited for.
type notify func(panel.ServiceID, event)

func (e *Engine) notify(id panel.ServiceID, ev event) {
	select {
	case e.results <- result{id: id, event: ev}:
	case <-e.stopped:
	}
}

// jitterOf spreads delays, so that a thousand services that failed together do not start together.
func jitterOf(percent int) func(time.Duration) time.Duration {
	return func(d time.Duration) time.Duration {
		spread := float64(d) * float64(percent) / 100
		return d + time.Duration(spread*(2*rand.Float64()-1))
	}
}

// Ready is closed once everything that lived was taken over.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// Status returns what is observed of services; of all when none is named. A service that the engine does not know
// is left out.
func (e *Engine) Status(_ context.Context, ids ...panel.ServiceID) (map[panel.ServiceID]panel.Status, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if len(ids) == 0 {
		ids = make([]panel.ServiceID, 0, len(e.statuses))
		for id := range e.statuses {
			ids = append(ids, id)
		}
	}
	found := make(map[panel.ServiceID]panel.Status, len(ids))
	for _, id := range ids {
		if s, ok := e.statuses[id]; ok {
			s.LogTrouble = e.host.trouble(id)
			s.LeftOver = slices.Clone(s.LeftOver)
			for i := range s.LeftOver {
				s.LeftOver[i].State = e.host.state(s.LeftOver[i].PID)
			}
			found[id] = s
		}
	}
	return found, nil
}

// Identity names the main process of the run that lives; false when none does.
func (e *Engine) Identity(id panel.ServiceID) (panel.Identity, bool) { return e.host.identity(id) }

// Watch returns a channel that gets a value after some status changed. Changes that come faster than they are
// read are one value. The channel is closed when ctx ends.
func (e *Engine) Watch(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	e.mu.Lock()
	e.watchers[c] = struct{}{}
	e.mu.Unlock()
	context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.watchers, c)
		close(c)
	})
	return c
}

// publish makes a status visible.
func (e *Engine) publish(id panel.ServiceID, s panel.Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.statuses[id] = s
	e.tell()
}

func (e *Engine) unpublish(id panel.ServiceID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.statuses, id)
	e.tell()
}

// tell wakes the watchers; the caller holds mu.
func (e *Engine) tell() {
	for c := range e.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Add makes the engine responsible for a service that was just stored, and starts it when it is wanted on.
func (e *Engine) Add(ctx context.Context, svc panel.Service, acct panel.Account, by panel.Actor) error {
	return e.add(ctx, svc, acct, panel.Recovery{}, by)
}

// AddAgain takes back a service that was removed here and could not be deleted: its runs are numbered on, and its
// failures still count.
func (e *Engine) AddAgain(ctx context.Context, svc panel.Service, acct panel.Account, by panel.Actor) error {
	recoveries, err := e.journal.Recoveries(ctx)
	if err != nil {
		return fmt.Errorf("take service %d back: %w", svc.ID, err)
	}
	var last panel.Recovery
	for _, rec := range recoveries {
		if rec.Service == svc.ID {
			last = rec
		}
	}
	return e.add(ctx, svc, acct, last, by)
}

func (e *Engine) add(ctx context.Context, svc panel.Service, acct panel.Account, last panel.Recovery, by panel.Actor) error {
	boot := evBoot{cause: panel.CauseAsked, by: by}
	return e.do(ctx, request{id: svc.ID, add: &addition{svc, acct, last}, event: boot}).err
}

// Update tells the engine of an edited definition; it applies at the next start.
func (e *Engine) Update(ctx context.Context, svc panel.Service) error {
	return e.do(ctx, request{id: svc.ID, update: &svc}).err
}

// Start runs a service that is paused, disabled, or waits for its next try. It returns when the new run has
// outlived its start period, or has ended.
func (e *Engine) Start(ctx context.Context, id panel.ServiceID, by panel.Actor) error {
	return e.do(ctx, request{id: id, event: evOn{by}, until: settled}).err
}

// Pause stops a service and returns when nothing of it is left.
func (e *Engine) Pause(ctx context.Context, id panel.ServiceID, by panel.Actor) error {
	return e.do(ctx, request{id: id, event: evPause{by}, until: rested}).err
}

// Restart restarts a service and returns what that came to. It is refused with panel.ErrConflict for one that is
// paused, disabled or about to be, and with panel.ErrBusy while an earlier restart is under way.
func (e *Engine) Restart(ctx context.Context, id panel.ServiceID, hard bool, by panel.Actor) (panel.RestartOutcome, error) {
	a := e.do(ctx, request{id: id, event: evRestart{by: by, hard: hard}, outcome: true})
	return a.outcome, a.err
}

// Check runs a monitoring command now, that of svc whether it is stored or not, and returns what came of it. It
// changes nothing.
func (e *Engine) Check(ctx context.Context, svc panel.Service, acct panel.Account) (panel.Check, error) {
	select {
	case e.checking <- struct{}{}:
		defer func() { <-e.checking }()
	case <-ctx.Done():
		return panel.Check{}, fmt.Errorf("run a check: %w", ctx.Err())
	}
	return e.host.check(ctx, svc, acct, e.policy.For(svc.Definition).CheckTimeout), nil
}

// Remove stops a service and forgets it. It returns when nothing of it is left.
func (e *Engine) Remove(ctx context.Context, id panel.ServiceID) error {
	return e.do(ctx, request{id: id, event: evRemove{}, until: never}).err
}

// StopAll stops every service without changing what is wanted, and ends the engine. It returns when nothing is
// left, or ctx ended.
func (e *Engine) StopAll(ctx context.Context) error {
	return e.do(ctx, request{stopAll: true}).err
}

// do hands a request to the loop and waits for its answer.
func (e *Engine) do(ctx context.Context, r request) answer {
	r.reply = make(chan answer, 1)
	select {
	case e.requests <- r:
	case <-ctx.Done():
		return answer{err: fmt.Errorf("ask the supervisor: %w", ctx.Err())}
	case <-e.stopped:
		return answer{err: ErrStopped}
	}
	select {
	case a := <-r.reply:
		return a
	case <-ctx.Done():
		return answer{err: ctx.Err()}
	case <-e.stopped:
	}
	select { // StopAll is answered in the moment before the end
	case a := <-r.reply:
		return a
	default:
		return answer{err: ErrStopped}
	}
}
