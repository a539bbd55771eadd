package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// audit looks what has become of everything: first as it runs, then when all services are paused, then when they are
// deleted, and in the end when upkeep has ended.
func (c *chaos) audit(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		c.calm, c.auditStates, c.pauseAll, c.auditHistory, c.auditPaused, c.removeAll, c.auditRemoved, c.endAll,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	c.auditVictims()
	return nil
}

// calm mends what faults have left and waits until nothing changes by itself any more.
func (c *chaos) calm(ctx context.Context) error {
	for _, p := range processes() {
		if p.state == 'T' {
			_ = p.send(unix.SIGCONT) // it may have ended meanwhile
		}
	}
	if err := until(ctx, comeBack, func() bool { return c.daemonPID() != 0 && answers() }); err != nil {
		return fmt.Errorf("upkeep does not answer after the faults: %w", err)
	}
	err := c.eachService(ctx, func(p *person, s *service) error {
		return until(ctx, patience, func() bool {
			if _, unsure, _ := s.view(); unsure {
				p.clarify(ctx, s)
			}
			_, unsure, _ := s.view()
			return !unsure
		})
	})
	if err != nil {
		return fmt.Errorf("what became of a request is not to be found out: %w", err)
	}
	return nil
}

// patience is more than anything needs that comes to rest by itself.
const patience = 30 * time.Second

// eachService has every person do something to each of their services, which no longer change.
func (c *chaos) eachService(ctx context.Context, do func(*person, *service) error) error {
	var group sync.WaitGroup
	failed := make(chan error, len(c.persons))
	for _, p := range c.persons {
		group.Go(func() {
			for _, s := range slices.Clone(p.own) {
				if err := do(p, s); err != nil {
					failed <- fmt.Errorf("%v: %w", s, err)
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}

// auditStates compares the page of each service with its processes, and with what its person wants.
func (c *chaos) auditStates(ctx context.Context) error {
	return c.eachService(ctx, func(p *person, s *service) error {
		var wrong string
		// What is true of a service that just exits is not true of it a moment later.
		err := until(ctx, patience, func() bool {
			at, err := p.visit(ctx, s.path())
			if err != nil {
				return false
			}
			wrong = s.compare(at, of(s.name, processes()))
			return wrong == ""
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.report.violation("state", "%v: for %v, %s", s, patience, wrong)
		}
		return nil
	})
}

// compare says what the page of a service claims and its processes deny; empty when they agree.
func (s *service) compare(at *page, alive []process) string {
	exists, _, wanted := s.view()
	if !exists {
		if at.status != http.StatusNotFound || len(alive) > 0 {
			return fmt.Sprintf("it was deleted, its page has status %d, and there are %v", at.status, alive)
		}
		return ""
	}
	state := panel.State(at.state())
	mains := slices.DeleteFunc(slices.Clone(alive), func(p process) bool { return !p.main() })
	switch {
	case at.status != http.StatusOK:
		return fmt.Sprintf("its page has status %d", at.status)
	case wanted == panel.WantedPaused && state != panel.Paused:
		return fmt.Sprintf("it was paused, and its page says %s", state)
	case wanted == panel.WantedOn && state == panel.Paused:
		return "it was not paused, and its page says paused"
	case state == panel.Running && (len(mains) != 1 || strconv.Itoa(mains[0].pid) != at.pid()):
		return fmt.Sprintf("its page says running, PID %s, and there are %v", at.pid(), alive)
	case (state == panel.Paused || state == panel.Disabled) && len(alive) > 0:
		return fmt.Sprintf("its page says %s, and there are %v", state, alive)
	case state == panel.Stopping || state == "":
		return fmt.Sprintf("its page says %q", state)
	}
	return ""
}

// pauseAll pauses every service, and wants its processes gone.
func (c *chaos) pauseAll(ctx context.Context) error {
	return c.eachService(ctx, func(p *person, s *service) error {
		if exists, _, _ := s.view(); !exists {
			return nil
		}
		if err := p.pause(ctx, s); err != nil {
			return err
		}
		if left := of(s.name, processes()); len(left) > 0 {
			c.report.violation("stop", "%v is paused at the end, and there are %v", s, left)
		}
		return nil
	})
}

// removeAll deletes every service.
func (c *chaos) removeAll(ctx context.Context) error {
	return c.eachService(ctx, func(p *person, s *service) error {
		if exists, _, _ := s.view(); !exists {
			return nil
		}
		return p.remove(ctx, s)
	})
}
