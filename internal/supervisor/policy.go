package supervisor

import (
	"slices"
	"time"

	"upkeep/internal/panel"
)

// maxHostDelay bounds the wait after a failure that is the host's: a process table that was full for six
// seconds is worth another look soon.
const maxHostDelay = 5 * time.Second

// lookAgain is how often what outlived a kill is killed again, and how long an inspection may stay unanswered
// before it is asked for once more.
const lookAgain = time.Second

// terminate begins the one way in which a run is stopped.
func (m *machine) terminate(next goal, now time.Time) []action {
	m.phase, m.goal = terminating, next
	m.deadline = now.Add(m.policy.StopTimeout)
	// The main process alone is asked first, so that it can stop its helpers in its own order; without it, or
	// through a shell, there is nobody to ask but everybody.
	m.allAsked = m.ended != nil
	return []action{
		doSignal{run: m.run, sig: sigTerminate, group: m.shell || m.ended != nil},
		doInspect{run: m.run, stop: true},
	}
}

// askAll asks what the main process left behind to end as well, also what a shell made while everybody was asked; the
// host asks nobody twice. Once is enough: the deadline does the rest.
func (m *machine) askAll() []action {
	if m.allAsked || m.phase != terminating {
		return nil
	}
	m.allAsked = true
	return []action{doSignal{run: m.run, sig: sigTerminate, group: true}}
}

// kill ends everything of the run, again and again until nothing is left.
func (m *machine) kill(_ event, now time.Time) []action {
	m.phase, m.deadline = killing, now.Add(lookAgain)
	return []action{doKill{m.run}, doInspect{run: m.run, stop: true}}
}

// wasAsked reports whether an exit at that time is the answer to somebody's request.
func (m *machine) wasAsked(at time.Time) bool {
	return m.phase == terminating || m.phase == killing || at.Before(m.askedUntil)
}

// completed is the exit of the run, now that nothing of it is left.
func (m *machine) completed() panel.Exit {
	ran := m.ended.Kind != panel.EndNotRun // what never ran was not stopped, either
	return m.judge(*m.ended, ran && !m.strayed && m.wasAsked(m.ended.At))
}

// judge completes what is known of an exit by what it means.
func (m *machine) judge(exit panel.Exit, asked bool) panel.Exit {
	exit.Run, exit.LeftForeground, exit.Asked = m.run, m.strayed, asked
	if !m.startedAt.IsZero() {
		exit.Uptime = max(exit.At.Sub(m.startedAt), 0)
	}
	exit.OutOfMemory = exit.OutOfMemory && !exit.Asked // a helper was killed for memory before
	exit.Clean = !exit.Asked && !m.strayed && exit.Kind == panel.EndExited && exit.Code == 0 &&
		exit.Uptime >= m.policy.StableAfter
	return exit
}

// over: the run has ended and nothing of it is left.
func (m *machine) over(exit panel.Exit, now time.Time) []action {
	exit.Run = m.run
	m.lastExit = &exit
	m.pid, m.ended, m.leftOver, m.deadline = 0, nil, nil, time.Time{}
	m.phase = resting
	asked := m.goal == goalLaunch || (m.goal == goalNext && exit.Asked)
	if !exit.Asked {
		m.settle(exit, now)
	}
	answer := m.answerFailed(&exit)
	end := func() action { return doEnd{exit, m.pace} }
	switch {
	case m.goal == goalForget:
		return append([]action{end()}, append(answer, doForget{})...)
	case m.wanted != panel.WantedOn || m.closing:
		return append(append([]action{end()}, answer...), m.probe()...)
	case asked && !m.isFailedAnswer(answer):
		by, cause := m.askedBy()
		return append([]action{end()}, m.launch(cause, by)...)
	case exit.Failure() && len(m.pace.Failures) >= m.policy.BudgetLimit:
		m.planTrial(now)
		actions := append([]action{end()}, answer...)
		return append(actions, m.disable(now)...)
	}
	return m.again(exit, end, answer, now)
}

func (m *machine) disable(now time.Time) []action {
	return m.want(panel.WantedDisabled, panel.EventDisabled, panel.Actor{Kind: panel.ActorRule}, now)
}

// spent reports whether the last exit has used up the failure budget, and nobody has decided anything since: the
// daemon before has died between that exit and the decision.
func (m *machine) spent(now time.Time) bool {
	if m.lastExit == nil || !m.lastExit.Failure() || m.lastExit.At.Before(m.since) {
		return false
	}
	m.forgetOldFailures(now)
	return len(m.pace.Failures) >= m.policy.BudgetLimit
}

// again starts the next run after the delay that the exit earns.
func (m *machine) again(exit panel.Exit, end func() action, answer []action, now time.Time) []action {
	delay := m.delay(exit)
	if delay > 0 {
		m.phase, m.deadline = waiting, now.Add(delay)
		m.pace.NextTry = m.deadline
		return append([]action{end()}, answer...)
	}
	actions := append([]action{end()}, answer...)
	return append(actions, m.launch(panel.CauseExit, panel.Actor{})...)
}

// answerFailed answers a request to restart whose new run has just ended.
func (m *machine) answerFailed(exit *panel.Exit) []action {
	if m.restart == nil || (!m.restart.started && m.restart.oldRun == m.run) {
		return nil
	}
	return m.answer(panel.Failed, exit)
}

func (m *machine) isFailedAnswer(answer []action) bool { return len(answer) > 0 }

// askedBy says who the next run is owed to.
func (m *machine) askedBy() (panel.Actor, panel.Cause) {
	if m.restart != nil {
		return m.restart.by, panel.CauseRestart
	}
	return panel.Actor{}, panel.CauseAsked
}

// settle puts an exit that nobody asked for on the account: failures of the window, and where the delays stand.
func (m *machine) settle(exit panel.Exit, now time.Time) {
	if exit.Uptime >= m.policy.StableAfter {
		m.pace.Tries, m.pace.Trials = 0, 0
	}
	m.forgetOldFailures(now)
	if exit.Failure() {
		m.pace.Failures = append(m.pace.Failures, exit.At)
	}
}

// forgetOldFailures drops what left the window.
func (m *machine) forgetOldFailures(now time.Time) {
	kept := m.pace.Failures[:0:0]
	for _, at := range m.pace.Failures {
		if now.Sub(at) < m.policy.BudgetWindow {
			kept = append(kept, at)
		}
	}
	m.pace.Failures = kept
}

// longestDelay is how long a service ever waits for its next try.
func (m *machine) longestDelay() time.Duration {
	if m.wanted == panel.WantedDisabled {
		return m.policy.Probation
	}
	return max(slices.Max(m.policy.Backoff)*time.Duration(100+m.policy.JitterPercent)/100, maxHostDelay)
}

// delay is how long to wait after an exit, and moves on to the next longer one.
func (m *machine) delay(exit panel.Exit) time.Duration {
	if exit.Clean {
		return 0
	}
	if exit.Host {
		if exit.Kind == panel.EndUnknown {
			return 0 // it ran until upkeep looked away
		}
		d := min(time.Second<<min(m.hostTries, 10), maxHostDelay)
		m.hostTries++
		return d
	}
	d := m.policy.Backoff[min(m.pace.Tries, len(m.policy.Backoff)-1)]
	m.pace.Tries++
	if d > 0 {
		d = m.jitter(d)
	}
	return d
}
