package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/rig"
)

func noKeeper(c *chaos) string {
	if c.keeperPID() == 0 {
		return "this upkeep has no keeper"
	}
	return ""
}

func noUpgrade(c *chaos) string {
	// The help of a command that does not exist is that of upkeep as a whole.
	if help, err := c.arguments("upgrade", "--help").Output(); err != nil || !strings.Contains(string(help), "upkeep upgrade") {
		return "this upkeep has no command upgrade"
	}
	return ""
}

// killDaemon kills the daemon, now and then several times in a row.
func killDaemon(ctx context.Context, c *chaos, chance *rand.Rand) error {
	for range 1 + chance.IntN(3)/2*2 {
		away := millis(chance, 0, 1500)
		if err := c.killOnce(ctx, away); err != nil {
			return err
		}
	}
	return nil
}

// killOnce kills the daemon. Where there is a keeper it comes back by itself; otherwise it is started again after
// a while.
func (c *chaos) killOnce(ctx context.Context, away time.Duration) error {
	pid, keeper := c.daemonPID(), c.keeperPID()
	c.report.fault("kill-daemon", "%d, keeper %d", pid, keeper)
	defer c.begin(&c.silent)()
	begun := time.Now()
	if keeper == 0 {
		return c.startAgain(ctx, away, func() error { return signalTo(pid, syscall.SIGKILL) }, pid)
	}
	if err := signalTo(pid, syscall.SIGKILL); err != nil {
		return err
	}
	if err := c.awaitReady(ctx, pid); err != nil {
		return err
	}
	c.report.cameBack(time.Since(begun))
	return nil
}

// startAgain lets all of upkeep end, waits, and starts it again.
func (c *chaos) startAgain(ctx context.Context, away time.Duration, end func() error, pids ...int) error {
	defer c.begin(&c.blind)()
	if err := end(); err != nil {
		return err
	}
	if err := awaitGone(ctx, pids...); err != nil {
		return err
	}
	if err := pause(ctx, away); err != nil {
		return err
	}
	begun := time.Now()
	if err := c.serve(ctx); err != nil {
		return err
	}
	c.report.cameBack(time.Since(begun))
	return nil
}

// killKeeper kills the keeper alone: the daemon has to go on, and to start another one.
func killKeeper(ctx context.Context, c *chaos, _ *rand.Rand) error {
	daemon, keeper := c.daemonPID(), c.keeperPID()
	c.report.fault("kill-keeper", "%d, daemon %d", keeper, daemon)
	if err := signalTo(keeper, syscall.SIGKILL); err != nil {
		return err
	}
	err := until(ctx, comeBack, func() bool { now := c.keeperPID(); return now != 0 && now != keeper })
	if err != nil {
		return fmt.Errorf("no new keeper: %w", err)
	}
	if now := c.daemonPID(); now != daemon {
		return fmt.Errorf("the keeper was killed, and the daemon %d became %d", daemon, now)
	}
	return nil
}

// killBoth kills keeper and daemon in either order.
func killBoth(ctx context.Context, c *chaos, chance *rand.Rand) error {
	pids := []int{c.daemonPID(), c.keeperPID()}
	if chance.IntN(2) == 0 {
		pids[0], pids[1] = pids[1], pids[0]
	}
	away := millis(chance, 0, 1500)
	c.report.fault("kill-both", "%v", pids)
	defer c.begin(&c.silent)()
	return c.startAgain(ctx, away, func() error {
		// Whichever of the two is left for a moment starts the other one again.
		for ; pids[0]+pids[1] != 0; pids = []int{c.daemonPID(), c.keeperPID()} {
			if err := errors.Join(signalTo(pids[0], syscall.SIGKILL), signalTo(pids[1], syscall.SIGKILL)); err != nil {
				return err
			}
			if err := awaitGone(ctx, pids...); err != nil {
				return err
			}
		}
		return rig.Crash(c.data) // one may have started another in its last moment
	})
}

// endUpkeep ends upkeep in order, by its daemon or its keeper, and starts it again.
func endUpkeep(ctx context.Context, c *chaos, chance *rand.Rand) error {
	daemon, keeper := c.daemonPID(), c.keeperPID()
	told := daemon
	if keeper != 0 && chance.IntN(2) == 0 {
		told = keeper
	}
	away := millis(chance, 0, 1000)
	c.report.fault("end-upkeep", "SIGTERM to %d", told)
	defer c.begin(&c.silent)()
	return c.startAgain(ctx, away, func() error { return signalTo(told, syscall.SIGTERM) }, daemon, keeper)
}

func freezeDaemon(ctx context.Context, c *chaos, chance *rand.Rand) error {
	return c.freeze(ctx, "freeze-daemon", c.daemonPID(), millis(chance, 500, 4000))
}

func freezeKeeper(ctx context.Context, c *chaos, chance *rand.Rand) error {
	return c.freeze(ctx, "freeze-keeper", c.keeperPID(), millis(chance, 500, 4000))
}

// freeze stops a process of upkeep for a while.
func (c *chaos) freeze(ctx context.Context, name string, pid int, d time.Duration) error {
	c.report.fault(name, "%d for %v", pid, d)
	if err := signalTo(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	err := pause(ctx, d)
	if e := signalTo(pid, syscall.SIGCONT); e != nil {
		return e
	}
	return err
}

// upgrade replaces the daemon by another file of the same build. No request may fail, so this is no silent time.
func upgrade(ctx context.Context, c *chaos, _ *rand.Rand) error {
	before := c.daemonPID()
	c.report.fault("upgrade", "of %d", before)
	if err := c.command(ctx, "", "upgrade", c.upkeep); err != nil {
		return err
	}
	return c.awaitReady(ctx, before)
}

// killLauncher kills the processes that wait to become a service.
func killLauncher(_ context.Context, c *chaos, chance *rand.Rand) error {
	for _, p := range processes() {
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid))
		if exe == c.helper && p.pid != c.keeperPID() && p.parent == c.daemonPID() && chance.IntN(2) == 0 {
			c.report.fault("kill-launcher", "%d", p.pid)
			_ = p.send(unix.SIGKILL) // it may have become a service meanwhile, and ended
		}
	}
	return nil
}

// fillState fills the disk of upkeep's data for a while.
func fillState(ctx context.Context, c *chaos, chance *rand.Rand) error {
	d := millis(chance, 1000, 5000)
	c.report.fault("state-full", "for %v", d)
	defer c.begin(&c.full)()
	path := filepath.Join(c.data, "filler")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<16)
	for err == nil { // until nothing fits
		_, err = f.Write(block)
	}
	f.Close()
	err = pause(ctx, d)
	if e := os.Remove(path); e != nil {
		return e
	}
	return err
}
