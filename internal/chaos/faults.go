package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// fault is one thing that can strike.
type fault struct {
	name   string
	weight int
	// upkeeps says that it concerns upkeep itself or its disk: such faults strike one at a time.
	upkeeps bool
	// impossible says why it cannot strike here; nil or empty when it can.
	impossible func(*chaos) string
	strike     func(context.Context, *chaos, *rand.Rand) error
}

// faults are all there are.
var faults = []fault{
	{name: "kill-daemon", weight: 10, upkeeps: true, strike: killDaemon},
	{name: "kill-keeper", weight: 6, upkeeps: true, strike: killKeeper, impossible: noKeeper},
	{name: "kill-both", weight: 4, upkeeps: true, strike: killBoth, impossible: noKeeper},
	{name: "end-upkeep", weight: 4, upkeeps: true, strike: endUpkeep},
	{name: "freeze-daemon", weight: 4, upkeeps: true, strike: freezeDaemon},
	{name: "freeze-keeper", weight: 2, upkeeps: true, strike: freezeKeeper, impossible: noKeeper},
	{name: "upgrade", weight: 4, upkeeps: true, strike: upgrade, impossible: noUpgrade},
	{name: "kill-launcher", weight: 3, strike: killLauncher},
	{name: "state-full", weight: 3, upkeeps: true, strike: fillState},
	{name: "kill-mains", weight: 8, strike: killMains},
	{name: "kill-children", weight: 6, strike: killChildren},
	{name: "stop-mains", weight: 6, strike: stopMains},
	{name: "log-deleted", weight: 6, strike: deleteLog},
	{name: "log-linked", weight: 5, strike: linkLog},
	{name: "log-immutable", weight: 4, strike: freezeLog},
	{name: "folder-linked", weight: 2, strike: linkFolder},
	{name: "home-unreachable", weight: 3, strike: closeHome},
}

func faultNames() string {
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	return strings.Join(names, ",")
}

// chooseFaults leaves out what was not chosen and what is impossible, and says so.
func (c *chaos) chooseFaults(only string) []fault {
	var chosen []fault
	for _, f := range faults {
		if only != "" && !slices.Contains(strings.Split(only, ","), f.name) {
			continue
		}
		if f.impossible != nil {
			if reason := f.impossible(c); reason != "" {
				c.report.skip("fault "+f.name, reason)
				continue
			}
		}
		chosen = append(chosen, f)
	}
	return chosen
}

// step is one entry of the schedule.
type step struct {
	after time.Duration // since the step before
	fault fault
	seed  uint64 // of its own decisions
}

// schedule makes up what strikes when: by the seed alone.
func schedule(seed uint64, chosen []fault, length time.Duration) []step {
	chance := rand.New(rand.NewPCG(seed, 2))
	total := 0
	for _, f := range chosen {
		total += f.weight
	}
	var steps []step
	for at := time.Duration(0); total > 0; {
		after := time.Duration(200+chance.IntN(1800)) * time.Millisecond
		if at += after; at > length {
			break
		}
		ticket := chance.IntN(total)
		for _, f := range chosen {
			if ticket -= f.weight; ticket < 0 {
				steps = append(steps, step{after, f, chance.Uint64()})
				break
			}
		}
	}
	return steps
}

// strikeAll carries the schedule out. Faults that concern upkeep itself wait for each other, and the schedule with
// them; the others strike meanwhile. It returns when the last one is over.
func (c *chaos) strikeAll(ctx context.Context, steps []step, length time.Duration) {
	end := time.Now().Add(length)
	for _, s := range steps {
		if time.Now().After(end) || pause(ctx, s.after) != nil {
			break
		}
		if s.fault.upkeeps {
			c.striking.Lock()
		}
		c.group.Go(func() {
			if s.fault.upkeeps {
				defer c.striking.Unlock()
			}
			if err := s.fault.strike(ctx, c, rand.New(rand.NewPCG(s.seed, 3))); err != nil && ctx.Err() == nil {
				c.report.violation("upkeep", "%s: %v", s.fault.name, err)
				c.giveUp(s.fault, err)
			}
		})
	}
	c.group.Wait()
}

// millis is a random time.
func millis(chance *rand.Rand, from, to int) time.Duration {
	return time.Duration(from+chance.IntN(to-from)) * time.Millisecond
}
