package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"upkeep/internal/failpoint"
	"upkeep/internal/panel"
)

// request is what a caller wants of the loop.
type request struct {
	id      panel.ServiceID
	event   event          // for the service's machine; nil for none
	add     *addition      // the service is new
	update  *panel.Service // its definition was edited
	stopAll bool
	catchUp bool              // write what could not be written before
	until   func(*entry) bool // the answer waits for this; nil answers at once
	outcome bool              // the answer is the outcome of a restart
	reply   chan answer
}

type addition struct {
	svc  panel.Service
	acct panel.Account
	last panel.Recovery // zero for a service that never ran
}

type answer struct {
	outcome panel.RestartOutcome
	err     error
}

// result is an event that a worker or the host reports.
type result struct {
	id    panel.ServiceID
	event event // nil when there is nothing to say
	done  bool  // the service's worker has finished its batch
}

// entry is the loop's side of one service.
type entry struct {
	svc     panel.Service
	acct    panel.Account
	machine *machine

	due      time.Time // in the heap of deadlines; zero when not
	index    int       // its place there
	queue    []action  // not handed to a worker yet
	busy     bool      // a worker has the batch before
	waiters  []request // whose condition does not hold yet
	restarts []request // waits for the outcome; one at most, but a list needs no special case
}

// The conditions that an answer can wait for.

// settled: the start that was asked has come to something.
func settled(en *entry) bool {
	return en.idle() && (en.machine.phase == running || en.machine.phase == waiting || en.machine.phase == resting)
}

// rested: nothing lives, or somebody changed their mind and it is going to.
func rested(en *entry) bool {
	return en.idle() && (en.machine.phase == resting || en.machine.wanted == panel.WantedOn)
}

// never: the answer comes when the entry goes.
func never(*entry) bool { return false }

// idle reports whether everything that was decided was also done.
func (en *entry) idle() bool { return !en.busy && len(en.queue) == 0 }

// loop is the only code that touches the machines; everybody else sends requests and results.
type loop struct {
	*Engine
	entries   map[panel.ServiceID]*entry
	deadlines deadlines
	timer     *time.Timer
	pool      *pool
	checks    sync.WaitGroup
	endChecks context.CancelFunc // ends those that run
	checkCtx  context.Context
	stopping  *request // a StopAll that waits
}

// Run takes over what it finds and then serves until ctx ends or StopAll is done. Programs run on in the first
// case.
func (e *Engine) Run(ctx context.Context) error {
	l := &loop{Engine: e, entries: map[panel.ServiceID]*entry{}, timer: time.NewTimer(time.Hour)}
	defer l.timer.Stop()
	beyond := context.WithoutCancel(ctx) // what a worker began, it carries out
	l.pool = newPool(beyond, e)
	l.checkCtx, l.endChecks = context.WithCancel(beyond)
	hostCtx, stopHost := context.WithCancel(beyond)
	hostDone := make(chan error, 1)
	go func() { hostDone <- e.host.run(hostCtx) }()
	err := l.takeOver(ctx)
	if err == nil {
		close(e.ready)
		l.serve(ctx, hostDone)
	}
	close(e.stopped)
	l.endChecks()
	l.checks.Wait()
	l.pool.wait()
	stopHost()
	err = errors.Join(err, <-hostDone)
	e.host.close()
	return err
}

// serve returns when ctx ends, StopAll is done, or the host has ended: without it exits are not seen, and whoever
// starts upkeep anew finds every program as it was left.
func (l *loop) serve(ctx context.Context, hostDone chan error) {
	for {
		if l.stopping != nil && l.allStopped() {
			l.stopping.reply <- answer{}
			return
		}
		l.arm()
		select {
		case <-ctx.Done():
			l.drain()
			return
		case err := <-hostDone:
			hostDone <- err // for Run
			l.drain()
			return
		case r := <-l.requests:
			l.request(r)
		case r := <-l.results:
			l.result(r)
		case <-l.timer.C:
			l.expire(time.Now())
		}
	}
}

// drain waits for the batches that workers have: each is recorded and done, or neither.
func (l *loop) drain() {
	for l.pool.pending() > 0 {
		r := <-l.results
		if r.done {
			l.pool.finished(r.id)
		}
	}
}

// takeOver makes an entry of every stored service and continues with what lives.
func (l *loop) takeOver(ctx context.Context) error {
	services, err := l.journal.AllServices(ctx)
	if err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	recoveries, err := l.journal.Recoveries(ctx)
	if err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	last := make(map[panel.ServiceID]panel.Recovery, len(recoveries))
	for _, rec := range recoveries {
		last[rec.Service] = rec
	}
	accounts := map[panel.AccountID]panel.Account{}
	for _, svc := range services {
		if _, ok := accounts[svc.Account]; ok {
			continue
		}
		if accounts[svc.Account], err = l.journal.AccountByID(ctx, svc.Account); err != nil {
			return fmt.Errorf("take over: %w", err)
		}
	}
	// Everything is looked at before anything is done: an error here leaves the machine as it is.
	found := make([]event, len(services))
	for i, svc := range services {
		if found[i], err = l.host.takeOver(ctx, svc, accounts[svc.Account], last[svc.ID]); err != nil {
			return fmt.Errorf("take over service %d: %w", svc.ID, err)
		}
	}
	if err := l.host.tookOver(ctx, services); err != nil {
		l.log.Error("end checks of a former upkeep", "err", err)
	}
	failpoint.At("takeover.all")
	for i, svc := range services {
		rec := last[svc.ID]
		if ev, ok := found[i].(evAdopt); ok && ev.unrecorded != nil {
			rec.RunStart, rec.Live = *ev.unrecorded, true
		}
		en := l.enter(svc, accounts[svc.Account])
		en.machine.restore(rec, time.Now())
		l.apply(en, found[i])
		failpoint.At("takeover.applied")
	}
	return nil
}

func (l *loop) enter(svc panel.Service, acct panel.Account) *entry {
	en := &entry{svc: svc, acct: acct, index: -1,
		machine: newMachine(l.policy, l.jitter, svc.Wanted, svc.WantedSince)}
	l.configure(en)
	l.entries[svc.ID] = en
	return en
}

// request serves one caller.
func (l *loop) request(r request) {
	if r.stopAll {
		l.stopAll(r)
		return
	}
	if l.stopping != nil {
		r.reply <- answer{err: ErrStopped}
		return
	}
	if r.add != nil {
		l.enter(r.add.svc, r.add.acct).machine.restore(r.add.last, time.Now())
	}
	en, ok := l.entries[r.id]
	if !ok {
		r.reply <- answer{err: fmt.Errorf("service %d: %w", r.id, panel.ErrNotFound)}
		return
	}
	if r.update != nil {
		en.svc = *r.update
		l.configure(en)
		l.reschedule(en, en.machine.next())
		l.publish(en.svc.ID, en.machine.status())
	}
	if r.catchUp {
		l.carry(en, []action{doCatchUp{}})
	}
	if r.event == nil {
		r.reply <- answer{}
		return
	}
	l.ask(en, r)
}

// ask applies a request's event and files the request with those whose answer has to wait.
func (l *loop) ask(en *entry, r request) {
	actions := l.step(en, r.event)
	if refused, ok := refusal(actions); ok {
		r.reply <- answer{err: refused}
		return
	}
	switch {
	case r.outcome:
		en.restarts = append(en.restarts, r)
	case r.until == nil:
		r.reply <- answer{}
	default:
		en.waiters = append(en.waiters, r)
	}
	l.carry(en, actions)
}

func refusal(actions []action) (error, bool) {
	for _, a := range actions {
		if r, ok := a.(doRefuse); ok {
			return r.err, true
		}
	}
	return nil, false
}

func (l *loop) result(r result) {
	if r.done {
		l.pool.finished(r.id)
		defer l.pool.dispatch()
	}
	en, ok := l.entries[r.id]
	if !ok {
		return
	}
	if r.done {
		en.busy = false
		l.hand(en)
	}
	if r.event != nil {
		l.apply(en, r.event)
		return
	}
	l.answerWaiters(en)
}

// apply lets a machine take an event, and has its actions carried out.
func (l *loop) apply(en *entry, ev event) { l.carry(en, l.step(en, ev)) }

func (l *loop) step(en *entry, ev event) []action {
	actions := en.machine.on(ev, time.Now())
	if launched, ok := ev.(evLaunched); ok && launched.run == en.machine.run && en.machine.live() {
		l.host.watch(en.svc.ID, launched.run)
		failpoint.At("launch.watched")
	}
	if adopted, ok := ev.(evAdopt); ok && adopted.ended == nil {
		l.host.watch(en.svc.ID, en.machine.run)
	}
	return actions
}

// configure gives a machine what its service's definition says.
func (l *loop) configure(en *entry) {
	_, offset := math.Modf(float64(en.svc.ID) * goldenRatio)
	en.machine.configure(l.policy.For(en.svc.Definition), en.svc.Monitoring.Command != "", offset, time.Now())
}

// goldenRatio spreads consecutive numbers evenly over an interval.
const goldenRatio = 0.6180339887498949

// maxChecks bounds the checks that run at once on a machine.
const maxChecks = 20

// check runs a monitoring command beside the service's other work.
func (l *loop) check(en *entry, do doCheck) {
	svc, acct := en.svc, en.acct
	l.checks.Go(func() {
		select {
		case l.checking <- struct{}{}:
		case <-l.checkCtx.Done():
			return
		}
		c := l.host.check(l.checkCtx, svc, acct, do.limit)
		<-l.checking
		c.Run = do.run
		l.notify(svc.ID, evChecked{run: do.run, probe: do.probe, check: c})
	})
}

// carry files the actions, makes the new state visible, and then answers who waited for it.
func (l *loop) carry(en *entry, actions []action) {
	var rest []action
	for _, a := range actions {
		if do, ok := a.(doCheck); ok {
			l.check(en, do)
			continue
		}
		rest = append(rest, a)
	}
	en.file(rest)
	l.hand(en)
	l.reschedule(en, en.machine.next())
	l.publish(en.svc.ID, en.machine.status())
	for _, a := range actions {
		if out, ok := a.(doOutcome); ok {
			l.answerRestart(en, out.outcome)
		}
	}
	l.answerWaiters(en)
}

// file queues actions. A kill, or a look, that still waits for its turn is not queued again: what outlives the kill is
// killed every second, for as long as it likes.
func (en *entry) file(actions []action) {
	for _, a := range actions {
		switch a.(type) {
		case doKill, doInspect:
			if slices.Contains(en.queue, a) {
				continue
			}
		}
		en.queue = append(en.queue, a)
	}
}

// hand gives what is queued to a worker, unless one is busy with the batch before.
func (l *loop) hand(en *entry) {
	if en.busy || len(en.queue) == 0 {
		return
	}
	batch := en.queue
	en.queue, en.busy = nil, true
	l.pool.submit(job{svc: en.svc, acct: en.acct, actions: batch})
}

func (l *loop) answerRestart(en *entry, out panel.RestartOutcome) {
	for _, r := range en.restarts {
		r.reply <- answer{outcome: out}
	}
	en.restarts = nil
}

// answerWaiters answers those whose condition holds now, and everybody when the service is gone.
func (l *loop) answerWaiters(en *entry) {
	if en.machine.goal == goalForget && en.machine.phase == resting && en.idle() {
		l.remove(en)
		return
	}
	kept := en.waiters[:0]
	for _, r := range en.waiters {
		if r.until(en) {
			r.reply <- answer{}
			continue
		}
		kept = append(kept, r)
	}
	en.waiters = kept
}

// remove drops the entry of a service of which nothing is left.
func (l *loop) remove(en *entry) {
	delete(l.entries, en.svc.ID)
	l.reschedule(en, time.Time{})
	l.unpublish(en.svc.ID)
	for _, r := range en.waiters {
		var err error
		if _, removing := r.event.(evRemove); !removing {
			err = fmt.Errorf("service %d: %w", en.svc.ID, panel.ErrNotFound)
		}
		r.reply <- answer{err: err}
	}
	en.waiters = nil
}

// stopAll stops every service as a pause would, without storing that as what is wanted.
func (l *loop) stopAll(r request) {
	l.stopping = &r
	for _, en := range l.entries {
		l.carry(en, en.machine.shutDown(time.Now()))
	}
}

func (l *loop) allStopped() bool {
	for _, en := range l.entries {
		if en.machine.phase != resting || !en.idle() {
			return false
		}
	}
	return true
}
