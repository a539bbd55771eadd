package supervisor

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// Many commands in one moment, from several people, on real programs: the last one counts, no two runs ever live at
// one time, and a service that is deleted in the midst of it leaves nothing.
func TestRealCommandsInOneMoment(t *testing.T) {
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("needs flock of util-linux: ", err)
	}
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = quick()
		p.policy.StopTimeout, p.policy.BudgetLimit = 20*time.Millisecond, 1000
		s := newSite(t, p)
		command := s.script("busy", unique+"trap '' HUP; setsid sleep 1000 & sleep 1000")
		kept, deleted := s.add("busy", command), s.add("deleted", command)
		var people sync.WaitGroup
		for range 3 {
			for _, id := range []panel.ServiceID{kept, deleted} {
				people.Go(func() {
					for range 8 {
						s.command(id)
					}
				})
			}
		}
		people.Go(func() {
			time.Sleep(rand.N(50 * time.Millisecond)) // any moment will do
			check(t, s.Remove(t.Context(), deleted))
		})
		people.Wait()
		s.pause(kept)
		s.expectNothing()
		if got := s.read("doubles"); got != "" {
			t.Errorf("started while another copy lived: %s", got)
		}
		if err := s.Start(t.Context(), deleted, ann); !errors.Is(err, panel.ErrNotFound) {
			t.Errorf("start of what was deleted: %v", err)
		}
		check(t, s.Start(t.Context(), kept, ann))
		s.awaitState(kept, panel.Running)
	})
}

// command asks for something. What does not fit to the moment may be refused.
func (s *site) command(id panel.ServiceID) {
	var err error
	switch rand.N(4) {
	case 0:
		err = s.Start(s.t.Context(), id, ann)
	case 1:
		err = s.Pause(s.t.Context(), id, ann)
	default:
		_, err = s.Restart(s.t.Context(), id, rand.N(2) == 0, ann)
	}
	may := []error{nil, panel.ErrConflict, panel.ErrBusy, panel.ErrNotFound}
	if !slices.ContainsFunc(may, func(target error) bool { return errors.Is(err, target) }) {
		s.t.Errorf("a command is answered with %v", err)
	}
}

// The kernel has no room to report an exit: it is asked again until it has.
func TestWatchIsTriedAgain(t *testing.T) {
	s := newSite(t, plan{})
	id := s.add("steady", "sleep 1000")
	pid := s.awaitState(id, panel.Running).PID
	h := s.host.(*realHost)
	r, err := h.find(id, 1)
	check(t, err)
	// What is in the set already cannot be added to it.
	h.poll.forget(r.pidfd)
	check(t, unix.EpollCtl(h.poll.epoll, unix.EPOLL_CTL_ADD, r.pidfd, &unix.EpollEvent{Fd: int32(r.pidfd)}))
	h.watch(id, 1)
	send(t, pid, unix.SIGKILL)
	eventually(t, "it is a zombie", func() bool { return stateOf(pid) == "Z" })
	if st := s.status(id); st.Run != 1 || st.State != panel.Running {
		t.Errorf("status %+v: not a test of an exit that is not reported", st)
	}
	check(t, unix.EpollCtl(h.poll.epoll, unix.EPOLL_CTL_DEL, r.pidfd, nil))
	s.await(id, "in its second run", func(st panel.Status) bool { return st.Run == 2 && st.State == panel.Running })
}

// What cannot be killed is killed every second, also while a worker is held up by the kill before: that waits once.
func TestKillsWaitOnce(t *testing.T) {
	again := []action{doKill{1}, doInspect{run: 1, stop: true}}
	en := &entry{}
	for range 3 {
		en.file(again)
	}
	en.file([]action{doInspect{run: 1}, doSignal{run: 1}, doSignal{run: 1}})
	want := append(slices.Clone(again), doInspect{run: 1}, doSignal{run: 1}, doSignal{run: 1})
	if !slices.Equal(en.queue, want) {
		t.Errorf("queue %v, want %v", en.queue, want)
	}
}
