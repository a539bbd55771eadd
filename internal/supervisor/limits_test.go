package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// limited is a site whose host keeps limits by control groups.
func limited(t *testing.T, p plan, needs func(panel.Enforcement) bool) *site {
	t.Helper()
	needGroups(t)
	p.user = newUser(t, "a")
	s := newSite(t, p)
	if e := s.Limits().Enforcement; !needs(e) {
		t.Skip("needs control groups that limit: ", e.Sentence())
	}
	return s
}

func byMemory(e panel.Enforcement) bool    { return e.Memory }
func byProcesses(e panel.Enforcement) bool { return e.Processes }
func byCPU(e panel.Enforcement) bool       { return e.CPU }

const mib = 1 << 20

// greedy is a program that wants 256 MiB and never ends by itself.
const greedy = `exec perl -e '$x = "a" x (256 << 20); sleep 1000'`

// A service that takes more memory than it, or its account, may have is ended, and the reason is known: at once, in
// the history, and by the next upkeep.
func TestOutOfMemory(t *testing.T) {
	needProgram(t, "/usr/bin/perl")
	for name, l := range map[string]panel.HostLimits{
		"of the service": {Service: panel.Limits{Memory: 64 * mib}},
		"of the account": {Account: panel.Limits{Memory: 64 * mib}, Service: panel.Limits{Memory: 1024 * mib}},
	} {
		t.Run(name, func(t *testing.T) {
			s := limited(t, plan{policy: once(), limits: l}, byMemory)
			modest := s.add("modest", "sleep 1000")
			before := s.awaitState(modest, panel.Running)
			for service, command := range map[string]string{"main": s.script("main", greedy), "shell": "cd . && " + s.script("child", greedy+"; exit 1") + " && sleep 1000"} {
				id := s.add(service, command)
				st := s.awaitState(id, panel.Disabled)
				if e := st.LastExit; !e.OutOfMemory || e.Asked || e.Host {
					t.Errorf("%s: exit %+v, want one for memory", service, e)
				}
				eventually(t, "it is stored and logged", func() bool {
					runs, err := s.store.Runs(t.Context(), id, 10)
					return err == nil && len(runs) == 1 && runs[0].End != nil && runs[0].End.OutOfMemory &&
						strings.Contains(s.log(service), "out of memory")
				})
			}
			if st := s.status(modest); st.PID != before.PID || st.State != panel.Running {
				t.Errorf("the other service: %+v", st)
			}
			s.pause(modest)
			if e := s.status(modest).LastExit; e.OutOfMemory {
				t.Errorf("a pause counts as out of memory: %+v", e)
			}
		})
	}
}

// The kernel may choose a helper: then the service has not ended, and a later kill by a pause is not one for memory.
func TestOutOfMemoryOfChild(t *testing.T) {
	needProgram(t, "/usr/bin/perl")
	p := once()
	p.StopTimeout = 100 * time.Millisecond
	s := limited(t, plan{policy: p, limits: panel.HostLimits{Service: panel.Limits{Memory: 64 * mib}}}, byMemory)
	id := s.add("main", s.script("main", "trap '' TERM\n"+strings.TrimPrefix(greedy, "exec ")+" &\nwait $!\necho $? > child\nexec sleep 1000"))
	eventually(t, "the helper is killed", func() bool { return s.read("child") == "137\n" })
	if st := s.awaitState(id, panel.Running); st.Run != 1 {
		t.Errorf("status %+v", st)
	}
	s.pause(id)
	if e := s.status(id).LastExit; e.Signal != 9 || !e.Asked || e.OutOfMemory {
		t.Errorf("exit %+v, want a kill that was asked for", e)
	}
}

// What ends for memory while upkeep is away is known too.
func TestOutOfMemoryWhileAway(t *testing.T) {
	needProgram(t, "/usr/bin/perl")
	s := limited(t, plan{policy: once(), limits: panel.HostLimits{Service: panel.Limits{Memory: 64 * mib}}}, byMemory)
	id := s.add("main", s.script("main", "until test -e go; do sleep 0.01; done\n"+greedy))
	pid := s.awaitState(id, panel.Running).PID
	s.leave()
	check(t, os.WriteFile(filepath.Join(s.account.Home, "go"), nil, 0o644))
	eventually(t, "it is killed", func() bool { return statField(pid, 3) == "Z" || statField(pid, 3) == "" })
	s.enter()
	// It was the child of this process, which did not wait for it: its status is known, or said to be unknown.
	st := s.awaitState(id, panel.Disabled)
	if e := st.LastExit; !e.OutOfMemory || e.Signal != 9 {
		t.Errorf("exit %+v, want one for memory", e)
	}
}

// bomb forks as fast as it can, for ever, and is deaf to SIGTERM.
const bomb = `exec perl -e '$SIG{TERM} = "IGNORE"; $SIG{CHLD} = "IGNORE"; while (1) { fork() }'`

// A fork bomb is held by the limit of its service, or of its account, and a pause ends all of it.
func TestForkBomb(t *testing.T) {
	needProgram(t, "/usr/bin/perl")
	const most = 40
	for name, l := range map[string]panel.HostLimits{
		"of the service": {Service: panel.Limits{Processes: most}},
		"of the account": {Account: panel.Limits{Processes: most}},
	} {
		t.Run(name, func(t *testing.T) {
			p := quick()
			p.StopTimeout = 200 * time.Millisecond
			s := limited(t, plan{policy: p, limits: l}, byProcesses)
			id := s.add("bomb", s.script("bomb", bomb))
			s.awaitState(id, panel.Running)
			eventually(t, "the limit is reached", func() bool { return len(s.members(id)) == most })
			for range 20 {
				if n := len(s.members(id)); n > most {
					t.Fatalf("%d processes, want at most %d", n, most)
				}
			}
			s.pause(id)
			s.expectNothing()
			// The account can work again.
			calm := s.add("calm", "sleep 1000")
			s.awaitState(calm, panel.Running)
		})
	}
}

// Without control groups the processes of the account's user are counted.
func TestForkBombWithoutGroups(t *testing.T) {
	needProgram(t, "/usr/bin/perl")
	const most = 40
	p := quick()
	p.StopTimeout = 200 * time.Millisecond
	s := newSite(t, plan{policy: p, user: newUser(t, "a"), noCgroup: true,
		limits: panel.HostLimits{Account: panel.Limits{Processes: most}}})
	if e := s.Limits().Enforcement; !e.PerUser || e.Processes {
		t.Errorf("enforcement %+v", e)
	}
	id := s.add("bomb", s.script("bomb", bomb))
	s.awaitState(id, panel.Running)
	eventually(t, "the limit is reached", func() bool { return len(s.members(id)) >= most-1 })
	for range 20 {
		if n := len(s.members(id)); n > most {
			t.Fatalf("%d processes, want at most %d", n, most)
		}
	}
	s.pause(id)
	s.expectNothing()
}

const spin = "while :; do :; done"

// used is the processor time of a process, user and system.
func used(t *testing.T, pid int) time.Duration {
	t.Helper()
	var ticks int
	for _, field := range []int{14, 15} {
		n, err := strconv.Atoi(statField(pid, field))
		check(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // of a clock that ticks 100 times a second
}

// throttled reports whether a v1 group of the process, or the one of its account, had to wait because of its cap.
func (s *site) throttled(pid int) bool {
	for _, file := range s.host.(*realHost).limiter.Of(pid, "").Joins() {
		run := filepath.Dir(file)
		for _, dir := range []string{run, filepath.Dir(filepath.Dir(run))} {
			text, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
			if err == nil && strings.Contains(string(text), "nr_throttled ") && !strings.Contains(string(text), "nr_throttled 0\n") {
				return true
			}
		}
	}
	return false
}

// An account with a cap gets no more, however idle the machine is.
func TestCPUCap(t *testing.T) {
	for name, l := range map[string]panel.HostLimits{
		"of the service": {Service: panel.Limits{CPUPercent: 20}},
		"of the account": {Account: panel.Limits{CPUPercent: 20}, Service: panel.Limits{CPUPercent: 400}},
	} {
		t.Run(name, func(t *testing.T) {
			s := limited(t, plan{limits: l}, byCPU)
			pid := s.awaitState(s.add("spin", s.script("spin", spin)), panel.Running).PID
			if s.Limits().Rung == panel.RungV1 {
				eventually(t, "it has to wait", func() bool { return s.throttled(pid) })
			}
			from, begun := used(t, pid), time.Now()
			// The cap is of every tenth of a second, and a tick is a hundredth.
			time.Sleep(time.Second)
			share := (used(t, pid) - from).Seconds() / time.Since(begun).Seconds()
			if share > 0.28 || share < 0.02 {
				t.Errorf("%.0f %% of a processor, want at most 20", share*100)
			}
		})
	}
}

// Two accounts get the same share of a processor, however many processes each has.
func TestCPUShares(t *testing.T) {
	needGroups(t)
	s, bob := twoAccounts(t, plan{})
	if e := s.Limits().Enforcement; !e.CPU {
		t.Skip("needs control groups that limit: ", e.Sentence())
	}
	var crowd []int
	for i := range 4 {
		name := fmt.Sprint("spin-", i)
		crowd = append(crowd, s.awaitState(s.add(name, "taskset -c 0 "+s.script(name, spin)), panel.Running).PID)
	}
	var single int
	s.as(bob, func() {
		single = s.awaitState(s.add("spin", "taskset -c 0 "+s.script("spin", spin)), panel.Running).PID
	})
	total := func() (sum time.Duration) {
		for _, pid := range crowd {
			sum += used(t, pid)
		}
		return sum
	}
	fromCrowd, fromSingle := total(), used(t, single)
	time.Sleep(1500 * time.Millisecond) // a share is one of a time
	ofCrowd, ofSingle := total()-fromCrowd, used(t, single)-fromSingle
	if r := ofSingle.Seconds() / ofCrowd.Seconds(); r < 0.7 {
		t.Errorf("one program of an account got %v, four of another one %v; want the same", ofSingle, ofCrowd)
	}
}
