package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/failpoint"
	"upkeep/internal/launcher"
	"upkeep/internal/process"
)

// maxSpares is how many launchers wait: one for each of the accounts that started something last. It hides the
// helper's own start (some 3 ms) where the next crash is most likely, and costs some 2 MB.
const maxSpares = 2

// spare is a launcher with its identity, which stays the same when it becomes the program.
type spare struct {
	*launcher.Launcher
	account    string
	group      string // control group of the run to come; empty where there are none
	limits     cgroup.Group
	join       bool // the launcher has to join the group by itself
	startTicks uint64
	inode      uint64
}

// spares keeps launchers ready.
//
// Each waits inside the control group of the run it will become. To move into one later costs a write to
// cgroup.procs, for which the kernel waits until every processor has let go of a lock: 12 ms where everything else
// of a start takes two. To be cloned into one costs nothing.
type spares struct {
	helper  string
	tree    *cgroup.Tree // nil where control groups cannot be used
	limiter *cgroup.Limiter
	clone   bool         // launchers can be cloned into a group
	serial  atomic.Int64 // of the next group; begins with the time, so that no group was ever another upkeep's

	mu      sync.Mutex
	ready   []*spare     // oldest first, at most one an account
	owned   map[int]bool // PIDs of launchers that are no run yet
	forking int          // launchers that are being started: their PIDs are not known yet
	wish    string       // account that a launcher shall be kept ready for
	filling bool
	closed  bool
	group   sync.WaitGroup
}

func newSpares(helper string, tree *cgroup.Tree, limiter *cgroup.Limiter) *spares {
	s := &spares{helper: helper, tree: tree, limiter: limiter, owned: map[int]bool{}}
	s.serial.Store(time.Now().UnixMicro())
	s.clone = tree != nil && s.cloneWorks()
	return s
}

// cloneWorks tries to clone a launcher into a group. It fails where clone3 is refused, and on kernels that kill
// such a child at once when upkeep's own group was ever cgroup.killed.
func (s *spares) cloneWorks() bool {
	s.clone = true
	sp, err := s.start("self-test", runRoom)
	if err != nil {
		return false
	}
	status, ok := s.discard(sp)
	return ok && status.Signal() == launcher.Ended
}

// take returns a launcher for the account: one that waits, or a new one.
func (s *spares) take(account string) (*spare, error) {
	sp := s.pickIf(func(sp *spare) bool { return sp.account == account })
	s.want(account)
	if sp != nil {
		return sp, nil
	}
	return s.start(account, runRoom)
}

// pickIf takes a launcher that waits out of the list; nil when none fits.
func (s *spares) pickIf(fits func(*spare) bool) *spare {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.ready, fits)
	if i < 0 {
		return nil
	}
	sp := s.ready[i]
	s.ready = slices.Delete(s.ready, i, i+1)
	return sp
}

// runRoom is the directory of an account's control groups in which runs live.
const runRoom = "run"

// start starts a launcher. From the fork on nobody else may wait for it.
func (s *spares) start(account, room string) (*spare, error) {
	sp := &spare{account: account}
	err := s.makeGroups(sp, room)
	if err == nil {
		err = s.fork(sp)
	}
	if err != nil {
		s.dropGroups(sp)
		return nil, err
	}
	if sp.startTicks, sp.inode, err = process.Identity(sp.PidFD, sp.PID); err != nil {
		s.discard(sp)
		return nil, err
	}
	return sp, nil
}

// makeGroups makes the control groups of a run, or a check, to come.
func (s *spares) makeGroups(sp *spare, room string) (err error) {
	serial := int(s.serial.Add(1))
	if s.tree != nil {
		if sp.group, err = s.tree.Create(sp.account, room, serial); err != nil {
			return err
		}
		sp.join = !s.clone
	}
	sp.limits, err = s.limiter.Create(sp.account, room, serial)
	return err
}

func (s *spares) fork(sp *spare) (err error) {
	into := -1
	if sp.group != "" && !sp.join {
		dir, err := os.Open(sp.group)
		if err != nil {
			return fmt.Errorf("start launcher: %w", err)
		}
		defer dir.Close()
		into = int(dir.Fd())
	}
	s.mu.Lock()
	s.forking++
	s.mu.Unlock()
	sp.Launcher, err = launcher.StartIn(s.helper, into)
	s.mu.Lock()
	s.forking--
	if err == nil {
		s.owned[sp.PID] = true
	}
	s.mu.Unlock()
	poke()
	failpoint.At("spare.forked")
	return err
}

// cgroups are the files that the launcher has to write itself into.
func (sp *spare) cgroups() []string {
	files := sp.limits.Joins()
	if sp.join {
		files = append(files, filepath.Join(sp.group, "cgroup.procs"))
	}
	return files
}

// owns reports whether pid is, or may be, a launcher that is no run yet.
func (s *spares) owns(pid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owned[pid] || s.forking > 0
}

// disown hands a launcher over to the run that it became, or forgets one that was reaped.
func (s *spares) disown(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owned, pid)
}

// want has a launcher kept ready for the account. When one cannot be started the next take tries again and
// reports it.
func (s *spares) want(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wish = account
	if s.filling || s.closed {
		return
	}
	s.filling = true
	s.group.Go(s.fill)
}

func (s *spares) fill() {
	for {
		account, ok := s.next()
		if !ok {
			return
		}
		if sp, err := s.start(account, runRoom); err == nil {
			s.keep(sp)
		}
	}
}

// next is the account that has to get a launcher; false ends the filling.
func (s *spares) next() (account string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account, s.wish = s.wish, ""
	for _, sp := range s.ready {
		if sp.account == account {
			account = ""
		}
	}
	s.filling = account != "" && !s.closed
	return account, s.filling
}

// keep adds a launcher, in place of the oldest one when there are enough.
func (s *spares) keep(sp *spare) {
	s.mu.Lock()
	s.ready = append(s.ready, sp)
	var old *spare
	if len(s.ready) > maxSpares {
		old = s.ready[0]
		s.ready = slices.Delete(s.ready, 0, 1)
	}
	s.mu.Unlock()
	if old != nil {
		s.discard(old)
	}
}

// lost notes that a launcher that waited has died, and reports whether it was one.
func (s *spares) lost(pid int) bool {
	sp := s.pickIf(func(sp *spare) bool { return sp.PID == pid })
	if sp == nil {
		return false
	}
	s.disown(pid)
	sp.Dismiss()
	s.dropGroups(sp)
	return true
}

// dismiss ends all that wait.
func (s *spares) dismiss() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.group.Wait()
	for _, sp := range s.ready {
		s.discard(sp)
	}
	s.ready = nil
}

// discard ends a launcher that nothing was asked of, and reaps it. Only the self-test cares for how it ended.
func (s *spares) discard(sp *spare) (status syscall.WaitStatus, ok bool) {
	fd := sp.PidFD
	sp.PidFD = -1
	sp.Dismiss()
	if fd >= 0 {
		status, ok = waitPidfd(fd, 0)
		unix.Close(fd)
	}
	s.disown(sp.PID)
	s.dropGroups(sp)
	poke()
	return status, ok
}

// leaveTime is how long a launcher that has ended may take to leave its control group: far less, in fact.
const leaveTime = 100 * time.Millisecond

// dropGroups removes the control groups of a launcher that became nothing. One that cannot be removed is in nobody's
// way: its name is never used again, and it is swept away in the end.
func (s *spares) dropGroups(sp *spare) {
	if sp.group != "" {
		_ = cgroup.RemoveAfter(sp.group, leaveTime)
	}
	s.limiter.Remove(sp.limits)
}
