package logs

import (
	"bytes"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/drain"
	"upkeep/internal/panel"
)

const (
	spliceBytes = 1 << 20
	// turnBytes bounds what a stream may move before others have their turn.
	turnBytes = 8 << 20
)

// drain moves output until the FIFO is empty, or limit bytes were moved: then more is true.
func (s *stream) drain(limit int64) (more bool, err error) {
	var moved int64
	for moved < limit {
		if !s.ready() {
			return false, errFull
		}
		n, err := drain.Move(s.fifo, s.out.fd, s.out.size, min(limit-moved, spliceBytes))
		if err == unix.EAGAIN {
			s.paced(moved)
			return false, nil
		}
		if err != nil && !s.fail(err) {
			return false, errFull
		}
		if n > 0 {
			moved += n
			s.wrote()
		}
	}
	return true, nil
}

// drainPresent moves what is in the FIFO now, and not what comes meanwhile.
func (s *stream) drainPresent() error {
	n, err := unread(s.fifo)
	if err != nil {
		return err
	}
	_, err = s.drain(n)
	return err
}

// mark writes a line of upkeep's own behind the output that is there.
func (s *stream) mark(line string) error {
	if s.fifo < 0 {
		return panel.ErrNotFound
	}
	if err := s.drainPresent(); err != nil {
		return err
	}
	for s.ready() {
		err := s.out.append(line)
		if err == nil {
			s.wrote()
			return nil
		}
		if !s.fail(err) {
			break
		}
	}
	return errFull
}

// append writes a line at the end of the file, and before it a newline when the last line is unfinished.
func (o *output) append(line string) error {
	last := []byte{'\n'}
	if o.size > 0 {
		if _, err := unix.Pread(o.fd, last, o.size-1); err != nil {
			return err
		}
	}
	text := []byte(line)
	if !bytes.Equal(last, []byte{'\n'}) {
		text = append([]byte{'\n'}, text...)
	}
	for off := o.size; len(text) > 0; {
		n, err := unix.Pwrite(o.fd, text, off)
		if err != nil {
			return err
		}
		text, off = text[n:], off+int64(n)
	}
	return nil
}

func (s *stream) paced(moved int64) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.pace.drained(time.Now(), moved, s.capacity, &s.l.tuning)
}
