package process

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"upkeep/internal/panel"
)

// snapshot is all processes of the machine at one moment, or nearly one.
type snapshot struct {
	boot     string
	stats    map[int]stat
	children map[int][]int
	environs map[int]environ // read when first asked for
}

func scan(ctx context.Context) (*snapshot, error) {
	boot, err := BootID()
	if err != nil {
		return nil, err
	}
	pids, err := allPIDs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	s := &snapshot{
		boot:     boot,
		stats:    make(map[int]stat, len(pids)),
		children: map[int][]int{},
		environs: map[int]environ{},
	}
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		st, err := readStat(pid)
		if err != nil {
			continue // ended meanwhile
		}
		s.stats[pid] = st
		s.children[st.parent] = append(s.children[st.parent], pid)
	}
	return s, nil
}

// members returns the living processes of a run that has no control group.
func (s *snapshot) members(id panel.Identity) []int {
	if id.BootID != s.boot {
		return nil
	}
	in := map[int]bool{}
	for _, pid := range s.roots(id) {
		s.addWithDescendants(pid, in)
	}
	var pids []int
	for pid := range in {
		if !s.stats[pid].zombie() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// roots returns the processes that belong to the run by themselves, not by descent.
func (s *snapshot) roots(id panel.Identity) []int {
	var roots []int
	for pid, st := range s.stats {
		switch {
		case st.start < id.StartTicks:
		case pid == id.PID:
			if st.start == id.StartTicks {
				roots = append(roots, pid)
			}
		case id.Marker != "" && s.environ(pid).marked(id.Marker):
			roots = append(roots, pid)
		}
	}
	return append(roots, s.session(id)...)
}

// session returns the processes in the session of the main process.
//
// A number is not given to a new process while a session carries it. So if the main process is still there, or at
// least a zombie, the session is its own; if another has its number, none is left of that session. If nobody has
// the number, either the main process is gone and left its session behind, or a later process had the same number,
// made a session and is gone too. One process that carries the run's marker proves the first; one whose
// environment can be read and lacks the marker speaks for the second. An environment that is blank says nothing:
// programs that change their title write over it.
func (s *snapshot) session(id panel.Identity) []int {
	if id.PID == 0 {
		return nil
	}
	if main, ok := s.stats[id.PID]; ok && main.start != id.StartTicks {
		return nil
	}
	var pids []int
	marked, foreign := false, false
	for pid, st := range s.stats {
		if st.session != id.PID || st.start < id.StartTicks {
			continue
		}
		pids = append(pids, pid)
		env := s.environ(pid)
		marked = marked || env.marked(id.Marker)
		foreign = foreign || !env.blank()
	}
	if _, ok := s.stats[id.PID]; !ok && foreign && !marked && id.Marker != "" {
		return nil
	}
	return pids
}

// addWithDescendants stops at the calling process: what that has started is not the service's.
func (s *snapshot) addWithDescendants(pid int, in map[int]bool) {
	if in[pid] || pid == os.Getpid() {
		return
	}
	in[pid] = true
	for _, child := range s.children[pid] {
		s.addWithDescendants(child, in)
	}
}

// environ is the initial environment of a process as it is in its memory now.
type environ []byte

// maxEnviron bounds what is read of one environment; the kernel allows a process 2 MiB and more of arguments.
const maxEnviron = 1 << 20

func (s *snapshot) environ(pid int) environ {
	if env, ok := s.environs[pid]; ok {
		return env
	}
	env, err := readHead(procPath(pid, "environ"), maxEnviron)
	if err != nil {
		env = nil // gone, or another user's
	}
	s.environs[pid] = env
	return env
}

func (e environ) marked(marker string) bool {
	want := []byte("RUN_ID=" + marker)
	for entry := range bytes.SplitSeq(e, []byte{0}) {
		if bytes.Equal(entry, want) {
			return true
		}
	}
	return false
}

// blank reports whether nothing is left that looks like a variable.
func (e environ) blank() bool { return bytes.IndexByte(e, '=') < 0 }
