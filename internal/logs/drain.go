package logs

import (
	"bytes"
	"strings"
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

// append writes a line at the end of the file, and before it a newline when the last line is unfinished. It writes
// nothing when the last line says so already, up to its first colon: a daemon before has died between the line and the
// record of what it tells.
func (o *output) append(line string) error {
	said, err := o.says(line)
	if err != nil || said {
		return err
	}
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

// says reports whether the last line of the file is the same as line up to its first colon.
func (o *output) says(line string) (bool, error) {
	head, _, _ := strings.Cut(strings.TrimPrefix(line, ownPrefix), ":")
	head = "\n" + ownPrefix + head
	end := make([]byte, min(o.size, maxOwnLine))
	if _, err := unix.Pread(o.fd, end, o.size-int64(len(end))); err != nil {
		return false, err
	}
	if int64(len(end)) == o.size {
		end = append([]byte{'\n'}, end...)
	}
	end, finished := bytes.CutSuffix(end, []byte{'\n'})
	last := bytes.LastIndexByte(end, '\n')
	return finished && last >= 0 && bytes.HasPrefix(end[last:], []byte(head)), nil
}

const (
	// ownPrefix begins a line of upkeep's own.
	ownPrefix = "upkeep: "
	// maxOwnLine is more bytes than the line of a run's end has, a long path in it aside.
	maxOwnLine = 512
)

func (s *stream) paced(moved int64) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.pace.drained(time.Now(), moved, s.capacity, &s.l.tuning)
}
