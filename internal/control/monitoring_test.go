package control

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// TestTry runs what is typed, whatever else of the definition is wrong, and changes nothing.
func TestTry(t *testing.T) {
	s := newSite(t)
	def := panel.Definition{Directory: "~/app", Monitoring: panel.Monitoring{Command: " true\r\n"}}
	got, err := s.Try(t.Context(), s.own, def)
	check(t, err)
	if got.Outcome != panel.CheckOK || !slices.Equal(s.engine.asked, []string{"check true in app"}) {
		t.Errorf("got %+v, asked %q", got, s.engine.asked)
	}
	for field, def := range map[string]panel.Definition{
		"monitoring":  {},
		"directory":   {Directory: "../..", Monitoring: panel.Monitoring{Command: "true"}},
		"environment": {Environment: "no pair", Monitoring: panel.Monitoring{Command: "true"}},
	} {
		_, err := s.Try(t.Context(), s.own, def)
		var wrong *panel.ValidationError
		if !errors.As(err, &wrong) || wrong.Fields[field] == "" {
			t.Errorf("%s: got %v, want that field refused", field, err)
		}
	}
}

func TestOptionsAreStored(t *testing.T) {
	s := newSite(t)
	def := good()
	def.Monitoring = panel.Monitoring{Command: "nc -z ::1 8300", Interval: 20 * time.Second, Timeout: 5 * time.Second,
		Failures: 3, Grace: 2 * time.Minute}
	def.Budget = panel.Budget{Failures: 5, Window: time.Hour, Probation: 10 * time.Minute}
	svc, err := s.Create(t.Context(), s.own, def, true, ann)
	check(t, err)
	if svc.Monitoring != def.Monitoring || svc.Budget != def.Budget {
		t.Errorf("created with %+v and %+v, want what was typed", svc.Monitoring, svc.Budget)
	}
	def.Monitoring.Failures = 2
	svc, err = s.Edit(t.Context(), s.own, svc.Name, def, true, svc.Version, ann)
	check(t, err)
	stored, err := s.store.Service(t.Context(), s.own.ID, svc.Name)
	check(t, err)
	if stored.Monitoring != def.Monitoring || stored.Version != 2 {
		t.Errorf("after the edit: %+v, version %d", stored.Monitoring, stored.Version)
	}
	events, err := s.store.Events(t.Context(), svc.ID, 1)
	check(t, err)
	if !strings.Contains(events[0].Detail, "monitoring") {
		t.Errorf("the history says %q, want what was edited", events[0].Detail)
	}
}
