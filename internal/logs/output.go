package logs

import (
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/keeper"
)

// output is the file that a stream's bytes go to.
type output struct {
	fd       int
	path     string
	fallback bool
	size     int64 // when last looked at: where the next byte goes
	verified time.Time
}

// formerSuffix is added to the name of a fallback file that has grown too large: the one before stays.
const formerSuffix = ".former"

// openFallback opens upkeep's own file for a service.
func (l *Logs) openFallback(s *stream) (*output, error) {
	path := l.fallbackPath(s.id)
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return &output{fd: fd, path: path, fallback: true}, nil
}

// look reports whether the file may be written on: it was not deleted, linked, given away or moved from its
// place. It reads the size last, because the account may write to the file or truncate it too: the less time
// passes before bytes are put at that place, the better. Only O_APPEND would close the gap, which splice refuses.
func (o *output) look(src Source, now time.Time, t *tuning) bool {
	if !o.fallback && now.Sub(o.verified) >= t.verifyEvery {
		o.verified = now
		if !leadsTo(src, o.fd) {
			return false
		}
	}
	var st unix.Stat_t
	if unix.Fstat(o.fd, &st) != nil || st.Nlink == 0 {
		return false
	}
	o.size = st.Size
	if o.fallback {
		return st.Size < t.keep
	}
	return soundFile(st, src) == nil
}

// ready brings the stream to a file that can be written on, at its end.
func (s *stream) ready() bool {
	now, t := time.Now(), &s.l.tuning
	if o := s.out; o != nil && (!o.fallback || now.Before(s.retryHome)) && o.look(s.src, now, t) {
		return true
	}
	s.reopen()
	// A new file that does not even last until here leads to another try later, not to a loop.
	return s.out != nil && s.out.look(s.src, now, t)
}

// reopen finds the file anew: the home's, or upkeep's own if that one refuses.
func (s *stream) reopen() {
	fd, err := openHome(s.src, writing)
	if err != nil {
		s.unsure = false
		s.useFallback(err)
		return
	}
	s.setOutput(&output{fd: fd, path: s.src.path(), verified: time.Now()})
	if !s.unsure {
		s.setTrouble(nil, nil)
	}
}

// useFallback leaves the home, for a while, because of err.
func (s *stream) useFallback(err error) {
	s.retryHome = time.Now().Add(s.l.retryHome)
	s.rotateFallback()
	o, own := s.l.openFallback(s)
	s.setOutput(o)
	if own == nil {
		own = s.ownErr // until it has taken bytes
	}
	s.setTrouble(err, own)
}

// rotateFallback keeps an account that refuses its own log from filling upkeep's disk: of what is written
// meanwhile, the last part is kept.
func (s *stream) rotateFallback() {
	path := s.l.fallbackPath(s.id)
	var st unix.Stat_t
	if unix.Lstat(path, &st) == nil && st.Size >= s.l.keep {
		if err := unix.Rename(path, path+formerSuffix); err != nil {
			s.l.log.Error("begin new fallback log", "service", s.id, "err", err)
		}
	}
}

// fail is told that a write to the output failed, and moves on to the next best file. It reports whether
// there is one.
func (s *stream) fail(err error) bool {
	if s.out.fallback {
		s.setOutput(nil)
		s.setTrouble(s.homeErr, err)
		return false
	}
	s.unsure = true
	s.useFallback(err)
	return s.out != nil
}

// wrote is told that the output took bytes.
func (s *stream) wrote() {
	if s.out.fallback {
		s.setTrouble(s.homeErr, nil)
		return
	}
	s.unsure = false
	s.setTrouble(nil, nil)
}

func (s *stream) setOutput(o *output) {
	if s.out != nil {
		unix.Close(s.out.fd)
	}
	s.out = o
	path := ""
	if o != nil {
		path = o.path
		s.holdOutput()
	}
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.path = path
}

// holdOutput gives the keeper the log file. The fallback it finds by itself, in the folder that it holds, and keeps it
// from growing too large.
func (s *stream) holdOutput() {
	name := keeper.Log(int64(s.id))
	switch {
	case s.out == nil:
	case s.out.fallback:
		s.l.keeper.Drop(name)
	default:
		s.l.keeper.Put(name, s.out.fd)
	}
}

// setTrouble remembers why the home, and why upkeep's own file, takes nothing.
func (s *stream) setTrouble(home, own error) {
	if home == nil && s.homeErr == nil {
		return
	}
	s.homeErr, s.ownErr = home, own
	text := sentence(home, own)
	s.l.mu.Lock()
	changed := s.trouble != text
	s.trouble = text
	s.l.mu.Unlock()
	if changed {
		s.l.log.Info("log file", "service", s.id, "trouble", text)
	}
}
