package supervisor

import (
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/keeper"
	"upkeep/internal/panel"
	"upkeep/internal/process"
)

// statuses is a Keeper that notes which exit statuses the pidfds it gets tell.
type statuses map[string]int

func (s statuses) Put(name string, fd int) {
	if status, known := process.ExitStatus(fd, 0); known {
		s[name] = status.ExitStatus()
	}
}
func (s statuses) Drop(string)             {}
func (s statuses) List(string) keeper.Held { return keeper.Held{} }
func (s statuses) OnRefill(func())         {}

// TestExitSurvivesTheNextKeeper: a main process ended while upkeep was away, and what it left behind is still being
// stopped. The keeper that knows how it ended may be killed before that is stored; the next one can still tell.
func TestExitSurvivesTheNextKeeper(t *testing.T) {
	needStatusOfReaped(t)
	run := panel.RunStart{Service: 7, Number: 3, At: time.Now()}
	run.Marker = "held-test-7-3"
	kept, stray := endedWithStray(t, &run)
	defer unix.Kill(stray, unix.SIGKILL)
	held := statuses{}
	limiter, err := cgroup.NewLimiter("held", nil, panel.Limits{}, panel.Limits{})
	check(t, err)
	defer limiter.Close()
	h := &realHost{Config: Config{Keeper: held, Log: slog.New(slog.DiscardHandler)}, bootID: run.BootID, limiter: limiter,
		runs: map[panel.ServiceID]*liveRun{}, mains: map[int]bool{}}
	name := keeper.Run(7, 3, run.PID)
	h.left = keeper.Held{FDs: map[string]int{name: kept}}
	ev, err := h.takeOver(t.Context(), panel.Service{ID: 7}, panel.Account{Shared: true, Name: "nobody's"}, panel.Recovery{RunStart: run, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	if adopted, ok := ev.(evAdopt); !ok || adopted.ended == nil || adopted.ended.Code != 42 {
		t.Fatalf("got %+v, want a run that ended with status 42 and left something", ev)
	}
	check(t, h.tookOver(t.Context(), nil))
	clear(held)
	h.refillKeeper()
	if status, ok := held[name]; !ok || status != 42 {
		t.Errorf("the next keeper learns %v, want 42", held)
	}
	unix.Close(h.runs[7].pidfd)
}

// endedWithStray runs a program that leaves another one behind and exits with 42, and returns its pidfd and the PID of
// the other.
func endedWithStray(t *testing.T, run *panel.RunStart) (pidfd, stray int) {
	t.Helper()
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	run.PID, err = syscall.ForkExec("/bin/sh", []string{"sh", "-c", "sleep 1000 >/dev/null & echo $!; exit 42"}, &syscall.ProcAttr{
		Env: []string{"PATH=/usr/bin:/bin", "RUN_ID=" + run.Marker}, Files: []uintptr{0, w.Fd(), 2},
		Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
	})
	check(t, err)
	w.Close()
	_, err = fmt.Fscan(r, &stray)
	check(t, err)
	run.StartTicks, run.Inode, err = process.Identity(pidfd, run.PID)
	check(t, err)
	run.BootID, err = process.BootID()
	check(t, err)
	if _, ok := waitPidfd(pidfd, 0); !ok {
		t.Fatal("the program cannot be waited for")
	}
	return pidfd, stray
}
