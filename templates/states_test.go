package templates

import (
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func TestEveryStateHasItsOwnWordsAndIcon(t *testing.T) {
	labels, icons := map[string]bool{}, map[string]bool{}
	for _, s := range panel.States() {
		labels[StateLabel(s)], icons[StateIcon(s)] = true, true
		if s != panel.Unknown && StateLabel(s) == "Unknown" {
			t.Errorf("%s has no label", s)
		}
	}
	if want := len(panel.States()); len(labels) != want || len(icons) != want {
		t.Errorf("%d labels and %d icons for %d states", len(labels), len(icons), want)
	}
}

func TestReason(t *testing.T) {
	waiting := dead(panel.Backoff, time.Second, 3)
	waiting.NextTry = noon.Add(4 * time.Second)
	missing := waiting
	missing.LastExit = &panel.Exit{Kind: panel.EndNotRun, Step: panel.StepDirectory, Errno: 2, Detail: "~/app"}
	left := waiting
	left.LastExit = &panel.Exit{Kind: panel.EndExited, Uptime: 200 * time.Millisecond, LeftForeground: true}
	stopping := sampleStatus(panel.Stopping, time.Second)
	stopping.KillAt = noon.Add(8 * time.Second)
	stuck := sampleStatus(panel.Stopping, time.Minute)
	stuck.LeftOver = []panel.Remnant{{PID: 12, State: panel.WaitingForDisk}}
	several := sampleStatus(panel.Stopping, time.Minute)
	several.LeftOver = []panel.Remnant{{PID: 12, State: panel.WaitingForDisk}, {PID: 13}, {PID: 14, State: panel.WaitingForDisk},
		{PID: 15, State: "running"}}
	again := sampleStatus(panel.Running, 12*time.Minute)
	again.LastExit = sampleExit()
	restarting := sampleStatus(panel.Running, time.Hour)
	restarting.Restarting = true
	never := panel.Status{State: panel.Paused}
	for name, test := range map[string]struct {
		status panel.Status
		want   string
	}{
		"running":          {sampleStatus(panel.Running, 292*time.Hour), "Run 9 has been up for 12 d 4 h."},
		"running again":    {again, "Run 9 has been up for 12 min; before that: exit status 1 after 2 s."},
		"restarting":       {restarting, "SIGHUP was sent; upkeep waits to see whether the program is replaced or only reads its settings again."},
		"disabled":         {dead(panel.Disabled, time.Hour, 10), "It was disabled after 10 failures in 5 min; the last time: exit status 1 after 2 s."},
		"backoff":          {waiting, "The program ended with exit status 1 after 2 s; the next try is in 4 s."},
		"no directory":     {missing, "The program could not start: no such working directory: ~/app; the next try is in 4 s."},
		"left foreground":  {left, "The program ended with exit status 0 after 200 ms, leaving other processes behind; the next try is in 4 s."},
		"stopping":         {stopping, "SIGTERM was sent; whatever is left is killed in 8 s."},
		"not to be killed": {stuck, "Process 12 cannot be killed: it waits for a device."},
		"of several kinds": {several, "Processes 12, 14 cannot be killed: they wait for a device; processes 13, 15 were killed and have not ended yet."},
		"paused":           {dead(panel.Paused, time.Hour, 0), "It stays off until somebody resumes it."},
		"never started":    {never, "It has not been started yet, and stays off until somebody resumes it."},
		"unhealthy":        {sampleStatus(panel.Unhealthy, time.Hour), "The program runs, but its monitoring command fails."},
		"unknown":          {panel.Status{State: panel.Unknown}, "There is no news of this service, so its last known state is not shown."},
	} {
		if got := Reason(test.status, noon); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, test.want)
		}
	}
}

func TestEveryReasonIsOneSentence(t *testing.T) {
	for _, state := range panel.States() {
		got := Reason(sampleStatus(state, time.Minute), noon)
		if !strings.HasSuffix(got, ".") || strings.Contains(strings.TrimSuffix(got, "."), ". ") {
			t.Errorf("%s: %q is not one sentence", state, got)
		}
	}
}

func TestLabelRefinesTheState(t *testing.T) {
	notRun := dead(panel.Backoff, time.Second, 1)
	notRun.LastExit = &panel.Exit{Kind: panel.EndNotRun}
	zero := dead(panel.Backoff, time.Second, 1)
	zero.LastExit = &panel.Exit{Kind: panel.EndExited}
	restarting := panel.Status{State: panel.Running, Restarting: true}
	for want, s := range map[string]panel.Status{
		"Crashed": dead(panel.Backoff, time.Second, 1), "Cannot start": notRun, "Ended": zero, "Restarting": restarting,
		"Running": {State: panel.Running},
	} {
		if got := label(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRemark(t *testing.T) {
	killed := dead(panel.Backoff, time.Second, 3)
	killed.LastExit = &panel.Exit{Kind: panel.EndSignaled, Signal: 9}
	for want, s := range map[string]panel.Status{
		"10 failures in 5 min · exit 1": dead(panel.Disabled, time.Hour, 10),
		"SIGKILL · 3 of 10":             killed,
		"not started yet":               {State: panel.Paused},
		"1 process left":                {State: panel.Stopping, LeftOver: []panel.Remnant{{PID: 7}}},
		"":                              {State: panel.Running},
	} {
		if got := remark(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
