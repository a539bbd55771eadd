package process

import (
	"sync"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func usage(t *testing.T, o *Observer, g Group) panel.Usage {
	t.Helper()
	all, err := o.Usage(t.Context(), []Group{g})
	check(t, err)
	return all[g.Service]
}

func TestUsage(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		busy, idle := play(t, r, "burn"), play(t, r, "tree", "1")
		busy.line()
		idle.numbers(2)
		o := NewObserver()
		first := usage(t, o, busy.group)
		if first.CPU >= 0 || first.Processes != 1 || first.Memory < 1<<20 {
			t.Errorf("at the first look %+v", first)
		}
		if got := usage(t, o, idle.group); got.Processes != 2 || got.Memory < 2<<20 {
			t.Errorf("of two processes %+v", got)
		}
		eventually(t, "a tenth of a core is used", func() bool { return usage(t, o, busy.group).CPU > 0.1 })
		eventually(t, "the process shows it too", func() bool {
			return list(t, o, busy.group)[0].CPU > 0.1
		})
		if p := list(t, o, busy.group)[0]; p.CPUTime <= 0 {
			t.Errorf("CPU time %v", p.CPUTime)
		}
		eventually(t, "the idle one is known to be idle", func() bool {
			cpu := usage(t, o, idle.group).CPU
			return cpu >= 0 && cpu < 0.1
		})
	})
}

// CPU time stays when the process that used it has ended.
func TestUsageOfEndedChildren(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "delegate")
		a.line()
		o := NewObserver()
		usage(t, o, a.group)
		a.tellOn()
		a.line()
		o.now = func() time.Time { return time.Now().Add(30 * time.Second) }
		if got := usage(t, o, a.group).CPU * 60; got < 0.2 { // at most 60 s later
			t.Errorf("%v s of CPU time, want more than 0.2", got)
		}
	})
}

func TestUsageAfterTheEnd(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "linger")
		a.line()
		o := NewObserver()
		usage(t, o, a.group)
		killAll(t, a.group)
		if got := usage(t, o, a.group); got.Processes != 0 || got.Memory != 0 {
			t.Errorf("of nothing %+v", got)
		}
		if got := list(t, o, a.group); len(got) != 0 {
			t.Errorf("processes %+v", got)
		}
	})
}

func TestRate(t *testing.T) {
	begin := time.Now()
	o, s := NewObserver(), subject{pid: 1}
	for _, c := range []struct {
		name    string
		at, cpu time.Duration
		want    float64
	}{
		{"the first look", 0, 10 * time.Second, -1},
		{"too soon", 100 * time.Millisecond, 11 * time.Second, -1},
		{"two cores", time.Second, 12 * time.Second, 2},
		{"soon after, against the look before", 1200 * time.Millisecond, 13 * time.Second, 2.5},
		{"half a core", 3 * time.Second, 13 * time.Second, 0.5},
		{"a sum that fell", 5 * time.Second, time.Second, 0},
		{"too long after", 66 * time.Second, 2 * time.Second, -1},
		{"soon after that", 66*time.Second + time.Millisecond, 2 * time.Second, -1},
		{"idle", 70 * time.Second, 2 * time.Second, 0},
	} {
		if got := o.rate(s, sample{begin.Add(c.at), c.cpu}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSweep(t *testing.T) {
	begin := time.Now()
	o := NewObserver()
	o.rate(subject{pid: 1}, sample{begin, 0})
	o.rate(subject{pid: 2}, sample{begin.Add(maxBaseline), 0})
	o.sweep(begin.Add(maxBaseline + time.Second))
	if _, ok := o.seen[subject{pid: 2}]; len(o.seen) != 1 || !ok {
		t.Errorf("remembered: %v, want process 2", o.seen)
	}
}

func TestObserverConcurrently(t *testing.T) {
	a := play(t, rungs[1], "tree", "1")
	a.numbers(2)
	o := NewObserver()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if _, err := o.Usage(t.Context(), []Group{a.group}); err != nil {
					t.Error(err)
				}
				if _, err := o.Processes(t.Context(), []Group{a.group}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
