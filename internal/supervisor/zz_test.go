package supervisor

import (
	"testing"
	"time"

	"upkeep/internal/panel"
)

// A script that runs its program as a child: the child is asked to stop too, once its parent is gone, and not
// killed after the stop timeout, which is an hour here.
func TestPauseAsksWhatIsLeft(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = quick()
		p.policy.StopTimeout = time.Hour
		s := newSite(t, p)
		id := s.add("script", s.script("script", `sh -c 'trap "echo polite > asked; exit" TERM; echo > ready; while :; do sleep 0.02; done'
echo not reached`))
		s.awaitState(id, panel.Running)
		eventually(t, "the child runs", func() bool { return s.read("ready") != "" })
		s.pause(id)
		s.expectNothing()
		if s.read("asked") == "" {
			t.Error("the child was not asked")
		}
	})
}
