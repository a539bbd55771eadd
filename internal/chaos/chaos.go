package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// chaos is one run.
type chaos struct {
	*host
	options
	persons []*person
	// What daemon and keeper had open before there was a service.
	baseline, keeperBaseline descriptors
	serial                   atomic.Int64
	closing                  sync.Mutex // held while a home is closed: one at a time
	group                    sync.WaitGroup
	gaveUp                   context.CancelFunc

	all sync.Mutex
	// services are all that ever were. Guarded by all.
	services []*service
}

// people is how many change services at the same time.
const people = 4

func newChaos(o options) (*chaos, error) {
	for _, name := range []string{"upkeep", "upkeep-helper"} {
		if _, err := os.Stat(filepath.Join(o.bin, name)); err != nil {
			return nil, fmt.Errorf("%w; run \"make chaos\" at the top of the repository", err)
		}
	}
	return &chaos{options: o, host: &host{dir: o.cell, report: newReport(o)}}, nil
}

// everything is every service that ever was.
func (c *chaos) everything() []*service {
	c.all.Lock()
	defer c.all.Unlock()
	return append([]*service(nil), c.services...)
}

func (c *chaos) add(s *service) {
	c.all.Lock()
	defer c.all.Unlock()
	c.services = append(c.services, s)
}

// giveUp ends the faults when upkeep cannot go on.
func (c *chaos) giveUp(f fault, err error) {
	c.report.note("%s ended the faults early: %v", f.name, err)
	c.gaveUp()
}

// carryOut is the whole run.
func (c *chaos) carryOut(ctx context.Context) (err error) {
	fmt.Printf("chaos: seed %d, %d services, faults for %v\n", c.seed, c.options.services, c.duration)
	if err := c.setUp(ctx); err != nil {
		return c.explained(err)
	}
	c.suffer(ctx)
	if err := c.audit(ctx); err != nil {
		c.report.violation("audit", "cannot go on: %v", c.explained(err))
	}
	if c.keep {
		c.keepData()
	}
	return nil
}

// explained adds the last words of upkeep to an error.
func (c *chaos) explained(err error) error {
	said, _ := os.ReadFile(c.saidPath()) // without it the error says enough
	return fmt.Errorf("%w; upkeep said last:\n%s", err, said[max(0, len(said)-2000):])
}

// keepData copies what lies on a mount of the cell: the database, and upkeep's own files of output.
func (c *chaos) keepData() {
	for _, pattern := range []string{"upkeep.db*", "logs/*"} {
		paths, _ := filepath.Glob(filepath.Join(c.data, pattern)) // the pattern is well formed
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(filepath.Join(c.dir, filepath.Base(path)), text, 0o600)
			}
			if err != nil {
				c.report.note("keep the data: %v", err)
			}
		}
	}
}

// setUp starts upkeep, and has people create the services.
func (c *chaos) setUp(ctx context.Context) error {
	var err error
	if c.host, err = prepareHost(ctx, c.options, c.report); err != nil {
		return err
	}
	if err := errors.Join(c.makeVictims(), c.serve(ctx)); err != nil {
		return err
	}
	if err := c.takeBaseline(); err != nil {
		return err
	}
	all := planWorkload(c.options.services)
	var group sync.WaitGroup
	for i := range people {
		p := &person{host: c.host, name: fmt.Sprintf("p%d", i+1), add: c.add, did: map[string]int{},
			chance: rand.New(rand.NewPCG(c.seed, uint64(100+i)))}
		if p.client, err = signIn(ctx); err != nil {
			return err
		}
		for j := i; j < len(all); j += people {
			c.add(all[j])
			p.own = append(p.own, all[j])
		}
		c.persons = append(c.persons, p)
		group.Go(func() {
			for _, s := range p.own {
				p.count("create", p.create(ctx, s))
			}
		})
	}
	group.Wait()
	return ctx.Err()
}

func (c *chaos) takeBaseline() (err error) {
	if c.baseline, err = readDescriptors(c.daemonPID()); err != nil {
		return err
	}
	if keeper := c.keeperPID(); keeper != 0 {
		c.keeperBaseline, err = readDescriptors(keeper)
	}
	return err
}

// suffer lets people act and faults strike.
func (c *chaos) suffer(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.gaveUp = cancel
	var group sync.WaitGroup
	acting, rest := context.WithCancel(ctx)
	for _, p := range c.persons {
		group.Go(func() { p.act(acting) })
	}
	group.Go(func() { c.sample(acting) })
	c.strikeAll(ctx, schedule(c.seed, c.chooseFaults(c.only), c.duration), c.duration)
	rest()
	group.Wait()
	for _, p := range c.persons {
		for what, n := range p.did {
			c.report.actions[what] += n
		}
	}
}

// sampleEvery is how often the processes are looked at while faults strike.
const sampleEvery = 250 * time.Millisecond

// sample looks again and again for two main processes of one service, and keeps what could vanish.
func (c *chaos) sample(ctx context.Context) {
	for pause(ctx, sampleEvery) == nil {
		c.holdFallbacks()
		for name, twins := range findTwins(processes()) {
			// The list is not of one moment: the first may have ended before the last was born.
			if twins = slices.DeleteFunc(twins, process.gone); len(twins) > 1 {
				c.report.violation("twins", "two main processes of %s: %v", name, twins)
			}
		}
	}
}

// findTwins finds services with more than one main process. A child that has not executed yet looks like its parent.
func findTwins(all []process) map[string][]process {
	runs := map[int]string{}
	for _, p := range all {
		runs[p.pid] = p.run
	}
	mains := map[string][]process{}
	for _, p := range all {
		if p.main() && p.run != runs[p.parent] {
			mains[p.service] = append(mains[p.service], p)
		}
	}
	for name, found := range mains {
		if len(found) < 2 {
			delete(mains, name)
		}
	}
	return mains
}
