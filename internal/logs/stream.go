package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/keeper"
	"upkeep/internal/panel"
)

// stream is the output of one service. At most one worker at a time has its turn with a stream; fields are the
// worker's own unless marked.
type stream struct {
	l       *Logs
	id      panel.ServiceID
	account panel.AccountID

	// Guarded by Logs.mu.
	requests []request
	queued   bool // a turn is waiting or under way
	again    bool // … and another one is wanted behind it
	pace     pace
	path     string
	trouble  string

	src       Source
	fifo      int   // -1 when the stream is not open
	capacity  int64 // of the FIFO, in bytes
	out       *output
	retryHome time.Time // while out is the fallback: not to be tried before
	unsure    bool      // the home took no bytes when last written to: no good news until it does
	homeErr   error     // why output does not go to the home
	ownErr    error     // why it does not go to the fallback either
}

// request is something to do with a stream, in the order of asking. serve answers errFull to be asked again
// later. end is told the outcome, once.
type request struct {
	ctx   context.Context // nil: cannot be given up
	serve func(*stream) error
	end   func(error)
}

var (
	errFull   = errors.New("neither the log file nor upkeep's own takes output")
	errEnded  = errors.New("log capture has ended")
	errLocked = errors.New("the keeper moves the output")
)

func ignore(error) {}

// enqueue hands a request to the stream of a service, or returns an error. With a source the stream is made if
// it is missing.
func (l *Logs) enqueue(id panel.ServiceID, src *Source, r request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return errEnded
	}
	s := l.streams[id]
	if s == nil && src == nil {
		return panel.ErrNotFound
	}
	if s == nil {
		s = &stream{l: l, id: id, account: src.Account, fifo: -1}
		l.streams[id] = s
	}
	s.requests = append(s.requests, r)
	l.schedule(s)
	return nil
}

// schedule asks for a turn of the stream. The caller holds mu.
func (l *Logs) schedule(s *stream) {
	if s.queued {
		s.again = true
		return
	}
	s.queued = true
	l.pool.submit(s.account, s.turn)
}

// turn is one worker's visit: first what was asked for, then what stands in the FIFO.
func (s *stream) turn() {
	s.settle(s.visit())
}

// visit is a turn's work. Only the holder of the service's lock does it: a keeper that moved the output while this
// daemon was stopped or starved may not be done.
func (s *stream) visit() (more bool, err error) {
	if !s.l.drains.Try(int64(s.id)) {
		if s.l.isEnded() { // nobody looks at deadlines any more: the worker itself waits
			time.Sleep(s.l.retryLocked)
		}
		return false, errLocked
	}
	defer s.l.drains.Give(int64(s.id))
	if err = s.answer(); err == nil && s.fifo >= 0 {
		more, err = s.drain(turnBytes)
	}
	return more, err
}

// answer serves the requests. It stops at one that must wait for space.
func (s *stream) answer() error {
	for {
		s.l.mu.Lock()
		if len(s.requests) == 0 {
			s.l.mu.Unlock()
			return nil
		}
		r, ended := s.requests[0], s.l.ended
		s.l.mu.Unlock()

		err := r.givenUp()
		if err == nil {
			err = r.serve(s)
		}
		if errors.Is(err, errFull) && !ended {
			return err
		}
		s.l.mu.Lock()
		s.requests = slices.Delete(s.requests, 0, 1)
		if len(s.requests) == 0 {
			s.requests = nil // an idle stream keeps nothing of what was asked
		}
		s.l.mu.Unlock()
		r.end(err)
	}
}

func (r request) givenUp() error {
	if r.ctx == nil {
		return nil
	}
	return r.ctx.Err()
}

// settle ends a turn: the stream waits for output, for space, or for its next turn.
func (s *stream) settle(more bool, err error) {
	l := s.l
	if err == nil && !more && s.fifo >= 0 {
		s.arm() // before giving up the stream: afterwards the descriptor may be another's
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, errLocked) && !l.ended:
		s.again, s.queued = false, false
		l.later(s, l.retryLocked)
	case err != nil && !s.again && !l.ended:
		s.queued = false
		l.later(s, l.retryFull)
	case s.again || errors.Is(err, errLocked) || (err == nil && (more || len(s.requests) > 0)):
		s.again = false
		l.pool.submit(s.account, s.turn)
	default:
		s.queued = false
		if s.fifo < 0 && l.streams[s.id] == s {
			delete(l.streams, s.id)
		}
	}
}

// begin opens the FIFO, if it is not open yet, and a writing end of it when asked to.
func (s *stream) begin(src Source, writer bool) (*os.File, error) {
	s.src = src
	path := s.l.fifoPath(s.id)
	if err := ensureFIFO(path, src); err != nil {
		return nil, err
	}
	if s.fifo >= 0 && !sameFile(s.fifo, path) {
		// The FIFO was replaced. What the former one holds is the log's, what is still written to it is not.
		if err := s.drainPresent(); err != nil {
			return nil, err
		}
		s.leave()
	}
	if s.fifo < 0 {
		if err := s.watch(path); err != nil {
			return nil, err
		}
		s.l.keeper.Put(keeper.FIFO(int64(s.id)), s.fifo)
	}
	if !writer {
		return nil, nil
	}
	// Reading and writing, so that the program is never sent SIGPIPE, and blocking, because O_NONBLOCK would
	// belong to the program too.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s to write: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// end closes the stream when its FIFO is empty.
func (s *stream) end() error {
	if s.fifo < 0 {
		return panel.ErrNotFound
	}
	if err := s.drainPresent(); err != nil {
		if !s.l.isEnded() {
			return err
		}
		s.l.log.Warn("output may be lost", "service", s.id, "err", err)
	}
	if !s.l.isEnded() { // else the keeper takes over
		s.l.keeper.Drop(keeper.FIFO(int64(s.id)))
		s.l.keeper.Drop(keeper.Log(int64(s.id)))
	}
	s.leave()
	return nil
}

// hold gives the keeper what the stream has open.
func (s *stream) hold() error {
	if s.fifo < 0 {
		return nil
	}
	s.l.keeper.Put(keeper.FIFO(int64(s.id)), s.fifo)
	s.holdOutput()
	return nil
}

// leave closes what the stream has open.
func (s *stream) leave() {
	s.setOutput(nil)
	unix.Close(s.fifo) // which also takes it out of the epoll set
	s.fifo = -1
}
