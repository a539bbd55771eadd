package supervisor

import (
	"time"

	"upkeep/internal/panel"
)

// monitor is what a machine knows of its service's monitoring command.
type monitor struct {
	wanted  bool          // there is a command
	offset  time.Duration // of the first check after a take-over, so that those of many services are spread
	due     time.Time     // of the next check; zero before the run has its first one planned
	under   bool          // a check is under way
	last    *panel.Check
	failing int  // checks in a row
	sick    bool // the latest ones failed
	insist  bool // the run was restarted for it and is still the same: the next time, stop it first
	useless bool // it succeeded while the service was stopped
	probed  bool // whether it does was tried
}

// doCheck runs the monitoring command. It is not one of the batch that a worker carries out: it may take long.
type doCheck struct {
	run   int
	limit time.Duration
	probe bool // the service is stopped; the check should fail
}

// doKeepCheck stores a result, and where the service stands between failures.
type doKeepCheck struct {
	check panel.Check
	pace  *panel.Pace // nil: unchanged
}

// evChecked: the monitoring command has ended, or could not be run.
type evChecked struct {
	run   int
	probe bool
	check panel.Check
}

func (evChecked) kind() eventKind { return kindChecked }
func (e evChecked) number() int   { return e.run }

// configure tells the machine what the definition says: at the beginning, and after an edit.
func (m *machine) configure(policy *panel.Policy, monitored bool, offset float64, now time.Time) {
	m.policy = policy
	m.monitor.wanted, m.monitor.probed, m.monitor.useless = monitored, false, false
	m.monitor.offset = time.Duration(offset * float64(policy.CheckInterval))
	if !monitored {
		m.monitor = monitor{under: m.monitor.under}
		return
	}
	if m.phase == running {
		m.monitor.due = later(m.startedAt.Add(policy.CheckGrace), now)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// monitorRun plans the first check of a run.
func (m *machine) monitorRun(at time.Time) {
	m.monitor.due, m.monitor.last = at, nil
	m.monitor.failing, m.monitor.sick, m.monitor.insist = 0, false, false
}

// nextCheck is when a check is due; zero for never.
func (m *machine) nextCheck() time.Time {
	if m.phase != running || m.ended != nil || !m.monitor.wanted || m.monitor.under {
		return time.Time{}
	}
	return m.monitor.due
}

// dueCheck begins a check whose time has come. While a restart is under way nothing is known of the program that
// counts, so the check comes afterwards.
func (m *machine) dueCheck(now time.Time) []action {
	due := m.nextCheck()
	if due.IsZero() || now.Before(due) {
		return nil
	}
	if m.restart != nil {
		m.monitor.due = now.Add(m.policy.RestartWait)
		return nil
	}
	m.monitor.under = true
	return []action{doCheck{run: m.run, limit: m.policy.CheckTimeout}}
}

// checked takes a result.
func (m *machine) checked(e event, now time.Time) []action {
	ev := e.(evChecked)
	m.monitor.under = false
	if ev.probe || m.ended != nil || !m.monitor.wanted {
		return nil
	}
	m.monitor.last, m.monitor.due = &ev.check, now.Add(m.policy.CheckInterval)
	keep := doKeepCheck{check: ev.check}
	switch ev.check.Outcome {
	case panel.CheckOK:
		healed := m.monitor.sick
		m.monitor.failing, m.monitor.sick, m.monitor.insist = 0, false, false
		if healed {
			return []action{keep, m.monitored(panel.EventHealthy, ev.check, now)}
		}
		return []action{keep}
	case panel.CheckNotRun:
		return []action{keep}
	}
	m.monitor.failing++
	var actions []action
	if !m.monitor.sick {
		m.monitor.sick = true
		actions = append(actions, m.monitored(panel.EventUnhealthy, ev.check, now))
	}
	if m.restart == nil && (m.monitor.insist || m.monitor.failing >= m.policy.CheckFailures) {
		actions = append(actions, m.restartSick(now)...)
		pace := m.pace
		keep.pace = &pace
	}
	return append([]action{keep}, actions...)
}

// monitored is an entry of the history.
func (m *machine) monitored(kind panel.EventKind, c panel.Check, now time.Time) action {
	return doRecord{panel.Event{Kind: kind, By: panel.Actor{Kind: panel.ActorMonitoring}, At: now, Run: m.run,
		Detail: c.Words()}}
}

// restartSick restarts a run whose monitoring command fails. That counts as a failure, so that a service which is
// never well is disabled like one that never stays.
func (m *machine) restartSick(now time.Time) []action {
	by := panel.Actor{Kind: panel.ActorMonitoring}
	m.forgetOldFailures(now)
	m.pace.Failures = append(m.pace.Failures, now)
	if len(m.pace.Failures) >= m.policy.BudgetLimit {
		m.planTrial(now)
		actions := m.want(panel.WantedDisabled, panel.EventDisabled, panel.Actor{Kind: panel.ActorRule}, now)
		return append(actions, m.terminate(goalRest, now)...)
	}
	hard := m.monitor.insist
	m.monitor.insist = true // should the same process be there afterwards
	return m.restartNow(evRestart{by: by, hard: hard}, now)
}

// checkedAtRest takes a result that came after the service was stopped. A check that was made then and says that all
// is well tells nothing, ever.
func (m *machine) checkedAtRest(e event, now time.Time) []action {
	ev := e.(evChecked)
	m.monitor.under = false
	if !ev.probe || ev.check.Outcome != panel.CheckOK || !m.monitor.wanted {
		return nil
	}
	m.monitor.useless = true
	return []action{m.monitored(panel.EventUseless, ev.check, now)}
}

// checkedLate takes a result that means nothing any more.
func (m *machine) checkedLate(event, time.Time) []action {
	m.monitor.under = false
	return nil
}

// probe runs the check once for each definition while the service is stopped.
func (m *machine) probe() []action {
	if m.phase != resting || !m.monitor.wanted || m.monitor.probed || m.monitor.under || m.closing ||
		m.goal == goalForget {
		return nil
	}
	m.monitor.probed, m.monitor.under = true, true
	return []action{doCheck{run: m.run, limit: m.policy.CheckTimeout, probe: true}}
}

// planTrial notes when a service that is being disabled is tried again, if ever.
func (m *machine) planTrial(now time.Time) {
	m.pace.NextTry = time.Time{}
	if m.policy.Probation > 0 && m.pace.Trials < panel.MaxProbationTries {
		m.pace.NextTry = now.Add(m.policy.Probation)
	}
}

// rest waits for the trial of a disabled service, if there is to be one.
func (m *machine) rest() {
	m.deadline = time.Time{}
	if m.phase == resting && m.wanted == panel.WantedDisabled && m.policy.Probation > 0 && !m.closing {
		m.deadline = m.pace.NextTry
	}
}

// trial enables a disabled service with a budget of one failure.
func (m *machine) trial(_ event, now time.Time) []action {
	if m.wanted != panel.WantedDisabled || m.deadline.IsZero() || now.Before(m.deadline) {
		return nil
	}
	m.pace.Trials++
	m.pace.Failures = m.pace.Failures[:0:0]
	for range m.policy.BudgetLimit - 1 {
		m.pace.Failures = append(m.pace.Failures, now)
	}
	actions := m.want(panel.WantedOn, panel.EventEnabled, panel.Actor{Kind: panel.ActorRule}, now)
	return append(actions, m.launch(panel.CauseTrial, panel.Actor{Kind: panel.ActorRule})...)
}
