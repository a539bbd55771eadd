package supervisor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// program is how a program behaves on the fake host.
type program struct {
	takes  time.Duration // until it is executed
	refuse *panel.Exit   // why it cannot be executed; nil: it can

	lives  time.Duration // until it ends by itself; forever when nobody ends it
	code   int           // it ends with, by itself
	hangup bool          // SIGHUP ends it
	stops  time.Duration // from SIGTERM to its end; forever when it takes no notice
	strays bool          // a helper stays when it ends, until it is killed
	tough  time.Duration // for so long it stays whatever is done to it
}

const forever = time.Duration(1<<63 - 1)

// steady is a program that runs until it is asked to stop.
var steady = program{lives: forever}

// begun is a launch that the fake host saw.
type begun struct {
	service panel.ServiceID
	run     int
	at      time.Time
	cause   panel.Cause
}

// fakeHost runs programs that are nothing but facts and timers. It fails the test when a run is launched while
// something of an earlier one lives.
type fakeHost struct {
	t       *testing.T
	notify  notify
	journal *memory
	program func(panel.ServiceID, int) program // of a service's run
	breaks  chan error                         // what run ends with

	mu       sync.Mutex
	runs     map[panel.ServiceID]*fakeRun
	begun    []begun
	lost     map[panel.ServiceID]*panel.Exit   // what became of runs that are not there at the take-over
	stuck    map[panel.ServiceID]chan struct{} // kills and launches hang until it is closed
	inLaunch map[panel.AccountID]int
	most     map[panel.AccountID]int // launches at one time
	forgot   []panel.ServiceID
	checked  []time.Time                           // beginnings of checks
	verdict  func(panel.Service, bool) panel.Check // of a check, given whether the service lives; nil: all is well
	checking int                                   // checks under way
	mostOfIt int                                   // … at one time
}

type fakeRun struct {
	program
	run, pid int
	since    time.Time
	main     bool        // the main process lives
	helper   bool        // a helper does
	exit     *panel.Exit // of the main process
	watched  bool        // somebody wants to hear of the exit
	told     bool        // and did
	stopping bool        // changes are reported
}

func newFakeHost(t *testing.T, journal *memory, program func(panel.ServiceID, int) program) *fakeHost {
	return &fakeHost{
		t: t, journal: journal, program: program, runs: map[panel.ServiceID]*fakeRun{}, lost: map[panel.ServiceID]*panel.Exit{},
		stuck: map[panel.ServiceID]chan struct{}{}, breaks: make(chan error, 1),
		inLaunch: map[panel.AccountID]int{}, most: map[panel.AccountID]int{},
	}
}

func pidOf(id panel.ServiceID, run int) int { return int(id)*1000 + run }

func (h *fakeHost) launch(ctx context.Context, svc panel.Service, acct panel.Account, do doLaunch) (evLaunched, *panel.Exit) {
	p := h.enter(svc.ID, acct.ID, do)
	time.Sleep(p.takes)
	h.hang(svc.ID)
	start := panel.RunStart{Service: svc.ID, Number: do.run, Version: svc.Version, Cause: do.cause, By: do.by, At: time.Now()}
	start.PID = pidOf(svc.ID, do.run)
	if err := h.journal.BeginRun(ctx, start); err != nil {
		h.t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inLaunch[acct.ID]--
	if p.refuse != nil {
		exit := *p.refuse
		exit.Kind, exit.At = panel.EndNotRun, time.Now()
		return evLaunched{}, &exit
	}
	h.runs[svc.ID] = &fakeRun{program: p, run: do.run, pid: pidOf(svc.ID, do.run), since: time.Now(),
		main: true, helper: p.strays}
	if p.lives != forever {
		time.AfterFunc(p.lives, func() { h.die(svc.ID, do.run, panel.Exit{Kind: panel.EndExited, Code: p.code}) })
	}
	return evLaunched{run: do.run, pid: pidOf(svc.ID, do.run), version: svc.Version, at: time.Now()}, nil
}

// enter notes that a launch begins.
func (h *fakeHost) enter(id panel.ServiceID, acct panel.AccountID, do doLaunch) program {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.runs[id]; r != nil && r.alive() != nil {
		h.t.Errorf("run %d of service %d is launched while run %d lives", do.run, id, r.run)
	}
	h.begun = append(h.begun, begun{id, do.run, time.Now(), do.cause})
	h.inLaunch[acct]++
	h.most[acct] = max(h.most[acct], h.inLaunch[acct])
	return h.program(id, do.run)
}

// stick makes launches and kills of a service hang from now on, until the function is called that it returns.
func (h *fakeHost) stick(id panel.ServiceID) (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan struct{})
	h.stuck[id] = c
	return sync.OnceFunc(func() { close(c) })
}

func (h *fakeHost) hang(id panel.ServiceID) {
	h.mu.Lock()
	c := h.stuck[id]
	h.mu.Unlock()
	if c != nil {
		<-c
	}
}

// die ends the main process.
func (h *fakeHost) die(id panel.ServiceID, run int, exit panel.Exit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.runs[id]
	if r == nil || r.run != run || !r.main || time.Since(r.since) < r.tough {
		return
	}
	exit.At = time.Now()
	r.main, r.exit = false, &exit
	h.tell(id, r)
}

// tell reports what is new of a run; the caller holds mu.
func (h *fakeHost) tell(id panel.ServiceID, r *fakeRun) {
	if r.exit != nil && r.watched && !r.told {
		r.told = true
		go h.notify(id, evExited{r.run, *r.exit})
	}
	if r.stopping {
		go h.notify(id, evInspected{r.run, r.alive()})
	}
}

func (r *fakeRun) alive() []int {
	var pids []int
	if r.main {
		pids = append(pids, r.pid)
	}
	if r.helper {
		pids = append(pids, r.pid+500)
	}
	return pids
}

func (h *fakeHost) watch(id panel.ServiceID, run int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.runs[id]; r != nil && r.run == run {
		r.watched = true
		h.tell(id, r)
	}
}

func (h *fakeHost) signal(id panel.ServiceID, run int, sig signalKind, _ bool) error {
	h.mu.Lock()
	r := h.runs[id]
	h.mu.Unlock()
	if r == nil || r.run != run {
		return panel.ErrGone
	}
	switch {
	case sig == sigHangup && r.hangup:
		h.die(id, run, panel.Exit{Kind: panel.EndSignaled, Signal: 1})
	case sig == sigTerminate && r.stops != forever:
		time.AfterFunc(r.stops, func() { h.die(id, run, panel.Exit{Kind: panel.EndSignaled, Signal: 15}) })
	}
	return nil
}

func (h *fakeHost) kill(_ context.Context, id panel.ServiceID, run int) error {
	h.hang(id)
	h.mu.Lock()
	if r := h.runs[id]; r != nil && r.run == run && time.Since(r.since) >= r.tough {
		r.helper = false
	}
	h.mu.Unlock()
	h.die(id, run, panel.Exit{Kind: panel.EndSignaled, Signal: 9})
	return nil
}

func (h *fakeHost) inspect(_ context.Context, id panel.ServiceID, run int, stop bool) ([]int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.runs[id]
	if r == nil || r.run != run {
		return nil, nil
	}
	r.stopping = r.stopping || stop
	return r.alive(), nil
}

func (h *fakeHost) end(_ context.Context, id panel.ServiceID, exit panel.Exit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.runs[id]; r != nil && r.run == exit.Run {
		delete(h.runs, id)
	}
}

func (h *fakeHost) check(ctx context.Context, svc panel.Service, _ panel.Account, limit time.Duration) panel.Check {
	lives := h.lives(svc.ID)
	h.mu.Lock()
	h.checked = append(h.checked, time.Now())
	h.checking++
	h.mostOfIt = max(h.mostOfIt, h.checking)
	h.mu.Unlock()
	c := panel.Check{Outcome: panel.CheckOK}
	if h.verdict != nil {
		c = h.verdict(svc, lives)
	}
	c.At = time.Now()
	select {
	case <-time.After(min(c.Took, limit)):
	case <-ctx.Done():
	}
	h.mu.Lock()
	h.checking--
	h.mu.Unlock()
	return c
}

// checks are the beginnings of all checks.
func (h *fakeHost) checks() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.checked)
}

// mostChecks is how many there were at one time.
func (h *fakeHost) mostChecks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mostOfIt
}

func (h *fakeHost) forgetChecks() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checked = nil
}

func (h *fakeHost) settle(panel.ServiceID)                          {}
func (h *fakeHost) tookOver(context.Context, []panel.Service) error { return nil }

func (h *fakeHost) forget(id panel.ServiceID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgot = append(h.forgot, id)
}

func (h *fakeHost) takeOver(_ context.Context, svc panel.Service, _ panel.Account, rec panel.Recovery) (event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	boot := evBoot{cause: panel.CauseBoot}
	r := h.runs[svc.ID]
	if !rec.Live {
		return boot, nil
	}
	if r == nil || r.alive() == nil {
		if boot.lost = h.lost[svc.ID]; boot.lost == nil {
			boot.lost = &panel.Exit{Kind: panel.EndUnknown, Host: true, At: time.Now()}
		}
		return boot, nil
	}
	r.watched, r.told, r.stopping = false, r.exit != nil, false
	return evAdopt{pid: r.pid, startedAt: rec.At, ended: r.exit}, nil
}

func (h *fakeHost) identity(panel.ServiceID) (panel.Identity, bool) { return panel.Identity{}, false }
func (h *fakeHost) trouble(panel.ServiceID) string                  { return "" }
func (h *fakeHost) state(int) string                                { return panel.WaitingForDisk }

func (h *fakeHost) run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-h.breaks:
		return err
	}
}

func (h *fakeHost) close() {}

// lives reports whether anything of a service is there.
func (h *fakeHost) lives(id panel.ServiceID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.runs[id]
	return r != nil && r.alive() != nil
}

// launches returns what was launched of a service.
func (h *fakeHost) launches(id panel.ServiceID) []begun {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.begun), func(b begun) bool { return b.service != id })
}

// memory is a Journal that lasts as long as the test.
type memory struct {
	mu       sync.Mutex
	services []panel.Service
	accounts map[panel.AccountID]panel.Account
	runs     map[panel.ServiceID]*panel.Recovery
	events   []panel.Event
	checks   map[panel.ServiceID][]panel.Check
}

func newMemory() *memory {
	return &memory{accounts: map[panel.AccountID]panel.Account{}, runs: map[panel.ServiceID]*panel.Recovery{},
		checks: map[panel.ServiceID][]panel.Check{}}
}

// declare adds a service of an account that is made when it is new.
func (m *memory) declare(acct panel.AccountID, wanted panel.Wanted) (panel.Service, panel.Account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := panel.ServiceID(len(m.services) + 1)
	svc := panel.Service{ID: id, Account: acct, Version: 1, Wanted: wanted, WantedSince: time.Now(),
		Definition: panel.Definition{Name: fmt.Sprintf("service-%d", id)}}
	m.services = append(m.services, svc)
	m.accounts[acct] = panel.Account{ID: acct, Name: fmt.Sprintf("account-%d", acct)}
	return svc, m.accounts[acct]
}

func (m *memory) AddCheck(_ context.Context, id panel.ServiceID, c panel.Check) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checks[id] = append(m.checks[id], c)
	return nil
}

func (m *memory) SavePace(_ context.Context, id panel.ServiceID, pace panel.Pace) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recovery(id).Pace = pace
	return nil
}

func (m *memory) BeginRun(_ context.Context, r panel.RunStart) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec := m.recovery(r.Service)
	rec.RunStart, rec.Live, rec.NextTry = r, true, time.Time{}
	return nil
}

func (m *memory) recovery(id panel.ServiceID) *panel.Recovery {
	if m.runs[id] == nil {
		m.runs[id] = &panel.Recovery{}
		m.runs[id].Service = id
	}
	return m.runs[id]
}

func (m *memory) EndRun(_ context.Context, id panel.ServiceID, exit panel.Exit, pace panel.Pace) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec := m.recovery(id)
	rec.Live, rec.LastExit, rec.Pace = false, &exit, pace
	return nil
}

func (m *memory) SetWanted(_ context.Context, id panel.ServiceID, w panel.Wanted, by panel.Actor, at time.Time, ev panel.Event) (panel.Service, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	svc := &m.services[id-1]
	svc.Wanted, svc.WantedBy, svc.WantedSince = w, by, at
	m.events = append(m.events, ev)
	return *svc, nil
}

func (m *memory) AddEvent(_ context.Context, ev panel.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, ev)
	return nil
}

func (m *memory) Recoveries(context.Context) ([]panel.Recovery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []panel.Recovery
	for _, rec := range m.runs {
		all = append(all, *rec)
	}
	return all, nil
}

func (m *memory) AllServices(context.Context) ([]panel.Service, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.services), nil
}

func (m *memory) AccountByID(_ context.Context, id panel.AccountID) (panel.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.accounts[id], nil
}

// wanted returns what is stored of a service.
func (m *memory) wanted(id panel.ServiceID) panel.Wanted {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.services[id-1].Wanted
}

// kinds returns the kinds of the events of a service, oldest first.
func (m *memory) kinds(id panel.ServiceID) []panel.EventKind {
	m.mu.Lock()
	defer m.mu.Unlock()
	var kinds []panel.EventKind
	for _, ev := range m.events {
		if ev.Service == id {
			kinds = append(kinds, ev.Kind)
		}
	}
	return kinds
}
