package supervisor

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"upkeep/internal/panel"
)

// TestShutDown stops everything, launches nothing, and keeps what is wanted.
func TestShutDown(t *testing.T) {
	for p := phase(0); p < phases; p++ {
		m := at(p)
		w := newWorld(m)
		w.take(m.shutDown(epoch))
		w.settle(t)
		if m.phase != resting || w.alive {
			t.Errorf("from %s: phase %s, alive %v", phaseNames[p], phaseNames[m.phase], w.alive)
		}
		if p != resting && m.wanted != panel.WantedOn {
			t.Errorf("from %s: wanted %s", phaseNames[p], m.wanted)
		}
	}
}

// world carries a machine's actions out on an imaginary host, and knows what lives.
type world struct {
	m        *machine
	now      time.Time
	alive    bool // a process of the latest run lives
	launches int
	open     int // restarts that were asked and not answered
	pending  []event
	forgot   bool
	checks   int // under way
}

func newWorld(m *machine) *world {
	w := &world{m: m, now: epoch, alive: m.live()}
	if m.phase == launching {
		w.pending = []event{evLaunched{run: m.run, pid: 100 + m.run, at: epoch}}
	}
	return w
}

func (w *world) say(t interface{ Fatalf(string, ...any) }, e event) {
	w.take(w.m.on(e, w.now))
	if w.m.run > 7 && w.launches == 0 {
		t.Fatalf("a run number without a launch")
	}
}

func (w *world) take(actions []action) {
	for _, a := range actions {
		switch a := a.(type) {
		case doLaunch:
			w.launches++
			w.pending = append(w.pending, evLaunched{run: a.run, pid: 100 + a.run, at: w.now})
		case doCheck:
			w.checks++
			outcome := []panel.CheckOutcome{panel.CheckOK, panel.CheckFailed, panel.CheckFailed, panel.CheckNotRun}[w.checks%4]
			w.pending = append(w.pending, evChecked{run: a.run, probe: a.probe, check: panel.Check{Outcome: outcome}})
		case doKill:
			w.pending = append(w.pending, evExited{a.run, panel.Exit{Kind: panel.EndSignaled, Signal: 9, At: w.now}})
		case doInspect:
			w.pending = append(w.pending, evInspected{run: a.run})
		case doRecord:
			if a.event.Kind == panel.EventRestartAsk && a.event.By.Kind == panel.ActorMonitoring {
				w.open++
			}
		case doOutcome:
			w.open--
		case doForget:
			w.forgot = true
		}
	}
}

// deliver hands the oldest pending event to the machine, as reality would have it.
func (w *world) deliver(fail bool) error {
	if len(w.pending) == 0 {
		return nil
	}
	e := w.pending[0]
	w.pending = w.pending[1:]
	switch ev := e.(type) {
	case evLaunched:
		if w.alive {
			return errors.New("a second run was launched while one lives")
		}
		if fail {
			e = evNotLaunched{run: ev.run, exit: panel.Exit{Kind: panel.EndNotRun, At: w.now}}
			break
		}
		w.alive = true
	case evExited:
		w.alive = false
	case evInspected:
		if w.alive {
			e = evInspected{ev.run, []int{1}}
		}
	}
	w.take(w.m.on(e, w.now))
	return nil
}

// settle lets everything that is under way come to its end.
func (w *world) settle(t interface{ Fatalf(string, ...any) }) {
	for range 1000 {
		for len(w.pending) > 0 {
			if err := w.deliver(false); err != nil {
				t.Fatalf("%v", err)
			}
		}
		next := w.m.next()
		if next.IsZero() || w.m.phase == running || w.m.phase == resting {
			return
		}
		w.now = later(w.now, next)
		w.take(w.m.on(evDeadline{}, w.now))
	}
	t.Fatalf("no way out of %s", phaseNames[w.m.phase])
}

// TestInvariants sends random events and holds what must always be true.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(hostPolicy(), sameDelay, panel.WantedOn, epoch)
		policy := hostPolicy()
		policy.Probation = time.Minute
		m.configure(policy, true, 0, epoch)
		w := newWorld(m)
		w.take(m.on(evBoot{cause: panel.CauseBoot}, w.now))
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			w.random(t)
			if w.forgot {
				return
			}
			if w.open < 0 || w.open > 1 {
				t.Fatalf("%d restarts are open", w.open)
			}
			if got := m.status(); got.State == panel.Paused && w.alive {
				t.Fatalf("called paused while a process lives")
			}
			if m.phase != resting && m.phase != running && m.phase != launching && m.next().IsZero() && len(w.pending) == 0 {
				t.Fatalf("no way out of %s", phaseNames[m.phase])
			}
		}
		w.settle(t)
		if w.forgot {
			return
		}
		if (m.wanted == panel.WantedOn) != w.alive {
			t.Fatalf("wanted %s but alive %v, in %s", m.wanted, w.alive, phaseNames[m.phase])
		}
	})
}

// random does one thing that can happen at any moment.
func (w *world) random(t *rapid.T) {
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		w.say(t, evOn{})
	case 1:
		w.say(t, evPause{})
		if w.m.restart != nil {
			t.Fatalf("a pause left a restart open")
		}
	case 2:
		before := w.m.restart
		w.say(t, evRestart{hard: rapid.Bool().Draw(t, "hard")})
		if before == nil && w.m.restart != nil {
			w.open++
		}
	case 3:
		if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
			w.say(t, evRemove{})
		}
	case 4: // the program ends by itself
		if w.alive {
			w.alive = false
			w.say(t, evExited{w.m.run, panel.Exit{Kind: panel.EndExited, Code: rapid.IntRange(0, 1).Draw(t, "code"), At: w.now}})
		}
	case 5: // something stale arrives
		w.say(t, evExited{w.m.run - 1, panel.Exit{}})
	case 6:
		if next := w.m.next(); !next.IsZero() {
			w.now = later(w.now, next)
			w.say(t, evDeadline{})
		}
	default:
		if err := w.deliver(rapid.IntRange(0, 4).Draw(t, "fails") == 0); err != nil {
			t.Fatalf("%v", err)
		}
	}
}
