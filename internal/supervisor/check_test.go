package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// try runs a monitoring command of a service that is not there.
func (s *site) try(command string, limit time.Duration) panel.Check {
	s.t.Helper()
	svc := panel.Service{ID: 77, Account: s.account.ID, Definition: panel.Definition{
		Name: "tried", Environment: "GREETING=hello", Port: 8300,
		Monitoring: panel.Monitoring{Command: command, Timeout: limit},
	}}
	c, err := s.Check(s.t.Context(), svc, s.account)
	check(s.t, err)
	return c
}

func TestCheckResults(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		s := newSite(t, p)
		const usual = 20 * time.Second
		for _, c := range []struct {
			name, command string
			limit         time.Duration
			want          panel.CheckOutcome
			says          string // in words or output
		}{
			{"ok", "true", usual, panel.CheckOK, ""},
			{"failed", `sh -c 'echo no answer; exit 3'`, usual, panel.CheckFailed, "exit status 3"},
			{"a signal", `sh -c 'kill -9 $$'`, usual, panel.CheckFailed, "ended by signal 9"},
			{"not found", "no-such-program -z", usual, panel.CheckNotRun, "no such file or directory"},
			{"not executable", "/etc/passwd", usual, panel.CheckNotRun, "permission denied"},
			{"not a command", `sh -c 'unfinished`, usual, panel.CheckNotRun, "quote"},
			{"hangs", "sleep 600", 100 * time.Millisecond, panel.CheckFailed, "no answer within 100ms"},
			{"ignores everything", `sh -c 'trap "" TERM INT HUP; while :; do sleep 600; done'`, 100 * time.Millisecond,
				panel.CheckFailed, "no answer"},
			{"leaves a child that holds the output", `sh -c 'sleep 600 & echo done'`, usual, panel.CheckOK, "done"},
			{"leaves a child in a session of its own", `sh -c 'setsid sleep 600 & exit 0'`, usual, panel.CheckOK, ""},
			{"its environment", `sh -c 'echo "$GREETING $PORT $SERVICE_NAME $HOST"'`, usual, panel.CheckOK, "hello 8300 tried ::"},
			{"opens its own output", `sh -c 'echo again >/dev/stdout'`, usual, panel.CheckOK, "again"},
			{"shell features", `test "$(echo a | tr a b)" = b && echo both`, usual, panel.CheckOK, "both"},
		} {
			t.Run(c.name, func(t *testing.T) {
				got := s.try(c.command, c.limit)
				if got.Outcome != c.want || !strings.Contains(got.Words()+"\n"+got.Output, c.says) {
					t.Errorf("got %+v, want %s and %q", got, c.want, c.says)
				}
				if left := s.processes(); len(left) > 0 {
					t.Errorf("processes %v are left of the check", left)
				}
			})
		}
		eventually(t, "no control group of a check is left", func() bool {
			return !slices.ContainsFunc(s.groups(), func(path string) bool { return strings.Contains(path, "/"+checkRoom+"/") })
		})
	})
}

// TestCheckFlood keeps the end of what a check prints, whatever it prints and however long.
func TestCheckFlood(t *testing.T) {
	s := newSite(t, plan{})
	got := s.try(`sh -c 'head -c 20000000 /dev/zero | tr "\000" x; printf "\377the end"'`, 30*time.Second)
	if got.Outcome != panel.CheckOK || len(got.Output) > 2*panel.MaxCheckOutput || !strings.HasSuffix(got.Output, "x\ufffdthe end") {
		t.Errorf("got %s with %d bytes ending in %.20q", got.Outcome, len(got.Output), got.Output[max(0, len(got.Output)-20):])
	}
}

// TestMonitoringRestarts lets a real program become sick: it is restarted, and well again.
func TestMonitoringRestarts(t *testing.T) {
	p := quick()
	p.CheckGrace, p.CheckInterval = 50*time.Millisecond, 50*time.Millisecond
	s := newSite(t, plan{policy: p})
	sick := filepath.Join(s.account.Home, "sick")
	id := s.add("web", `sh -c 'rm -f sick; exec sleep 600'`, func(svc *panel.Service) {
		svc.Monitoring.Command = "test ! -e sick"
	})
	s.await(id, "running", func(st panel.Status) bool { return st.State == panel.Running && st.Check != nil })
	check(t, os.WriteFile(sick, nil, 0o644))
	s.await(id, "replaced and well", func(st panel.Status) bool {
		return st.Run == 2 && st.State == panel.Running && st.Check != nil && st.Check.Outcome == panel.CheckOK
	})
	kept, err := s.store.Checks(t.Context(), id)
	check(t, err)
	if len(kept) == 0 || len(kept) > panel.KeptChecks {
		t.Errorf("%d results are stored, want 1 to %d", len(kept), panel.KeptChecks)
	}
	if st := s.status(id); st.Failures != 1 {
		t.Errorf("the restart counts as %d failures, want 1", st.Failures)
	}
	if said := fmt.Sprint(s.kinds(id)); !strings.Contains(said, "unhealthy restart") {
		t.Errorf("history: %s, want the restart behind its reason", said)
	}
}
