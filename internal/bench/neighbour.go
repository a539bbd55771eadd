package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
	"upkeep/store"
)

// neighbourTimes is the budget: how much slower a service may answer when another account does its worst.
const neighbourTimes = 1.5

// neighbourUser is who the quiet account's service runs as: a user that every Debian has.
const neighbourUser = "games"

//go:embed testdata/neighbour.c
var neighbourInC []byte

// disturbTime is how long the other account does its worst before the second measurement begins.
const disturbTime = time.Second

// neighbour measures how quickly a service answers, alone and while a fork bomb, a memory hog and a processor hog run
// in another account.
func neighbour(ctx context.Context, b *bench, _ *world) ([]row, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("needs root, for accounts of two Unix users")
	}
	program, err := buildNeighbour(b.dir)
	if err != nil {
		return nil, err
	}
	cores := strconv.Itoa(runtime.NumCPU())
	w := &world{bench: b, dir: filepath.Join(b.dir, "neighbours"), scene: scene{name: "neighbours",
		commands: []string{program + " cpu " + cores, program + " memory", program + " forks"},
		flags:    []string{"--limit-account-memory=512MiB", "--limit-account-processes=1024"}}}
	w.data, w.upkeep = filepath.Join(w.dir, "data"), filepath.Join(w.dir, "upkeep")
	defer w.close()
	socket, err := w.settleIn(ctx, program)
	if err != nil {
		return nil, err
	}
	if w.tree == "" {
		return nil, errors.New("needs control groups")
	}
	calm, err := w.callOn(ctx, socket)
	if err != nil {
		return nil, err
	}
	for service, pid := range w.pids {
		if service <= len(w.commands) {
			err = errors.Join(err, unix.Kill(pid, unix.SIGUSR1))
		}
	}
	if err := errors.Join(err, pause(ctx, disturbTime)); err != nil {
		return nil, err
	}
	disturbed, err := w.callOn(ctx, socket)
	if err != nil {
		return nil, err
	}
	r := ratio(disturbed.p50, calm.p50)
	return []row{{
		Name: "neighbour", What: "a service answers while another account has a fork bomb, a memory hog and a processor hog",
		Measured: fmt.Sprintf("%s / %s µs; alone %s / %s µs: %.2f × / %.2f ×", micros(disturbed.p50), micros(disturbed.p95),
			micros(calm.p50), micros(calm.p95), r, ratio(disturbed.p95, calm.p95)),
		Budget: fmt.Sprintf("≤ %.1f ×", neighbourTimes), Verdict: verdict(r <= neighbourTimes),
		Values: map[string]float64{"p50_ms": ms(disturbed.p50), "p95_ms": ms(disturbed.p95), "alone_p50_ms": ms(calm.p50),
			"alone_p95_ms": ms(calm.p95), "ratio": r},
	}}, nil
}

func micros(d time.Duration) string { return fmt.Sprint(d.Microseconds()) }

func buildNeighbour(dir string) (string, error) {
	program := filepath.Join(dir, "neighbour")
	if err := os.WriteFile(program+".c", neighbourInC, 0o644); err != nil {
		return "", err
	}
	if out, err := exec.Command("cc", "-O1", "-static", "-o", program, program+".c").CombinedOutput(); err != nil {
		return "", fmt.Errorf("needs a C compiler: %w: %s", err, out)
	}
	return program, os.Chmod(program, 0o755)
}

// settleIn makes both accounts and starts everything; the socket is that of the quiet service.
func (w *world) settleIn(ctx context.Context, program string) (socket string, err error) {
	if err := w.prepare(ctx); err != nil {
		return "", err
	}
	acct, err := newAccount(filepath.Join(w.dir, "homes", "calm"), neighbourUser)
	if err != nil {
		return "", err
	}
	socket = filepath.Join(acct.Home, "socket")
	if err := w.storeQuiet(ctx, acct, program+" echo "+socket); err != nil {
		return "", err
	}
	w.bench.bell.drain()
	if w.daemon, err = w.startDaemon(ctx); err != nil {
		return "", err
	}
	w.pids, _, err = w.bench.bell.started(ctx, len(w.commands)+1, 30*time.Second)
	return socket, err
}

func (w *world) storeQuiet(ctx context.Context, acct panel.Account, command string) (err error) {
	st, err := store.Open(ctx, filepath.Join(w.data, "upkeep.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	acct.Name = "calm"
	if acct, err = st.CreateAccount(ctx, acct); err != nil {
		return err
	}
	_, err = st.CreateService(ctx, panel.Service{Account: acct.ID, Wanted: panel.WantedOn, Definition: panel.Definition{
		Name: "echo", Command: command, Environment: "BENCH_SOCKET=" + w.bench.bell.path}}, panel.Actor{})
	return err
}

func (w *world) callOn(ctx context.Context, socket string) (l latency, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l, err = answers(ctx, socket, w.bench.samples(1000))
	}()
	<-done
	return l, err
}

// answers measures from a byte sent to the same byte received, so often, with a rest in between that lets the service
// fall asleep. It has a thread of its own, before which everything else has to stand back: the visitor of a service sits
// elsewhere, and neither its waiting nor Go's scheduling is to be measured.
func answers(ctx context.Context, socket string, n int) (latency, error) {
	runtime.LockOSThread() // and never unlock: the thread ends with its goroutine
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0); err != nil {
		return latency{}, fmt.Errorf("take precedence: %w", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return latency{}, err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		return latency{}, fmt.Errorf("connect to the service: %w", err)
	}
	samples := make([]time.Duration, 0, n)
	b := []byte{'x'}
	for range n {
		begun := now()
		if _, err := unix.Write(fd, b); err != nil {
			return latency{}, err
		}
		if got, err := unix.Read(fd, b); err != nil || got != 1 {
			return latency{}, errors.Join(err, errors.New("the service has closed the connection"))
		}
		samples = append(samples, now()-begun)
		if err := ctx.Err(); err != nil {
			return latency{}, err
		}
		if err := unix.Nanosleep(&unix.Timespec{Nsec: int64(2 * time.Millisecond)}, nil); err != nil && err != unix.EINTR {
			return latency{}, err
		}
	}
	return latencyOf(samples), nil
}
