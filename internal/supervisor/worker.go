package supervisor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"upkeep/internal/failpoint"
	"upkeep/internal/panel"
)

// maxWorkers bounds the threads that starts, stops and SQL can occupy together. Twice the usual number of cores
// keeps a cold start of a thousand services busy without crowding out the loop.
const maxWorkers = 8

// maxWorkersPerAccount leaves room for the others when everything of one account hangs, as on a dead network
// file system.
const maxWorkersPerAccount = 3

// job is a batch of actions of one service. A service has one job at a time, so its actions keep their order.
type job struct {
	svc     panel.Service
	acct    panel.Account
	actions []action
}

// pool carries jobs out on a bounded number of goroutines that live only while there is work. It belongs to the
// loop, which is the only one to call its methods.
type pool struct {
	ctx     context.Context
	engine  *Engine
	queued  []*job // oldest first
	active  map[panel.ServiceID]panel.AccountID
	account map[panel.AccountID]int // active jobs
	group   sync.WaitGroup
}

func newPool(ctx context.Context, e *Engine) *pool {
	return &pool{ctx: ctx, engine: e, active: map[panel.ServiceID]panel.AccountID{}, account: map[panel.AccountID]int{}}
}

func (p *pool) submit(j job) {
	p.queued = append(p.queued, &j)
	p.dispatch()
}

// dispatch starts as many queued jobs as the bounds allow, oldest first.
func (p *pool) dispatch() {
	for i := 0; i < len(p.queued) && len(p.active) < maxWorkers; {
		j := p.queued[i]
		if p.account[j.acct.ID] >= maxWorkersPerAccount {
			i++
			continue
		}
		p.queued = slices.Delete(p.queued, i, i+1)
		p.active[j.svc.ID] = j.acct.ID
		p.account[j.acct.ID]++
		p.group.Go(func() { p.engine.carryOut(p.ctx, *j) })
	}
	if len(p.queued) == 0 {
		p.queued = nil // a cold start of thousands leaves no memory behind
	}
}

// finished notes that a job is done.
func (p *pool) finished(id panel.ServiceID) {
	acct, ok := p.active[id]
	if !ok {
		return
	}
	delete(p.active, id)
	if p.account[acct]--; p.account[acct] == 0 {
		delete(p.account, acct)
	}
}

// pending is the number of jobs that run.
func (p *pool) pending() int { return len(p.active) }

// wait returns when every goroutine has ended.
func (p *pool) wait() { p.group.Wait() }

// carryOut does the actions of a job in their order and reports what they led to.
func (e *Engine) carryOut(ctx context.Context, j job) {
	var last event
	for _, a := range j.actions {
		if last != nil {
			e.results <- result{id: j.svc.ID, event: last}
		}
		last = e.act(ctx, j, a)
	}
	e.results <- result{id: j.svc.ID, event: last, done: true}
}

// act does one action. Its event, if it has one, is what the machine gets to know of it.
func (e *Engine) act(ctx context.Context, j job, a action) event {
	id := j.svc.ID
	switch a := a.(type) {
	case doLaunch:
		launched, exit := e.host.launch(ctx, j.svc, j.acct, a)
		if exit != nil {
			return evNotLaunched{a.run, *exit, launched.pid}
		}
		return launched
	case doSignal:
		e.note(e.host.signal(id, a.run, a.sig, a.group), "signal", id)
		failpoint.At("stop.signalled")
	case doKill:
		e.note(e.host.kill(ctx, id, a.run), "kill", id)
		failpoint.At("stop.killed")
	case doInspect:
		alive, err := e.host.inspect(ctx, id, a.run, a.stop)
		if err != nil {
			e.note(err, "inspect", id)
			return nil // the deadline of the stop asks again
		}
		failpoint.At("exit.inspected")
		return evInspected{a.run, alive}
	case doEnd:
		e.host.end(ctx, id, a.exit)
		failpoint.At("exit.marked")
		err := e.journal.EndRun(ctx, id, a.exit, a.pace)
		failpoint.At("exit.stored")
		if e.note(err, "record end", id); !errors.Is(err, panel.ErrStorage) { // else it is settled once it is written
			e.host.settle(id)
		}
		exit := a.exit
		e.record(ctx, j, panel.Event{Kind: panel.EventEnded, At: exit.At, Run: exit.Run, Exit: &exit})
	case doWanted:
		a.event.Account, a.event.Service, a.event.ServiceName = j.acct.ID, id, j.svc.Name
		_, err := e.journal.SetWanted(ctx, id, a.wanted, a.event.By, a.event.At, a.event)
		e.note(err, "store what is wanted", id)
		failpoint.At("wanted.stored")
	case doRecord:
		e.record(ctx, j, a.event)
	case doKeepCheck:
		e.note(e.journal.AddCheck(ctx, id, a.check), "store a check", id)
		if a.pace != nil {
			e.note(e.journal.SavePace(ctx, id, *a.pace), "store the failures", id)
		}
	case doOutcome:
		out := a.outcome
		e.record(ctx, j, panel.Event{Kind: panel.EventRestarted, By: a.by, Run: out.Run, PID: out.PID, Outcome: &out})
		failpoint.At("restart.answered")
	case doCatchUp:
		e.note(e.late.catchUp(ctx, id), "write what was put off", id)
	case doForget:
		e.host.forget(id)
		failpoint.At("remove.forgotten")
	}
	return nil
}

// record writes an event of the service; what cannot be written is at least in upkeep's own log.
func (e *Engine) record(ctx context.Context, j job, ev panel.Event) {
	ev.Account, ev.Service, ev.ServiceName = j.acct.ID, j.svc.ID, j.svc.Name
	if ev.At.IsZero() {
		ev.At = time.Now()
	}
	e.note(e.journal.AddEvent(ctx, ev), "record "+string(ev.Kind), j.svc.ID)
	failpoint.At("event.recorded")
}

// note logs what went wrong with an action. The machine goes on: its deadlines ask again.
func (e *Engine) note(err error, what string, id panel.ServiceID) {
	if err != nil {
		e.log.Error("action failed", "action", what, "service", id, "err", err)
	}
}
