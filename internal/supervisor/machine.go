package supervisor

import (
	"time"

	"upkeep/internal/panel"
)

// phase is where a machine stands. It is finer than panel.State, which is what people see.
type phase int

const (
	resting     phase = iota // nothing lives and nothing is waited for: paused, disabled, or not booted yet
	launching                // a worker is starting the run
	starting                 // the program was executed and is within its start period
	running                  // it outlived the start period
	waiting                  // no run lives; the next start is due at pace.NextTry
	terminating              // SIGTERM was sent; everything left is killed at the deadline
	killing                  // everything was killed; the group has to become empty
	phases                   // how many there are
)

// goal is what follows once nothing of the run is left.
type goal int

const (
	goalNext   goal = iota // whatever the restart policy says of the exit
	goalLaunch             // the next run at once: a restart, or a person changed their mind
	goalRest               // nothing: paused
	goalForget             // the service is being deleted
)

// machine is the state machine of one service. It is pure: it does no I/O and has no clock, and every change
// goes through on.
type machine struct {
	policy *panel.Policy // the host's, or one of the service's own; never changed
	jitter func(time.Duration) time.Duration

	wanted panel.Wanted
	phase  phase
	goal   goal
	since  time.Time // of the visible state

	run       int // number of the latest run
	pid       int // main process; kept until the run is over
	shell     bool
	version   int
	startedAt time.Time   // of the execution
	ended     *panel.Exit // the main process's end, while others of its run may live
	strayed   bool        // others outlived the main process, unasked
	allAsked  bool        // every process of the run was sent SIGTERM

	pace      panel.Pace
	hostTries int // consecutive starts that failed by the host's fault
	lastExit  *panel.Exit

	monitor monitor

	restart    *restart  // asked and not answered yet
	askedUntil time.Time // an exit before this answers a SIGHUP that was sent earlier

	closing bool // all of upkeep is being stopped: start nothing any more

	deadline time.Time // of the phase; zero for none
	leftOver []int     // seen after a kill
}

// restart is a request to restart whose outcome is awaited.
type restart struct {
	hard    bool
	at      time.Time
	oldPID  int
	oldRun  int
	started bool // nothing lived when it was asked
	after   time.Duration
	by      panel.Actor
}

// action is something the machine wants done. Actions of one event are carried out in their order, after those
// of every earlier event of the same service.
type action any

type (
	doLaunch struct {
		run   int
		cause panel.Cause
		by    panel.Actor
	}
	// doSignal sends to the main process, or to every process of the run when group is set.
	doSignal struct {
		run   int
		sig   signalKind
		group bool
	}
	doKill    struct{ run int }
	doInspect struct {
		run  int
		stop bool // the group is being stopped: tell when it becomes empty
	}
	doEnd struct { // the run is over: record it and let go of what belongs to it
		exit panel.Exit
		pace panel.Pace
	}
	doWanted struct {
		wanted panel.Wanted
		event  panel.Event
	}
	doRecord  struct{ event panel.Event }
	doOutcome struct {
		outcome panel.RestartOutcome
		by      panel.Actor
	}
	doRefuse struct{ err error }
	doForget struct{}
	// doCatchUp is the loop's own: write what could not be written before.
	doCatchUp struct{}
)

// signalKind is one of the three that the machine sends.
type signalKind int

const (
	sigHangup    signalKind = iota
	sigTerminate            // SIGTERM, then SIGCONT so that a stopped process can act on it
)

// newMachine returns the machine of a service that has nothing running yet.
func newMachine(policy *panel.Policy, jitter func(time.Duration) time.Duration, wanted panel.Wanted, since time.Time) *machine {
	return &machine{policy: policy, jitter: jitter, wanted: wanted, since: since}
}

// restore continues where rec left off. It is called before the first event.
//
// Stored times are of a wall clock that may have been wrong then, or set since. So they are tied to the clock of
// this process, which nobody sets, and none is believed that would let a service wait for longer than the policy
// does, or be disabled by failures that have not happened yet.
func (m *machine) restore(rec panel.Recovery, now time.Time) {
	m.run, m.version, m.shell = rec.Number, rec.Version, rec.Shell
	m.lastExit = rec.LastExit
	m.pace = panel.Pace{Tries: rec.Tries, Trials: rec.Trials}
	for _, at := range rec.Failures {
		if !at.After(now) {
			m.pace.Failures = append(m.pace.Failures, tied(at, now))
		}
	}
	if !rec.NextTry.IsZero() {
		m.pace.NextTry = earlier(tied(rec.NextTry, now), now.Add(m.longestDelay()))
	}
	if rec.Live && !rec.RestartAsked.IsZero() {
		m.askedUntil = tied(rec.RestartAsked, now).Add(m.policy.RestartWait + m.policy.StopTimeout)
	}
}

// tied is the same time as t by the wall clock of now, told by the monotonic clock of now.
func tied(t, now time.Time) time.Time { return now.Add(t.Sub(now)) }

// state is the visible state.
func (m *machine) state() panel.State {
	switch m.phase {
	case launching, starting:
		return panel.Starting
	case running:
		if m.monitor.sick {
			return panel.Unhealthy
		}
		return panel.Running
	case waiting:
		return panel.Backoff
	case terminating, killing:
		return panel.Stopping
	}
	if m.wanted == panel.WantedDisabled {
		return panel.Disabled
	}
	return panel.Paused
}

// next is when on wants an evDeadline; zero for never.
func (m *machine) next() time.Time {
	at := m.deadline
	if m.ended == nil && m.watchesHangup() {
		at = earlier(at, m.restart.at.Add(m.policy.RestartWait))
	}
	if check := m.nextCheck(); !check.IsZero() {
		at = earlier(at, check)
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// watchesHangup reports whether a SIGHUP was sent to the run that lives and its effect is awaited.
func (m *machine) watchesHangup() bool {
	return m.restart != nil && !m.restart.started && !m.restart.hard && m.restart.oldRun == m.run &&
		(m.phase == starting || m.phase == running)
}

// on takes one event and says what to do. An event of another run than the latest is dropped: whatever it
// reports is over.
func (m *machine) on(e event, now time.Time) []action {
	if n, ok := e.(ofRun); ok && n.number() != m.run {
		return nil
	}
	before := m.state()
	actions := table[m.phase][e.kind()](m, e, now)
	if m.phase == resting {
		m.rest()
	}
	if m.state() != before {
		m.since = now
	}
	if adopted, ok := e.(evAdopt); ok && m.phase == running {
		m.since = adopted.startedAt // it never stopped running
	}
	return actions
}

// status is a copy of what can be seen from outside.
func (m *machine) status() panel.Status {
	s := panel.Status{
		State: m.state(), Since: m.since, Run: m.run, LastExit: m.lastExit,
		Failures: len(m.pace.Failures), Limit: m.policy.BudgetLimit, Window: m.policy.BudgetWindow,
		Restarting: m.restart != nil,
		Check:      m.monitor.last, Failing: m.monitor.failing, Tolerated: m.policy.CheckFailures,
		NextCheck: m.nextCheck(), Useless: m.monitor.useless,
	}
	for _, pid := range m.leftOver {
		s.LeftOver = append(s.LeftOver, panel.Remnant{PID: pid})
	}
	if m.live() {
		s.PID, s.StartedAt, s.Version, s.Shell = m.pid, m.startedAt, m.version, m.shell
	}
	if m.ended != nil {
		s.PID = 0
	}
	switch m.phase {
	case waiting, resting:
		s.NextTry = m.pace.NextTry
	case terminating:
		s.KillAt = m.deadline
	}
	return s
}

// live reports whether a program of the run was executed and something of it may be there.
func (m *machine) live() bool {
	return m.phase == starting || m.phase == running || m.phase == terminating || m.phase == killing
}
