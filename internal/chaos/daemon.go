package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// address is that of the panel in the cell, where every port is free.
const address = "127.0.0.1:8080"

// The policy under test: the times of the design made shorter, so that a few minutes see everything.
const (
	stopTimeout   = 2 * time.Second
	budgetLimit   = 10
	budgetWindow  = 5 * time.Minute
	backoffDelays = "0s,200ms,500ms,1s,2s"
)

// serve starts upkeep and waits until it is ready.
func (h *host) serve(ctx context.Context) error {
	said, err := os.OpenFile(h.saidPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer said.Close()
	before := h.daemonPID()
	cmd := h.arguments("serve", "--listen", address, "--helper", h.helper, "--stop-timeout", stopTimeout.String(),
		"--budget-failures", strconv.Itoa(budgetLimit), "--budget-window", budgetWindow.String(), "--backoff", backoffDelays)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // how it ended is seen by what it leaves
	return h.awaitReady(ctx, before)
}

// saidPath is the file of upkeep's own log.
func (h *host) saidPath() string { return filepath.Join(h.dir, "said") }

// comeBack is more than any take-over here needs, on a machine that others keep busy too.
const comeBack = 45 * time.Second

// awaitReady waits for a daemon that is not the one of before and answers.
func (h *host) awaitReady(ctx context.Context, before int) error {
	err := until(ctx, comeBack, func() bool { pid := h.daemonPID(); return pid != 0 && pid != before && answers() })
	if err != nil {
		return fmt.Errorf("upkeep does not come back: %w", err)
	}
	return nil
}

// answers reports whether the panel says that it is ready.
func answers() bool {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + address + "/readyz")
	if err != nil {
		return false
	}
	r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// until waits for a condition.
func until(ctx context.Context, patience time.Duration, met func() bool) error {
	for deadline := time.Now().Add(patience); !met(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v", patience)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// daemonPID is the process of the daemon; 0 when none lives.
func (h *host) daemonPID() int { return h.holder("lock") }

// keeperPID is the process of the keeper; 0 when none lives, or upkeep has none.
func (h *host) keeperPID() int { return h.holder("keeper.lock") }

// holder reads the process that wrote its number into a file of the data directory, if it lives.
func (h *host) holder(name string) int {
	text, err := os.ReadFile(filepath.Join(h.data, name))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil || filepath.Dir(exe) != filepath.Dir(h.upkeep) {
		return 0
	}
	if p, ok := readProcess(pid); !ok || p.zombie() {
		return 0
	}
	return pid
}

// signalTo sends a signal to one process.
func signalTo(pid int, sig syscall.Signal) error {
	if pid == 0 {
		return nil
	}
	if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal %v to process %d: %w", sig, pid, err)
	}
	return nil
}

// awaitGone waits until none of the processes lives.
func awaitGone(ctx context.Context, pids ...int) error {
	err := until(ctx, 20*time.Second, func() bool {
		for _, pid := range pids {
			if p, ok := readProcess(pid); ok && !p.zombie() {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("processes %v do not end: %w", pids, err)
	}
	return nil
}
