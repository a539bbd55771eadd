package supervisor

import (
	"fmt"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func TestStopGoesOnAfterTakeOver(t *testing.T) {
	m := newMachine(hostPolicy(), sameDelay, panel.WantedPaused, epoch)
	m.restore(panel.Recovery{RunStart: panel.RunStart{Number: 7}}, epoch)
	ended := &panel.Exit{Kind: panel.EndSignaled, Signal: 15, At: epoch}
	got := words(m.on(evAdopt{pid: 99, startedAt: epoch.Add(-time.Hour), ended: ended}, epoch))
	if want := "[record adopted TERM group inspect]"; fmt.Sprint(got) != want || m.state() != panel.Stopping {
		t.Errorf("got %s and %q, want stopping and %s", m.state(), got, want)
	}
	m.on(evInspected{7, []int{4300}}, epoch)
	m.on(evInspected{run: 7}, epoch.Add(time.Second))
	e := m.lastExit
	if m.state() != panel.Paused || !e.Asked || e.LeftForeground || len(m.pace.Failures) != 0 {
		t.Errorf("got %s, %+v and %d failures, want paused by an asked end", m.state(), e, len(m.pace.Failures))
	}
}

func TestBoot(t *testing.T) {
	unknown := &panel.Exit{Kind: panel.EndUnknown, Host: true, At: epoch}
	boot := func(lost *panel.Exit, cause panel.Cause) evBoot {
		return evBoot{lost: lost, startedAt: epoch.Add(-time.Hour), cause: cause}
	}
	start := boot(nil, panel.CauseBoot)
	later, before := panel.Pace{NextTry: epoch.Add(time.Minute)}, panel.Pace{NextTry: epoch.Add(-time.Minute)}
	tests := []struct {
		name   string
		wanted panel.Wanted
		pace   panel.Pace
		boot   evBoot
		want   panel.State
		do     []string
	}{
		{"wanted and never ran", panel.WantedOn, panel.Pace{}, start, panel.Starting, []string{"launch 8 boot"}},
		{"paused", panel.WantedPaused, panel.Pace{}, start, panel.Paused, nil},
		{"disabled", panel.WantedDisabled, panel.Pace{}, start, panel.Disabled, nil},
		{"its next try is due later", panel.WantedOn, later, start, panel.Backoff, nil},
		{"its next try is overdue", panel.WantedOn, before, start, panel.Starting, []string{"launch 8 boot"}},
		{"ended unseen", panel.WantedOn, panel.Pace{}, boot(unknown, panel.CauseExit), panel.Starting,
			[]string{"end unknown", "launch 8 exit"}},
		{"ended with the machine", panel.WantedOn, panel.Pace{}, boot(unknown, panel.CauseBoot), panel.Starting,
			[]string{"end unknown", "launch 8 boot"}},
		{"ended unseen while paused", panel.WantedPaused, panel.Pace{}, boot(unknown, panel.CauseExit), panel.Paused,
			[]string{"end unknown"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(hostPolicy(), sameDelay, tt.wanted, epoch)
			m.restore(panel.Recovery{RunStart: panel.RunStart{Number: 7}, Pace: tt.pace}, epoch)
			got := words(m.on(tt.boot, epoch))
			if m.state() != tt.want || fmt.Sprint(got) != fmt.Sprint(tt.do) {
				t.Errorf("got %s and %q, want %s and %q", m.state(), got, tt.want, tt.do)
			}
		})
	}
}

func TestExitWhileAway(t *testing.T) {
	started := epoch.Add(-time.Hour)
	exit := func(code int, after time.Duration) *panel.Exit {
		return &panel.Exit{Kind: panel.EndExited, Code: code, At: started.Add(after)}
	}
	tests := []struct {
		name     string
		wanted   panel.Wanted
		exit     *panel.Exit
		restart  time.Duration // asked so long after the start; 0 when it was not
		asked    bool
		clean    bool
		failures int
	}{
		{"a failure", panel.WantedOn, exit(3, time.Second), 0, false, false, 1},
		{"the clean end of a long run", panel.WantedOn, exit(0, 59*time.Minute), 0, false, true, 0},
		{"the early end of a run", panel.WantedOn, exit(0, time.Second), 0, false, false, 1},
		{"the end of a run that was being paused", panel.WantedPaused, exit(143, time.Minute), 0, true, false, 0},
		{"the end of a run that was to be restarted", panel.WantedOn, exit(143, 61*time.Second), time.Minute, true, false, 0},
		{"a failure long after a restart", panel.WantedOn, exit(3, 2*time.Minute), time.Minute, false, false, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(hostPolicy(), sameDelay, tt.wanted, epoch)
			rec := panel.Recovery{RunStart: panel.RunStart{Number: 7}, Live: true}
			if tt.restart > 0 {
				rec.RestartAsked = started.Add(tt.restart)
			}
			m.restore(rec, epoch)
			m.on(evBoot{lost: tt.exit, startedAt: started, cause: panel.CauseExit}, epoch)
			got := m.lastExit
			if got.Uptime != tt.exit.At.Sub(started) || got.Asked != tt.asked || got.Clean != tt.clean {
				t.Errorf("got %+v, want asked %t, clean %t", got, tt.asked, tt.clean)
			}
			if n := len(m.pace.Failures); n != tt.failures {
				t.Errorf("failures: got %d, want %d", n, tt.failures)
			}
		})
	}
}
