package supervisor

import (
	"sync"

	"golang.org/x/sys/unix"

	"upkeep/internal/launcher"
	"upkeep/internal/process"
)

// maxSpares is how many launchers wait. One hides the helper's own start (some 3 ms) behind a crash; the second
// one is for the service that dies in the same moment. Each costs some 2 MB.
const maxSpares = 2

// spare is a launcher with its identity, which stays the same when it becomes the program.
type spare struct {
	*launcher.Launcher
	startTicks uint64
	inode      uint64
}

// spares keeps launchers ready.
type spares struct {
	helper string

	mu      sync.Mutex
	ready   []*spare
	owned   map[int]bool // PIDs of launchers that are no run yet
	forking int          // launchers that are being started: their PIDs are not known yet
	filling bool
	closed  bool
	group   sync.WaitGroup
}

func newSpares(helper string) *spares {
	s := &spares{helper: helper, owned: map[int]bool{}}
	s.refill()
	return s
}

// take returns a launcher that waits, or a new one when all are in use.
func (s *spares) take() (*spare, error) {
	s.mu.Lock()
	var sp *spare
	if len(s.ready) > 0 {
		sp = s.ready[0]
		s.ready = append(s.ready[:0], s.ready[1:]...)
	}
	s.mu.Unlock()
	s.refill()
	if sp != nil {
		return sp, nil
	}
	return s.start()
}

// start starts a launcher. From the fork on nobody else may wait for it.
func (s *spares) start() (*spare, error) {
	s.mu.Lock()
	s.forking++
	s.mu.Unlock()
	l, err := launcher.Start(s.helper)
	s.mu.Lock()
	s.forking--
	if err == nil {
		s.owned[l.PID] = true
	}
	s.mu.Unlock()
	poke()
	if err != nil {
		return nil, err
	}
	sp := &spare{Launcher: l}
	if sp.startTicks, sp.inode, err = process.Identity(l.PidFD, l.PID); err != nil {
		s.discard(sp)
		return nil, err
	}
	return sp, nil
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

// refill starts launchers in the background until enough wait. When one cannot be started the next take tries
// again and reports it.
func (s *spares) refill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filling || s.closed || len(s.ready) >= maxSpares {
		return
	}
	s.filling = true
	s.group.Go(s.fill)
}

func (s *spares) fill() {
	for {
		s.mu.Lock()
		if s.closed || len(s.ready) >= maxSpares {
			s.filling = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		sp, err := s.start()
		s.mu.Lock()
		if err != nil {
			s.filling = false
			s.mu.Unlock()
			return
		}
		s.ready = append(s.ready, sp)
		s.mu.Unlock()
	}
}

// lost notes that a launcher that waited has died, and reports whether it was one.
func (s *spares) lost(pid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, sp := range s.ready {
		if sp.PID == pid {
			s.ready = append(s.ready[:i], s.ready[i+1:]...)
			delete(s.owned, pid)
			sp.Dismiss()
			return true
		}
	}
	return false
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

// discard ends a launcher that nothing was asked of, and reaps it.
func (s *spares) discard(sp *spare) {
	fd := sp.PidFD
	sp.PidFD = -1
	sp.Dismiss()
	if fd >= 0 {
		waitPidfd(fd)
		unix.Close(fd)
	}
	s.disown(sp.PID)
	poke()
}
