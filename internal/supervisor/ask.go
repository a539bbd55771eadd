package supervisor

import (
	"time"

	"upkeep/internal/panel"
)

// want changes what is wanted and says so in the history.
func (m *machine) want(w panel.Wanted, kind panel.EventKind, by panel.Actor, now time.Time) []action {
	if m.wanted == w && kind != panel.EventStartNow {
		return nil
	}
	m.wanted = w
	ev := panel.Event{Kind: kind, By: by, At: now}
	if kind == panel.EventStartNow {
		return []action{doRecord{ev}}
	}
	if kind == panel.EventDisabled {
		ev.Exit = m.lastExit
	}
	return []action{doWanted{w, ev}}
}

// turnOn starts a service that is paused, disabled, or waits for its next try.
func (m *machine) turnOn(e event, now time.Time) []action {
	kind := panel.EventResumed
	switch m.wanted {
	case panel.WantedDisabled:
		kind = panel.EventEnabled
		m.pace.Failures, m.pace.Tries, m.pace.Trials = nil, 0, 0 // a person looked at it: a full budget again
	case panel.WantedOn:
		kind = panel.EventStartNow
	}
	by := e.(evOn).by
	return append(m.want(panel.WantedOn, kind, by, now), m.launch(panel.CauseAsked, by)...)
}

// wantOn: it runs already; a pause that waits for the launch is taken back.
func (m *machine) wantOn(e event, now time.Time) []action {
	if m.goal == goalRest {
		m.goal = goalNext
	}
	return m.want(panel.WantedOn, panel.EventResumed, e.(evOn).by, now)
}

// turnOnAgain: it is being stopped and shall run again afterwards.
func (m *machine) turnOnAgain(e event, now time.Time) []action {
	if m.goal == goalForget {
		return nil
	}
	m.goal = goalLaunch
	return m.want(panel.WantedOn, panel.EventResumed, e.(evOn).by, now)
}

// pauseAtRest pauses a service of which nothing lives.
func (m *machine) pauseAtRest(e event, now time.Time) []action {
	m.phase, m.deadline, m.pace.NextTry = resting, time.Time{}, time.Time{}
	return m.want(panel.WantedPaused, panel.EventPaused, e.(evPause).by, now)
}

// pauseLater: the launch, or the stop, that is under way goes on first.
func (m *machine) pauseLater(e event, now time.Time) []action {
	if m.goal == goalForget {
		return nil
	}
	m.goal = goalRest
	actions := m.want(panel.WantedPaused, panel.EventPaused, e.(evPause).by, now)
	return append(actions, m.answer(panel.Superseded, nil)...)
}

func (m *machine) pauseNow(e event, now time.Time) []action {
	actions := m.want(panel.WantedPaused, panel.EventPaused, e.(evPause).by, now)
	actions = append(actions, m.answer(panel.Superseded, nil)...)
	return append(actions, m.terminate(goalRest, now)...)
}

func (m *machine) forget(event, time.Time) []action {
	m.phase, m.goal, m.deadline = resting, goalForget, time.Time{}
	return []action{doForget{}}
}

func (m *machine) removeLater(event, time.Time) []action {
	m.goal = goalForget
	return m.answer(panel.Superseded, nil)
}

func (m *machine) removeNow(_ event, now time.Time) []action {
	return append(m.answer(panel.Superseded, nil), m.terminate(goalForget, now)...)
}

// refuseRestart: what is paused or disabled is not restarted by accident.
func (m *machine) refuseRestart(event, time.Time) []action {
	return []action{doRefuse{panel.ErrConflict}}
}

// ask notes the request to restart.
func (m *machine) ask(e event, now time.Time) []action {
	ev := e.(evRestart)
	m.restart = &restart{hard: ev.hard, at: now, by: ev.by, oldRun: m.run, oldPID: m.pid}
	detail := ""
	if ev.hard {
		detail = "hard"
	}
	return []action{doRecord{panel.Event{Kind: panel.EventRestartAsk, By: ev.by, At: now, Run: m.run, Detail: detail}}}
}

// restartWaiting: nothing lives, so the next try is made at once.
func (m *machine) restartWaiting(e event, now time.Time) []action {
	actions := m.ask(e, now)
	m.restart.started = true
	return append(actions, m.launch(panel.CauseRestart, e.(evRestart).by)...)
}

// restartLaunching: the run that is being started is the answer.
func (m *machine) restartLaunching(e event, now time.Time) []action {
	switch {
	case m.restart != nil:
		return []action{doRefuse{panel.ErrBusy}}
	case m.goal != goalNext:
		return []action{doRefuse{panel.ErrConflict}}
	}
	actions := m.ask(e, now)
	m.restart.started = true
	return actions
}

// restartNow restarts a program that lives.
func (m *machine) restartNow(e event, now time.Time) []action {
	if m.restart != nil {
		return []action{doRefuse{panel.ErrBusy}}
	}
	actions := m.ask(e, now)
	if m.restart.hard {
		return append(actions, m.terminate(goalLaunch, now)...)
	}
	m.askedUntil = now.Add(m.policy.RestartWait + m.policy.StopTimeout)
	return append(actions, doSignal{run: m.run, sig: sigHangup, group: m.shell})
}

// restartStopping: what is left of a run is being stopped anyway.
func (m *machine) restartStopping(e event, now time.Time) []action {
	switch {
	case m.restart != nil:
		return []action{doRefuse{panel.ErrBusy}}
	case m.goal == goalRest || m.goal == goalForget:
		return []action{doRefuse{panel.ErrConflict}}
	}
	m.goal = goalLaunch
	return m.ask(e, now)
}

// shutDown stops what lives because all of upkeep is being stopped. What is wanted stays as it is, so that the
// next upkeep starts it again.
func (m *machine) shutDown(now time.Time) []action {
	m.closing = true
	actions := m.answer(panel.Superseded, nil)
	switch m.phase {
	case waiting: // the time of the next try stays stored
		m.phase, m.deadline = resting, time.Time{}
	case starting, running:
		actions = append(actions, m.terminate(goalRest, now)...)
	case launching, terminating, killing:
		if m.goal != goalForget {
			m.goal = goalRest
		}
	}
	return actions
}
