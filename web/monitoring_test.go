package web

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func TestDurationsAsPeopleTypeThem(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, " ": 0, "30": 30 * time.Second, "30s": 30 * time.Second, "5m": 5 * time.Minute, "5 min": 5 * time.Minute,
		"1h30m": 90 * time.Minute, "0.5s": 500 * time.Millisecond,
		"0": noNumber, "-5": noNumber, "soon": noNumber, "5 x": noNumber, "1e9": noNumber, "99999999999999999999": noNumber,
	} {
		if got := duration(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
		if back := durationText(want); want > 0 && duration(back) != want {
			t.Errorf("%v is shown as %q, which reads as %v", want, back, duration(back))
		}
	}
}

// TestTestNowOnTheForm runs what is typed, keeps it, and saves nothing.
func TestTestNowOnTheForm(t *testing.T) {
	s := signedIn(t)
	s.engine.check = panel.Check{Outcome: panel.CheckFailed, Code: 7, Took: 40 * time.Millisecond, Output: "<b>refused</b>\n"}
	before := servicesOf(t, s)
	typed := url.Values{"name": {"Wrong Name"}, "command": {""}, "monitoring": {"nc -z ::1 8300"},
		"monitoring_interval": {"20s"}, "then": {"check"}}
	for _, path := range []string{servicesURL, servicesURL + "/web/edit"} {
		p := s.Post(path, typed).WantStatus(http.StatusOK).WantSound()
		if p.Attr("#check-result", "data-check") != "failed" {
			t.Errorf("%s: the result is not shown", path)
		}
		p.WantText("#check-result", "exit status 7")
		p.WantText("#check-result", "<b>refused</b>")
		got := typedIn(p, path)
		for name := range typed {
			if name != "then" && got.Get(name) != typed.Get(name) {
				t.Errorf("%s: the form shows %s %q, typed was %q", path, name, got.Get(name), typed.Get(name))
			}
		}
	}
	if after := servicesOf(t, s); !slices.Equal(after, before) {
		t.Errorf("services before %q, after %q", before, after)
	}
	p := s.Post(servicesURL, url.Values{"name": {"x"}, "then": {"check"}}).WantStatus(http.StatusUnprocessableEntity)
	if p.Attr("[name=monitoring]", "aria-invalid") != "true" {
		t.Error("the missing command is not marked")
	}
}

func TestMonitoringOnThePage(t *testing.T) {
	s := signedIn(t)
	s.Get(servicesURL+"/web").WantText("main", "A monitoring command would")
	svc := s.newServiceOf(s.own, panel.Definition{Name: "watched", Command: "x", Monitoring: panel.Monitoring{Command: "check-me"}})
	last := panel.Check{Outcome: panel.CheckFailed, At: s.clock.Now(), Code: 1, Took: time.Second, Output: "connection refused\n"}
	for range panel.KeptChecks + 5 {
		if err := s.store.AddCheck(t.Context(), svc.ID, last); err != nil {
			t.Fatal(err)
		}
	}
	s.engine.set(svc.ID, panel.Status{State: panel.Unhealthy, PID: 4242, Run: 1, Check: &last, Failing: 2, Tolerated: 3, Useless: true,
		Since: s.clock.Now(), StartedAt: s.clock.Now(), Limit: 10, Window: time.Minute})
	p := s.Get(servicesURL + "/watched").WantStatus(http.StatusOK).WantSound()
	p.WantText("[data-reason]", "2 of 3 in a row")
	p.WantText("[data-reason]", "connection refused")
	p.WantText("[data-diagnosis=D19]", "cannot notice anything")
	if n := p.Doc.Find("#checks [data-check=failed]").Length(); n != panel.KeptChecks {
		t.Errorf("%d results are shown, want %d", n, panel.KeptChecks)
	}
	s.engine.check = panel.Check{Outcome: panel.CheckOK, Took: time.Second}
	s.Post(servicesURL+"/watched/check", nil).WantStatus(http.StatusSeeOther)
	s.Get(servicesURL+"/watched").WantText(".flash", "The check succeeded")
}
