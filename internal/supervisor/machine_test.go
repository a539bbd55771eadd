package supervisor

import (
	"fmt"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// epoch is when every test begins.
var epoch = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func hostPolicy() *panel.Policy {
	p := panel.DefaultPolicy()
	return &p
}

func sameDelay(d time.Duration) time.Duration { return d }

// at returns a machine that stands in the given phase, as run 7 where that makes sense.
func at(p phase) *machine {
	m := newMachine(hostPolicy(), sameDelay, panel.WantedOn, epoch)
	m.configure(m.policy, true, 0, epoch)
	m.monitor.due = epoch.Add(time.Hour)
	m.phase, m.run, m.pid, m.startedAt = p, 7, 4242, epoch
	switch p {
	case resting:
		m.wanted, m.pid = panel.WantedPaused, 0
	case launching:
		m.pid, m.startedAt = 0, time.Time{}
	case waiting:
		m.pid, m.deadline = 0, epoch.Add(4*time.Second)
		m.pace.NextTry = m.deadline
	case starting:
		m.deadline = epoch.Add(time.Second)
	case terminating, killing:
		m.deadline = epoch.Add(10 * time.Second)
	}
	return m
}

func exitedWith(code int, at time.Time) evExited {
	return evExited{7, panel.Exit{Kind: panel.EndExited, Code: code, At: at}}
}

// words writes actions down, one word each, so that a table can compare them.
func words(actions []action) []string {
	var out []string
	for _, a := range actions {
		switch a := a.(type) {
		case doLaunch:
			out = append(out, fmt.Sprintf("launch %d %s", a.run, a.cause))
		case doSignal:
			name := map[signalKind]string{sigHangup: "HUP", sigTerminate: "TERM"}[a.sig]
			if a.group {
				name += " group"
			}
			out = append(out, name)
		case doKill:
			out = append(out, "kill")
		case doInspect:
			out = append(out, "inspect")
		case doEnd:
			out = append(out, "end "+string(a.exit.Kind))
		case doWanted:
			out = append(out, "want "+string(a.wanted)+" "+string(a.event.Kind))
		case doRecord:
			out = append(out, "record "+string(a.event.Kind))
		case doOutcome:
			out = append(out, "outcome "+string(a.outcome.Result))
		case doRefuse:
			out = append(out, "refuse "+a.err.Error())
		case doForget:
			out = append(out, "forget")
		case doCheck:
			out = append(out, map[bool]string{false: "check", true: "probe"}[a.probe])
		case doKeepCheck:
			out = append(out, "checked "+string(a.check.Outcome))
		}
	}
	return out
}

var phaseNames = [phases]string{"resting", "launching", "starting", "running", "waiting", "terminating", "killing"}

// TestEveryPair holds every pair of phase and event against what has to happen.
func TestEveryPair(t *testing.T) {
	person := panel.Actor{Kind: panel.ActorPerson, User: 1, Name: "ann@example.org"}
	type want struct {
		phase   phase
		actions []string
	}
	none := func(p phase) want { return want{phase: p} }
	events := []struct {
		name  string
		event event
		now   time.Duration // since epoch
		want  [phases]want
	}{
		{"on", evOn{person}, 2 * time.Second, [phases]want{
			resting:     {launching, []string{"want on resumed", "launch 8 asked"}},
			launching:   none(launching),
			starting:    none(starting),
			running:     none(running),
			waiting:     {launching, []string{"record start-now", "launch 8 asked"}},
			terminating: none(terminating),
			killing:     none(killing),
		}},
		{"pause", evPause{person}, 2 * time.Second, [phases]want{
			resting:     none(resting),
			launching:   {launching, []string{"want paused paused"}},
			starting:    {terminating, []string{"want paused paused", "TERM", "inspect"}},
			running:     {terminating, []string{"want paused paused", "TERM", "inspect"}},
			waiting:     {resting, []string{"want paused paused"}},
			terminating: {terminating, []string{"want paused paused"}},
			killing:     {killing, []string{"want paused paused"}},
		}},
		{"restart", evRestart{by: person}, 2 * time.Second, [phases]want{
			resting:     {resting, []string{"refuse conflict"}},
			launching:   {launching, []string{"record restart"}},
			starting:    {starting, []string{"record restart", "HUP"}},
			running:     {running, []string{"record restart", "HUP"}},
			waiting:     {launching, []string{"record restart", "launch 8 restart"}},
			terminating: {terminating, []string{"record restart"}},
			killing:     {killing, []string{"record restart"}},
		}},
		{"restart hard", evRestart{by: person, hard: true}, 2 * time.Second, [phases]want{
			resting:     {resting, []string{"refuse conflict"}},
			launching:   {launching, []string{"record restart"}},
			starting:    {terminating, []string{"record restart", "TERM", "inspect"}},
			running:     {terminating, []string{"record restart", "TERM", "inspect"}},
			waiting:     {launching, []string{"record restart", "launch 8 restart"}},
			terminating: {terminating, []string{"record restart"}},
			killing:     {killing, []string{"record restart"}},
		}},
		{"remove", evRemove{}, 2 * time.Second, [phases]want{
			resting:     {resting, []string{"forget"}},
			launching:   none(launching),
			starting:    {terminating, []string{"TERM", "inspect"}},
			running:     {terminating, []string{"TERM", "inspect"}},
			waiting:     {resting, []string{"forget"}},
			terminating: none(terminating),
			killing:     none(killing),
		}},
		{"boot", evBoot{cause: panel.CauseBoot}, 2 * time.Second, [phases]want{
			resting: none(resting), launching: none(launching), starting: none(starting), running: none(running),
			waiting: none(waiting), terminating: none(terminating), killing: none(killing),
		}},
		{"adopt", evAdopt{pid: 99, startedAt: epoch}, 2 * time.Second, [phases]want{
			// Paused while upkeep was away, so it is stopped.
			resting:   {terminating, []string{"record adopted", "TERM", "inspect"}},
			launching: none(launching), starting: none(starting), running: none(running),
			waiting: none(waiting), terminating: none(terminating), killing: none(killing),
		}},
		{"launched", evLaunched{run: 7, pid: 99, at: epoch}, 0, [phases]want{
			resting:   none(resting),
			launching: {starting, []string{"record started"}},
			starting:  none(starting), running: none(running), waiting: none(waiting),
			terminating: none(terminating), killing: none(killing),
		}},
		{"not launched", evNotLaunched{run: 7, exit: panel.Exit{Kind: panel.EndNotRun, At: epoch}}, 0, [phases]want{
			resting:   none(resting),
			launching: {launching, []string{"end not-run", "launch 8 exit"}},
			starting:  none(starting), running: none(running), waiting: none(waiting),
			terminating: none(terminating), killing: none(killing),
		}},
		{"exited", exitedWith(1, epoch), 0, [phases]want{
			resting: none(resting), launching: none(launching),
			starting: {starting, []string{"inspect"}}, running: {running, []string{"inspect"}},
			waiting:     none(waiting),
			terminating: {terminating, []string{"inspect"}}, killing: {killing, []string{"inspect"}},
		}},
		{"inspected, alive", evInspected{7, []int{1}}, 0, [phases]want{
			resting: none(resting), launching: none(launching), starting: none(starting), running: none(running),
			waiting: none(waiting), terminating: none(terminating), killing: none(killing),
		}},
		{"deadline", evDeadline{}, time.Minute, [phases]want{
			resting: none(resting), launching: none(launching),
			starting:    none(running),
			running:     none(running),
			waiting:     {launching, []string{"launch 8 exit"}},
			terminating: {killing, []string{"kill", "inspect"}},
			killing:     {killing, []string{"kill", "inspect"}},
		}},
		{"checked", evChecked{run: 7, check: panel.Check{Outcome: panel.CheckFailed, Code: 1}}, time.Minute, [phases]want{
			resting: none(resting), launching: none(launching), starting: none(starting),
			running: {running, []string{"checked failed", "record unhealthy", "record restart", "HUP"}},
			waiting: none(waiting), terminating: none(terminating), killing: none(killing),
		}},
	}
	seen := map[eventKind]bool{}
	for _, e := range events {
		seen[e.event.kind()] = true
		for p := phase(0); p < phases; p++ {
			t.Run(e.name+" while "+phaseNames[p], func(t *testing.T) {
				m := at(p)
				got := words(m.on(e.event, epoch.Add(e.now)))
				if m.phase != e.want[p].phase {
					t.Errorf("phase: got %s, want %s", phaseNames[m.phase], phaseNames[e.want[p].phase])
				}
				if fmt.Sprint(got) != fmt.Sprint(e.want[p].actions) {
					t.Errorf("actions: got %q, want %q", got, e.want[p].actions)
				}
			})
		}
	}
	for k := eventKind(0); k < kinds; k++ {
		if !seen[k] {
			t.Errorf("event kind %d is not in the table of this test", k)
		}
		for p := phase(0); p < phases; p++ {
			if table[p][k] == nil {
				t.Errorf("no step for event kind %d while %s", k, phaseNames[p])
			}
		}
	}
}

// TestStaleRuns drops everything that an earlier run reports.
func TestStaleRuns(t *testing.T) {
	for _, ev := range []event{
		evLaunched{run: 6, pid: 1, at: epoch}, evNotLaunched{run: 6}, evExited{6, panel.Exit{}}, evInspected{run: 6},
	} {
		for p := phase(0); p < phases; p++ {
			m := at(p)
			if got := m.on(ev, epoch); got != nil || m.phase != p {
				t.Errorf("%T of run 6 while %s: got %q, phase %s", ev, phaseNames[p], words(got), phaseNames[m.phase])
			}
		}
	}
}

// TestExits holds the kinds of exit against what follows.
func TestExits(t *testing.T) {
	exit := func(kind panel.EndKind, code int, host bool) panel.Exit {
		return panel.Exit{Kind: kind, Code: code, Host: host}
	}
	tests := []struct {
		name     string
		exit     panel.Exit
		uptime   time.Duration
		tries    int
		failures int // earlier ones, within the window
		want     panel.State
		delay    time.Duration
		tries2   int
		counted  int
		clean    bool
	}{
		{"first failure starts at once", exit(panel.EndExited, 1, false), 2 * time.Second, 0, 0, panel.Starting, 0, 1, 1, false},
		{"second failure waits a second", exit(panel.EndExited, 1, false), 2 * time.Second, 1, 1, panel.Backoff, time.Second, 2, 2, false},
		{"delays end at thirty seconds", exit(panel.EndExited, 1, false), 2 * time.Second, 40, 5, panel.Backoff, 30 * time.Second, 41, 6, false},
		{"a long run resets the delay", exit(panel.EndExited, 1, false), time.Minute, 6, 1, panel.Starting, 0, 1, 2, false},
		{"status 0 of a long run is a clean end", exit(panel.EndExited, 0, false), time.Minute, 3, 2, panel.Starting, 0, 0, 2, true},
		{"status 0 of a short run is a failure", exit(panel.EndExited, 0, false), 59 * time.Second, 1, 0, panel.Backoff, time.Second, 2, 1, false},
		{"a signal after a long run is a failure", exit(panel.EndSignaled, 0, false), time.Hour, 1, 0, panel.Starting, 0, 1, 1, false},
		{"the tenth failure disables", exit(panel.EndExited, 1, false), time.Second, 3, 9, panel.Disabled, 0, 3, 10, false},
		{"the tenth failure disables also after long runs", exit(panel.EndExited, 1, false), 61 * time.Second, 0, 9, panel.Disabled, 0, 0, 10, false},
		{"the host's fault is not counted", exit(panel.EndNotRun, 0, true), 0, 3, 9, panel.Backoff, time.Second, 3, 9, false},
		{"an unknown end starts at once", exit(panel.EndUnknown, 0, true), 0, 3, 9, panel.Starting, 0, 3, 9, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := at(running)
			now := epoch.Add(tt.uptime)
			m.pace.Tries = tt.tries
			for range tt.failures {
				m.pace.Failures = append(m.pace.Failures, now.Add(-time.Second))
			}
			e := tt.exit
			e.At = now
			m.on(evExited{7, e}, now)
			m.on(evInspected{run: 7}, now)
			if m.state() != tt.want {
				t.Errorf("state: got %s, want %s", m.state(), tt.want)
			}
			if tt.want == panel.Backoff && m.deadline.Sub(now) != tt.delay {
				t.Errorf("delay: got %v, want %v", m.deadline.Sub(now), tt.delay)
			}
			if m.pace.Tries != tt.tries2 {
				t.Errorf("tries: got %d, want %d", m.pace.Tries, tt.tries2)
			}
			if len(m.pace.Failures) != tt.counted {
				t.Errorf("failures counted: got %d, want %d", len(m.pace.Failures), tt.counted)
			}
			if m.lastExit.Clean != tt.clean {
				t.Errorf("clean: got %v, want %v", m.lastExit.Clean, tt.clean)
			}
			if !e.Host && m.lastExit.Uptime != tt.uptime {
				t.Errorf("uptime: got %v, want %v", m.lastExit.Uptime, tt.uptime)
			}
		})
	}
}

// TestFailureWindow forgets failures that are older than the window, so a service that fails once a minute lives on.
func TestFailureWindow(t *testing.T) {
	m := at(running)
	now := epoch
	for range 100 {
		now = now.Add(time.Minute)
		m.on(evExited{m.run, panel.Exit{Kind: panel.EndExited, Code: 1, At: now}}, now)
		m.on(evInspected{run: m.run}, now)
		if m.state() == panel.Disabled {
			t.Fatalf("disabled with %d failures in the window", len(m.pace.Failures))
		}
		for m.phase != running {
			if m.phase == launching {
				m.on(evLaunched{run: m.run, pid: 5, at: now}, now)
			}
			now = now.Add(time.Second)
			m.on(evDeadline{}, now)
			if m.phase == waiting {
				now = m.next()
				m.on(evDeadline{}, now)
			}
		}
	}
}

// TestRestartOutcomes follows a request to restart to its answer.
func TestRestartOutcomes(t *testing.T) {
	person := panel.Actor{Kind: panel.ActorPerson}
	sec := func(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }
	type say struct {
		event event
		at    time.Time
	}
	tests := []struct {
		name  string
		phase phase
		hard  bool
		then  []say
		want  panel.RestartResult
		after time.Duration
		pid   int
	}{
		{"a program that dies of SIGHUP is replaced", running, false, []say{
			{exitedWith(129, sec(0.1)), sec(0.1)}, {evInspected{run: 7}, sec(0.1)},
			{evLaunched{run: 8, pid: 99, at: sec(0.2)}, sec(0.2)}, {evDeadline{}, sec(1.2)},
		}, panel.Replaced, 200 * time.Millisecond, 99},
		{"a program that stays is reloaded", running, false, []say{
			{evDeadline{}, sec(5)},
		}, panel.Reloaded, 5 * time.Second, 4242},
		{"one that stays during its start period is reloaded", starting, false, []say{
			{evDeadline{}, sec(1)}, {evDeadline{}, sec(5)},
		}, panel.Reloaded, 5 * time.Second, 4242},
		{"a new run that ends within the start period has failed", running, false, []say{
			{exitedWith(0, sec(0.1)), sec(0.1)}, {evInspected{run: 7}, sec(0.1)},
			{evLaunched{run: 8, pid: 99, at: sec(0.2)}, sec(0.2)},
			{evExited{8, panel.Exit{Kind: panel.EndExited, Code: 3, At: sec(0.5)}}, sec(0.5)}, {evInspected{run: 8}, sec(0.5)},
		}, panel.Failed, 200 * time.Millisecond, 0},
		{"a new run that cannot be started has failed", running, false, []say{
			{exitedWith(0, sec(0.1)), sec(0.1)}, {evInspected{run: 7}, sec(0.1)},
			{evNotLaunched{run: 8, exit: panel.Exit{Kind: panel.EndNotRun, At: sec(0.2)}}, sec(0.2)},
		}, panel.Failed, 0, 0},
		{"hard: stopped, then started", running, true, []say{
			{evInspected{7, []int{4242}}, sec(0)}, {exitedWith(0, sec(2)), sec(2)}, {evInspected{run: 7}, sec(2)},
			{evLaunched{run: 8, pid: 99, at: sec(2.1)}, sec(2.1)}, {evDeadline{}, sec(3.1)},
		}, panel.Replaced, 2100 * time.Millisecond, 99},
		{"hard: killed after the stop timeout", running, true, []say{
			{evDeadline{}, sec(10)}, {exitedWith(0, sec(10)), sec(10)}, {evInspected{run: 7}, sec(10)},
			{evLaunched{run: 8, pid: 99, at: sec(10.1)}, sec(10.1)}, {evDeadline{}, sec(11.1)},
		}, panel.Replaced, 10100 * time.Millisecond, 99},
		{"in backoff the next try is made now", waiting, false, []say{
			{evLaunched{run: 8, pid: 99, at: sec(0.1)}, sec(0.1)}, {evDeadline{}, sec(1.1)},
		}, panel.Started, 100 * time.Millisecond, 99},
		{"during a launch that launch is the answer", launching, false, []say{
			{evLaunched{run: 7, pid: 99, at: sec(0.1)}, sec(0.1)}, {evDeadline{}, sec(1.1)},
		}, panel.Started, 100 * time.Millisecond, 99},
		{"pause comes first", running, false, []say{{evPause{person}, sec(1)}}, panel.Superseded, 0, 0},
		{"removal comes first", running, true, []say{{evRemove{}, sec(1)}}, panel.Superseded, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := at(tt.phase)
			actions := m.on(evRestart{by: person, hard: tt.hard}, epoch)
			for _, s := range tt.then {
				actions = append(actions, m.on(s.event, s.at)...)
			}
			var outs []panel.RestartOutcome
			for _, a := range actions {
				if o, ok := a.(doOutcome); ok {
					outs = append(outs, o.outcome)
				}
			}
			if len(outs) != 1 {
				t.Fatalf("outcomes: got %d, want 1 (%q)", len(outs), words(actions))
			}
			got := outs[0]
			if got.Result != tt.want || got.After != tt.after || got.PID != tt.pid || got.Hard != tt.hard {
				t.Errorf("outcome: got %+v, want %s after %v, pid %d, hard %v", got, tt.want, tt.after, tt.pid, tt.hard)
			}
			if m.restart != nil {
				t.Error("the request is still open")
			}
		})
	}
}

// TestAskedExitsAreNoFailures: an exit that answers a request, also a late one, costs nothing.
func TestAskedExitsAreNoFailures(t *testing.T) {
	m := at(running)
	m.on(evRestart{}, epoch)
	m.on(evDeadline{}, epoch.Add(5*time.Second)) // reloaded, it seems
	late := epoch.Add(8 * time.Second)
	m.on(exitedWith(0, late), late) // but it was only slow to end
	got := words(m.on(evInspected{run: 7}, late))
	if want := []string{"end exited", "launch 8 asked"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("actions: got %q, want %q", got, want)
	}
	if len(m.pace.Failures) != 0 || !m.lastExit.Asked {
		t.Errorf("counted %d failures, asked %v; want 0 and true", len(m.pace.Failures), m.lastExit.Asked)
	}
}

// TestLeftForeground: what outlives the main process unasked is stopped, and the exit is a failure that says so.
func TestLeftForeground(t *testing.T) {
	m := at(running)
	m.on(exitedWith(0, epoch.Add(time.Second)), epoch.Add(time.Second))
	got := words(m.on(evInspected{7, []int{4300}}, epoch.Add(time.Second)))
	if want := []string{"TERM group", "inspect"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("actions: got %q, want %q", got, want)
	}
	if s := m.status(); s.State != panel.Stopping || s.PID != 0 {
		t.Errorf("status: got %s with pid %d, want stopping with none", s.State, s.PID)
	}
	m.on(evInspected{run: 7}, epoch.Add(2*time.Second))
	if e := m.lastExit; !e.LeftForeground || !e.Failure() || e.Uptime != time.Second {
		t.Errorf("exit: got %+v, want a failure that left the foreground after 1 s", e)
	}
}

// TestStopAsksWhatIsLeft: helpers that the main process left behind are asked to end too, once.
func TestStopAsksWhatIsLeft(t *testing.T) {
	m := at(running)
	m.on(evPause{}, epoch)
	m.on(exitedWith(0, epoch), epoch)
	left := evInspected{7, []int{4300}}
	if got := words(m.on(left, epoch)); fmt.Sprint(got) != "[TERM group]" {
		t.Errorf("first look: got %q, want TERM for all", got)
	}
	if got := words(m.on(left, epoch)); got != nil {
		t.Errorf("second look: got %q, want nothing", got)
	}
}

// TestStopGoesOnAfterTakeOver: upkeep died after the main process of a run that was being paused had ended, and before
// its helper had. The end was asked for: it is no failure, and the program did not leave the foreground.
// TestLeftOver: what a kill does not end is named, and the service is not called paused.
func TestLeftOver(t *testing.T) {
	m := at(running)
	m.on(evPause{}, epoch)
	m.on(exitedWith(0, epoch), epoch)
	m.on(evDeadline{}, epoch.Add(10*time.Second))
	m.on(evInspected{7, []int{4300}}, epoch.Add(10*time.Second))
	if s := m.status(); s.State != panel.Stopping || len(s.LeftOver) != 1 || s.LeftOver[0].PID != 4300 {
		t.Fatalf("status: got %+v, want stopping with 4300 left over", s)
	}
	m.on(evInspected{run: 7}, epoch.Add(11*time.Second))
	if s := m.status(); s.State != panel.Paused || s.LeftOver != nil {
		t.Errorf("status: got %+v, want paused with nothing left", s)
	}
}

// TestBoot: what happens when upkeep has started.
// TestBootAfterTheLastFailure: the daemon before has died between the failure that used up the budget and what follows.
func TestBootAfterTheLastFailure(t *testing.T) {
	failures := make([]time.Time, 10)
	for i := range failures {
		failures[i] = epoch.Add(-time.Second)
	}
	for _, tt := range []struct {
		name     string
		decided  time.Duration // before the start of this daemon
		exit     panel.Exit
		failures int
		want     string
	}{
		{"no budget is left", time.Hour, panel.Exit{At: epoch.Add(-time.Second)}, 10, "[want disabled disabled]"},
		{"some budget is left", time.Hour, panel.Exit{At: epoch.Add(-time.Second)}, 9, "[launch 8 boot]"},
		{"a person has resumed it since", 0, panel.Exit{At: epoch.Add(-time.Second)}, 10, "[launch 8 boot]"},
		{"the last exit was asked for", time.Hour, panel.Exit{At: epoch.Add(-time.Second), Asked: true}, 10, "[launch 8 boot]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(hostPolicy(), sameDelay, panel.WantedOn, epoch.Add(-tt.decided))
			m.restore(panel.Recovery{RunStart: panel.RunStart{Number: 7}, LastExit: &tt.exit,
				Pace: panel.Pace{Failures: failures[:tt.failures]}}, epoch)
			if got := fmt.Sprint(words(m.on(evBoot{cause: panel.CauseBoot}, epoch))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestAdoptWhileStopping: a pause that upkeep died in goes on, also when the main process has ended meanwhile.
func TestAdoptWhileStopping(t *testing.T) {
	m := newMachine(hostPolicy(), sameDelay, panel.WantedPaused, epoch)
	m.restore(panel.Recovery{RunStart: panel.RunStart{Number: 7}, Live: true}, epoch)
	got := words(m.on(evAdopt{pid: 99, startedAt: epoch, ended: &panel.Exit{Kind: panel.EndExited, At: epoch}}, epoch))
	if want := "[record adopted TERM group inspect]"; fmt.Sprint(got) != want {
		t.Errorf("actions: got %s, want %s", got, want)
	}
	m.on(evInspected{7, []int{100}}, epoch)
	m.on(evInspected{run: 7}, epoch.Add(time.Second))
	if m.phase != resting || !m.lastExit.Asked || m.lastExit.LeftForeground {
		t.Errorf("got %s, last exit %+v; want rest, and an exit that was asked for", phaseNames[m.phase], m.lastExit)
	}
}

// TestExitWhileAway judges an exit that the keeper saw as one that upkeep itself saw.
// TestEnableAgain gives a service that the rule disabled a full budget.
func TestEnableAgain(t *testing.T) {
	m := at(resting)
	m.wanted = panel.WantedDisabled
	m.pace = panel.Pace{Failures: make([]time.Time, 10), Tries: 6}
	got := words(m.on(evOn{}, epoch))
	if want := []string{"want on enabled", "launch 8 asked"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("actions: got %q, want %q", got, want)
	}
	if len(m.pace.Failures) != 0 || m.pace.Tries != 0 {
		t.Errorf("pace: got %+v, want a fresh one", m.pace)
	}
}
