package logs

import (
	"sync"
	"time"

	"upkeep/internal/panel"
)

const (
	maxWorkers     = 64 // that make progress; those that hang are not counted
	accountWorkers = 2
	// stuckAfter is how long a job may take before its worker counts as hanging in a home and another one
	// may start in its place.
	stuckAfter = 5 * time.Second
)

// pool runs jobs, each on a goroutine of its own that ends with it: at most accountWorkers at once for an
// account, and accounts in turn.
type pool struct {
	size int

	mu     sync.Mutex // guards what follows
	lanes  map[panel.AccountID]*lane
	ready  []*lane // lanes that have both a job waiting and a worker to spare
	busy   int     // jobs under way that are not stuck
	under  int     // jobs under way
	closed chan struct{}
}

// lane is the queue of one account. It exists as long as it has jobs.
type lane struct {
	account panel.AccountID
	waiting []func()
	under   int
	listed  bool // in ready
}

func newPool(size int) *pool {
	return &pool{size: size, lanes: map[panel.AccountID]*lane{}}
}

// submit never blocks.
func (p *pool) submit(account panel.AccountID, job func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.lanes[account]
	if a == nil {
		a = &lane{account: account}
		p.lanes[account] = a
	}
	a.waiting = append(a.waiting, job)
	p.list(a)
	p.dispatch()
}

// waiting is the number of jobs of an account that no worker has begun.
func (p *pool) waiting(account panel.AccountID) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.lanes[account]; a != nil {
		return len(a.waiting)
	}
	return 0
}

// list puts a lane behind the others that may go on. The caller holds mu.
func (p *pool) list(a *lane) {
	if !a.listed && len(a.waiting) > 0 && a.under < accountWorkers {
		a.listed = true
		p.ready = append(p.ready, a)
	}
}

// dispatch starts what may run. The caller holds mu.
func (p *pool) dispatch() {
	for p.busy < p.size && len(p.ready) > 0 {
		a := p.ready[0]
		p.ready = p.ready[1:]
		job := a.waiting[0]
		a.waiting = a.waiting[1:]
		a.listed = false
		a.under++
		p.under++
		p.busy++
		p.list(a)
		go p.run(a, job)
	}
}

func (p *pool) run(a *lane, job func()) {
	stuck, done := false, false // guarded by mu
	watch := time.AfterFunc(stuckAfter, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if done {
			return
		}
		stuck = true
		p.busy--
		p.dispatch()
	})
	defer watch.Stop()
	job()
	p.mu.Lock()
	defer p.mu.Unlock()
	done = true
	if !stuck {
		p.busy--
	}
	p.finish(a)
}

// finish gives the worker's place to whoever is next. The caller holds mu.
func (p *pool) finish(a *lane) {
	a.under--
	p.under--
	p.list(a)
	if a.under == 0 && len(a.waiting) == 0 {
		delete(p.lanes, a.account)
	}
	p.dispatch()
	p.tell()
}

// close returns a channel that is closed when no job is left. Jobs may still submit others.
func (p *pool) close() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	closed := make(chan struct{})
	p.closed = closed
	p.tell()
	return closed
}

// tell closes the channel once nothing is left to do. The caller holds mu.
func (p *pool) tell() {
	if p.closed != nil && p.under == 0 && len(p.lanes) == 0 {
		close(p.closed)
		p.closed = nil
	}
}
