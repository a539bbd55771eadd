package supervisor

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// held is what the engine's process holds at a moment.
type held struct {
	descriptors, goroutines, children, groups int
}

func (s *site) held() held {
	s.t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	check(s.t, err)
	h := held{descriptors: len(names), goroutines: runtime.NumGoroutine(), groups: len(s.groups())}
	self := fmt.Sprint(os.Getpid())
	for _, pid := range allProcesses(s.t) {
		if statField(pid, 4) == self {
			h.children++
		}
	}
	return h
}

// settled waits until nothing changes any more and all launchers wait that ought to.
func (s *site) settled() held {
	s.t.Helper()
	host := s.host.(*realHost)
	last := held{}
	eventually(s.t, "nothing changes any more", func() bool {
		host.spares.mu.Lock()
		full := len(host.spares.ready) == 1 && !host.spares.filling // one account, one launcher
		host.spares.mu.Unlock()
		now := s.held()
		same := now == last
		last = now
		return full && same
	})
	return last
}

// forgetful is a Journal that stores nothing. The real one has tests of its own, and takes ten times as long under the
// race detector as everything else.
type forgetful struct{ Journal }

func (forgetful) BeginRun(context.Context, panel.RunStart) error { return nil }
func (forgetful) AddEvent(context.Context, panel.Event) error    { return nil }

func (forgetful) EndRun(context.Context, panel.ServiceID, panel.Exit, panel.Pace) error { return nil }

func (forgetful) SetWanted(context.Context, panel.ServiceID, panel.Wanted, panel.Actor, time.Time, panel.Event) (panel.Service, error) {
	return panel.Service{}, nil
}

// Five hundred starts and stops leave nothing behind: no descriptor, goroutine, zombie or control group.
func TestNoLeaks(t *testing.T) {
	p := quick()
	p.StartPeriod = time.Millisecond
	s := newSite(t, plan{policy: p, journal: func(j Journal) Journal { return forgetful{j} }})
	var ids []panel.ServiceID
	for i := range 4 {
		svc := s.declare(fmt.Sprint("sleep-", i), "sleep 1000", func(svc *panel.Service) { svc.Wanted = panel.WantedPaused })
		check(t, s.Add(t.Context(), svc, s.account, ann))
		ids = append(ids, svc.ID)
	}
	s.cycle(ids, 5)
	before := s.settled()
	s.cycle(ids, 500/len(ids))
	// The number of goroutines that the runtime keeps for timers and of idle connections may still fall.
	eventually(t, fmt.Sprintf("it holds what it held before, %+v", before), func() bool {
		now := s.settled()
		return now.descriptors <= before.descriptors && now.goroutines <= before.goroutines &&
			now.children <= before.children && now.groups <= before.groups
	})
	if runs := s.status(ids[0]).Run; runs != 5+500/len(ids) {
		t.Errorf("%d runs", runs)
	}
}

// cycle starts and pauses the services, each so many times, all of them at once.
func (s *site) cycle(ids []panel.ServiceID, times int) {
	s.t.Helper()
	var group sync.WaitGroup
	errs := make([]error, len(ids))
	for i, id := range ids {
		group.Go(func() {
			for n := 0; n < times && errs[i] == nil; n++ {
				if errs[i] = s.Start(s.t.Context(), id, ann); errs[i] == nil {
					errs[i] = s.Pause(s.t.Context(), id, ann)
				}
			}
		})
	}
	group.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		s.t.Fatal(errs[i])
	}
}

// An engine that ends gives everything back.
func TestEndGivesBack(t *testing.T) {
	s := newSite(t, plan{})
	id := s.add("sleep", "sleep 1000")
	s.awaitState(id, panel.Running)
	s.leave()
	before := s.held()
	for range 5 {
		s.enter()
		s.leave()
	}
	eventually(t, fmt.Sprintf("it holds what it held before, %+v", before), func() bool {
		now := s.held()
		return now.descriptors <= before.descriptors && now.goroutines <= before.goroutines && now.children <= before.children
	})
	s.enter()
	if st := s.status(id); st.Run != 1 || st.State != panel.Running {
		t.Errorf("status %+v", st)
	}
}
