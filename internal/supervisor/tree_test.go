package supervisor

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// tree is a program that makes it hard to be stopped: it takes no notice of SIGTERM, and neither do its children, of
// which some have left its session or their parents.
const tree = `trap '' TERM HUP
sleep 1000 &
setsid sleep 1000 &
setsid sh -c 'sleep 1000 & sleep 1000' &
(setsid sh -c 'sleep 1000 & exec sleep 1000' &)
(sleep 1000 &)
while :; do sleep 1000; done
`

// members of the tree: the main process, its sleep, and 1 + 1 + 3 + 2 + 1.
const treeSize = 10

func TestTree(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = quick()
		p.policy.StopTimeout = 50 * time.Millisecond
		s := newSite(t, p)
		id := s.add("tree", s.script("tree", tree))
		s.awaitState(id, panel.Running)
		eventually(t, "the tree has grown", func() bool { return len(s.members(id)) == treeSize })
		first, _ := s.Identity(id)
		s.pause(id)
		s.expectNothing()
		if e := s.status(id).LastExit; e.Signal != int(unix.SIGKILL) || !e.Asked || e.LeftForeground {
			t.Errorf("exit %+v", e)
		}
		// Nothing of the run that was killed gets in the way of the next one.
		check(t, s.Start(t.Context(), id, ann))
		second, ok := s.Identity(id)
		if !ok || s.usesGroups() && second.Cgroup == first.Cgroup || second.Marker == first.Marker {
			t.Errorf("identity %+v, before %+v", second, first)
		}
		eventually(t, "the tree has grown again", func() bool { return len(s.members(id)) == treeSize })
		if o, err := s.Restart(t.Context(), id, true, ann); err != nil || o.Result != panel.Replaced {
			t.Errorf("restart: %+v, %v", o, err)
		}
	})
}

// The main process ends, and a helper that holds its output stays: the end is seen at once, and the helper stopped.
func TestRealLeftForeground(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = once()
		s := newSite(t, p)
		id := s.add("background", s.script("background", "sleep 1000 &\nsetsid sleep 1000 &\necho started; exit 0"))
		st := s.awaitState(id, panel.Disabled)
		if e := st.LastExit; !e.LeftForeground || e.Kind != panel.EndExited || e.Code != 0 || e.Asked {
			t.Errorf("exit %+v", e)
		}
		s.expectNothing()
	})
}

// A process that was stopped by SIGSTOP acts on SIGTERM at once: the stop timeout is an hour.
func TestStopOfStopped(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = quick()
		p.policy.StopTimeout = time.Hour
		s := newSite(t, p)
		plain := s.add("plain", "sleep 1000")
		// Through a shell everybody is told, so also the child that is stopped.
		shell := s.add("shell", "sleep 1000; echo done")
		for _, id := range []panel.ServiceID{plain, shell} {
			s.awaitState(id, panel.Running)
			eventually(t, "everything runs", func() bool { return len(s.members(id)) == 1+boolInt(id == shell) })
			for _, pid := range s.members(id) {
				send(t, pid, unix.SIGSTOP)
				eventually(t, "it stands still", func() bool { return stateOf(pid) == "T" })
			}
			s.pause(id)
		}
		s.expectNothing()
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// stateOf is the letter that /proc has for the state of a process; empty when there is none.
func stateOf(pid int) string { return statField(pid, 3) }

// statField is a field of /proc/PID/stat, counted from 1 as in proc(5).
func statField(pid, n int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest)[n-3]
}

// Orphans of services become upkeep's children and are reaped, whoever their parent was.
func TestOrphansAreReaped(t *testing.T) {
	s := newSite(t, plan{})
	id := s.add("orphans", s.script("orphans", `i=0; while [ $i -lt 50 ]; do (true &); i=$((i+1)); done
true & echo > ready
exec sleep 1000`)) // sleep never waits for its child
	s.awaitState(id, panel.Running)
	eventually(t, "all orphans were made", func() bool { return s.read("ready") != "" })
	eventually(t, "no orphan is a zombie", func() bool { return len(zombies(t)) == 0 })
	s.pause(id)
	eventually(t, "no zombie is left", func() bool { return len(zombies(t)) == 0 })
}

// zombies are the children of this process that nobody has waited for.
func zombies(t *testing.T) []int {
	t.Helper()
	var found []int
	for _, pid := range allProcesses(t) {
		if stateOf(pid) == "Z" && statField(pid, 4) == strconv.Itoa(os.Getpid()) {
			found = append(found, pid)
		}
	}
	return found
}

// A script that runs its program as a child: the child is asked to stop too, once its parent is gone, and not
// killed after the stop timeout, which is an hour here.
func TestPauseAsksWhatIsLeft(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = quick()
		p.policy.StopTimeout = time.Hour
		s := newSite(t, p)
		id := s.add("script", s.script("script", `sh -c 'trap "echo polite > asked; exit" TERM; echo > ready; while :; do sleep 0.02; done'
echo not reached`))
		s.awaitState(id, panel.Running)
		eventually(t, "the child runs", func() bool { return s.read("ready") != "" })
		s.pause(id)
		s.expectNothing()
		if s.read("asked") == "" {
			t.Error("the child was not asked")
		}
	})
}

// Nobody is asked twice: the children of a shell get SIGTERM with it, and no second one when it has gone.
func TestPauseAsksOnce(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		s := newSite(t, p)
		text := `trap 'echo $$ >> asked; i=0; while [ $i -lt 20 ]; do sleep 0.01; i=$((i+1)); done; exit' TERM
echo >> ready
while :; do sleep 0.01; done`
		child := s.script("child", text)
		id := s.add("pipe", child+" | "+child+"; echo over")
		s.awaitState(id, panel.Running)
		eventually(t, "the children run", func() bool { return strings.Count(s.read("ready"), "\n") == 2 })
		s.pause(id)
		if got := strings.Fields(s.read("asked")); len(got) != 2 || got[0] == got[1] {
			t.Errorf("asked: %v, want each of the two once", got)
		}
	})
}
