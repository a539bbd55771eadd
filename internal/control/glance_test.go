package control

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"upkeep/internal/diagnose"
	"upkeep/internal/panel"
)

// A home that hangs costs a page a second, and upkeep two threads; others are looked at, and it is again when it is
// well.
func TestGlanceIntoAHomeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g glances
		well := make(chan struct{})
		hang := func() (diagnose.Found, error) { <-well; return diagnose.Found{Name: "late"}, nil }
		quick := func() (diagnose.Found, error) { return diagnose.Found{Name: "there"}, nil }
		var took []time.Duration
		for range 4 {
			begun := time.Now()
			if _, known := g.glance(1, hang); known {
				t.Error("a home that hangs is known")
			}
			took = append(took, time.Since(begun))
		}
		if want := []time.Duration{glanceTime, glanceTime, 0, 0}; !slices.Equal(took, want) {
			t.Errorf("pages waited %v, want %v", took, want)
		}
		if found, known := g.glance(2, quick); !known || found.Name != "there" {
			t.Errorf("another account: %+v, %v", found, known)
		}
		if _, known := g.glance(2, func() (diagnose.Found, error) { return diagnose.Found{}, errors.New("no") }); known {
			t.Error("a look that failed is known")
		}
		close(well)
		synctest.Wait()
		if _, known := g.glance(1, quick); !known {
			t.Error("nothing is known of a home that is well again")
		}
		synctest.Wait()
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.busy) > 0 {
			t.Errorf("looks are still under way: %v", g.busy)
		}
	})
}

// The same through what pages call.
func TestWarningsOfAHomeThatHangs(t *testing.T) {
	s := newSite(t)
	well := make(chan struct{})
	defer close(well)
	s.asUser = func(panel.Account, func() error) error { <-well; return nil }
	for range 2 * glancesPerAccount {
		if _, err := s.Warnings(t.Context(), s.own, panel.Definition{Name: "web", Command: "redis-server"}); err != nil {
			t.Error(err)
		}
	}
}
