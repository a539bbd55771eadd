package supervisor

import (
	"time"

	"upkeep/internal/panel"
)

// step is one cell of the table: what an event does in a phase.
type step func(m *machine, e event, now time.Time) []action

// table holds every pair of phase and event. A pair that cannot mean anything any more is dropped by name, not
// by absence: a test fails on an empty cell.
var table [phases][kinds]step

func init() {
	table = [phases][kinds]step{
		resting: {
			kindOn: (*machine).turnOn, kindPause: (*machine).pauseAtRest, kindRestart: (*machine).refuseRestart,
			kindRemove: (*machine).forget, kindBoot: (*machine).boot, kindAdopt: (*machine).adopt,
			kindLaunched: drop, kindNotLaunched: drop, kindExited: drop, kindInspected: drop,
			kindDeadline: (*machine).trial, kindChecked: (*machine).checkedAtRest,
		},
		launching: {
			kindOn: (*machine).wantOn, kindPause: (*machine).pauseLater, kindRestart: (*machine).restartLaunching,
			kindRemove: (*machine).removeLater, kindBoot: drop, kindAdopt: drop,
			kindLaunched: (*machine).launched, kindNotLaunched: (*machine).notLaunched,
			kindExited: drop, kindInspected: drop, kindDeadline: drop, kindChecked: (*machine).checkedLate,
		},
		starting: {
			kindOn: (*machine).wantOn, kindPause: (*machine).pauseNow, kindRestart: (*machine).restartNow,
			kindRemove: (*machine).removeNow, kindBoot: drop, kindAdopt: drop,
			kindLaunched: drop, kindNotLaunched: drop, kindExited: (*machine).exited,
			kindInspected: (*machine).inspected, kindDeadline: (*machine).startPeriodOver,
			kindChecked: (*machine).checkedLate,
		},
		running: {
			kindOn: (*machine).wantOn, kindPause: (*machine).pauseNow, kindRestart: (*machine).restartNow,
			kindRemove: (*machine).removeNow, kindBoot: drop, kindAdopt: drop,
			kindLaunched: drop, kindNotLaunched: drop, kindExited: (*machine).exited,
			kindInspected: (*machine).inspected, kindDeadline: (*machine).runningOn,
			kindChecked: (*machine).checked,
		},
		waiting: {
			kindOn: (*machine).turnOn, kindPause: (*machine).pauseAtRest, kindRestart: (*machine).restartWaiting,
			kindRemove: (*machine).forget, kindBoot: drop, kindAdopt: drop,
			kindLaunched: drop, kindNotLaunched: drop, kindExited: drop, kindInspected: drop,
			kindDeadline: (*machine).retry, kindChecked: (*machine).checkedLate,
		},
		terminating: {
			kindOn: (*machine).turnOnAgain, kindPause: (*machine).pauseLater, kindRestart: (*machine).restartStopping,
			kindRemove: (*machine).removeLater, kindBoot: drop, kindAdopt: drop,
			kindLaunched: drop, kindNotLaunched: drop, kindExited: (*machine).exited,
			kindInspected: (*machine).inspectedStopping, kindDeadline: (*machine).kill,
			kindChecked: (*machine).checkedLate,
		},
		killing: {
			kindOn: (*machine).turnOnAgain, kindPause: (*machine).pauseLater, kindRestart: (*machine).restartStopping,
			kindRemove: (*machine).removeLater, kindBoot: drop, kindAdopt: drop,
			kindLaunched: drop, kindNotLaunched: drop, kindExited: (*machine).exited,
			kindInspected: (*machine).inspectedStopping, kindDeadline: (*machine).kill,
			kindChecked: (*machine).checkedLate,
		},
	}
}

// drop ignores an event that means nothing in the phase.
func drop(*machine, event, time.Time) []action { return nil }

// launch begins the next run.
func (m *machine) launch(cause panel.Cause, by panel.Actor) []action {
	m.phase, m.goal, m.deadline = launching, goalNext, time.Time{}
	m.run++
	m.pid, m.ended, m.strayed, m.leftOver, m.startedAt = 0, nil, false, nil, time.Time{}
	m.pace.NextTry, m.askedUntil = time.Time{}, time.Time{}
	m.monitorRun(time.Time{})
	return []action{doLaunch{run: m.run, cause: cause, by: by}}
}

// boot decides what to do with a service of which nothing lives.
func (m *machine) boot(e event, now time.Time) []action {
	ev := e.(evBoot)
	if ev.lost != nil {
		if ev.lost.Kind != panel.EndUnknown { // else its time is that of the look, not of the end
			m.startedAt = ev.startedAt
		}
		asked := m.wasAsked(ev.lost.At)
		if asked {
			ev.cause = panel.CauseRestart
		}
		return withCause(m.over(m.judge(*ev.lost, asked || m.wanted != panel.WantedOn), now), ev.cause)
	}
	if m.wanted != panel.WantedOn {
		return nil
	}
	if m.pace.NextTry.After(now) {
		m.phase, m.deadline = waiting, m.pace.NextTry
		return nil
	}
	if m.spent(now) {
		return m.disable(now)
	}
	return m.launch(ev.cause, ev.by)
}

// withCause says why a run is started that follows one which ended unseen.
func withCause(actions []action, cause panel.Cause) []action {
	for i, a := range actions {
		if launch, ok := a.(doLaunch); ok {
			launch.cause = cause
			actions[i] = launch
		}
	}
	return actions
}

// adopt continues with a run that outlived the upkeep before.
func (m *machine) adopt(e event, now time.Time) []action {
	ev := e.(evAdopt)
	m.phase, m.pid, m.startedAt = running, ev.pid, ev.startedAt
	m.monitorRun(later(m.startedAt.Add(m.policy.CheckGrace), now.Add(m.monitor.offset)))
	actions := []action{doRecord{panel.Event{Kind: panel.EventAdopted, Run: m.run, PID: m.pid, At: now}}}
	switch {
	case m.wanted != panel.WantedOn: // the stop that was under way goes on, and its end was asked for
		m.ended = ev.ended
		actions = append(actions, m.terminate(goalRest, now)...)
	case ev.ended != nil:
		actions = append(actions, m.exited(evExited{m.run, *ev.ended}, now)...)
	}
	return actions
}

// launched: the program was executed. What people asked meanwhile is done now.
func (m *machine) launched(e event, now time.Time) []action {
	ev := e.(evLaunched)
	m.phase, m.pid, m.shell, m.version, m.startedAt = starting, ev.pid, ev.shell, ev.version, ev.at
	m.hostTries = 0
	m.monitorRun(ev.at.Add(m.policy.CheckGrace))
	m.deadline = ev.at.Add(m.policy.StartPeriod)
	if m.restart != nil {
		m.restart.after = ev.at.Sub(m.restart.at)
	}
	actions := []action{doRecord{panel.Event{Kind: panel.EventStarted, Run: m.run, PID: m.pid, At: ev.at}}}
	if m.goal != goalNext {
		actions = append(actions, m.terminate(m.goal, now)...)
	}
	return actions
}

// notLaunched: no program was executed, so nothing is left to stop; unless the process that should have become it
// hangs, and has to go first.
func (m *machine) notLaunched(e event, now time.Time) []action {
	ev := e.(evNotLaunched)
	if ev.pid == 0 {
		return m.over(ev.exit, now)
	}
	m.pid, m.ended = ev.pid, &ev.exit
	return m.kill(nil, now)
}

// startPeriodOver: the program stayed; from now on it runs.
func (m *machine) startPeriodOver(_ event, now time.Time) []action {
	if m.ended != nil {
		return m.inspectAgain(now)
	}
	var actions []action
	if !m.deadline.IsZero() && !now.Before(m.deadline) {
		m.phase, m.deadline = running, time.Time{}
		if m.restart != nil && (m.restart.started || m.restart.oldRun != m.run) {
			actions = m.answer(m.success(), nil)
		}
	}
	return append(actions, m.restartWaitOver(nil, now)...)
}

// runningOn: a restart is to be answered, or a check is due.
func (m *machine) runningOn(_ event, now time.Time) []action {
	return append(m.restartWaitOver(nil, now), m.dueCheck(now)...)
}

// success is the word for a restart that led to the run that lives.
func (m *machine) success() panel.RestartResult {
	if m.restart.started {
		return panel.Started
	}
	return panel.Replaced
}

// restartWaitOver: the process is still there after SIGHUP.
func (m *machine) restartWaitOver(_ event, now time.Time) []action {
	if m.ended != nil {
		return m.inspectAgain(now)
	}
	if !m.watchesHangup() || now.Before(m.restart.at.Add(m.policy.RestartWait)) {
		return nil
	}
	m.restart.after = now.Sub(m.restart.at)
	return m.answer(panel.Reloaded, nil)
}

// answer ends the request to restart, if there is one.
func (m *machine) answer(result panel.RestartResult, exit *panel.Exit) []action {
	r := m.restart
	if r == nil {
		return nil
	}
	m.restart = nil
	out := panel.RestartOutcome{Result: result, Hard: r.hard, OldPID: r.oldPID, PID: m.pid, Run: m.run,
		After: r.after, Exit: exit}
	if result == panel.Failed || result == panel.Superseded {
		out.PID = 0
	}
	return []action{doOutcome{out, r.by}}
}

// retry: the delay after a failure is over.
func (m *machine) retry(event, time.Time) []action {
	return m.launch(panel.CauseExit, panel.Actor{})
}

// exited: the main process ended. Nothing else happens before it is known what is left of the run.
func (m *machine) exited(e event, now time.Time) []action {
	exit := e.(evExited).exit
	if m.ended != nil {
		return nil
	}
	m.ended = &exit
	if m.phase == terminating || m.phase == killing {
		return []action{doInspect{run: m.run, stop: true}}
	}
	return m.inspectAgain(now)
}

// inspectAgain asks what is left of a run whose main process ended by itself, and will ask again should the
// answer stay away.
func (m *machine) inspectAgain(now time.Time) []action {
	m.deadline = now.Add(lookAgain)
	return []action{doInspect{run: m.run}}
}

// inspected: what is left of a run whose main process ended.
func (m *machine) inspected(e event, now time.Time) []action {
	if m.ended == nil {
		return nil
	}
	if len(e.(evInspected).alive) == 0 {
		return m.over(m.completed(), now)
	}
	m.strayed = !m.wasAsked(m.ended.At)
	next := goalNext
	if !m.strayed {
		next = goalLaunch
	}
	return m.terminate(next, now)
}

// inspectedStopping: what is left of a run that is being stopped.
func (m *machine) inspectedStopping(e event, now time.Time) []action {
	alive := e.(evInspected).alive
	if m.phase == killing {
		m.leftOver = alive
	}
	if m.ended == nil {
		return nil
	}
	if len(alive) == 0 {
		return m.over(m.completed(), now)
	}
	return m.askAll()
}
