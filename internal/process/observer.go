package process

import (
	"sync"
	"time"

	"upkeep/internal/panel"
)

const (
	// minBaseline is the shortest time over which CPU use is told: below, the 10 ms of a clock tick show.
	minBaseline = 250 * time.Millisecond
	// maxBaseline is the longest that still counts as "the last moments".
	maxBaseline = time.Minute
	// sweepEvery is how often samples that are too old are thrown away.
	sweepEvery = 10 * time.Second
)

// Observer tells what services use. It remembers what it saw before, because CPU use is a difference between two
// looks. It is safe for concurrent use, and several viewers do not disturb each other.
type Observer struct {
	now func() time.Time

	mu      sync.Mutex
	seen    map[subject]history
	sweepAt time.Time
}

// subject is what CPU time is sampled of: a process (service 0), or a run.
type subject struct {
	service panel.ServiceID
	pid     int
	start   uint64
	cgroup  string
}

// history holds two looks, so that one that follows another too closely still has a baseline.
type history struct {
	before, last sample
}

type sample struct {
	at  time.Time
	cpu time.Duration // used since the start
}

// NewObserver returns an observer that has seen nothing: CPU use is unknown at the first look.
func NewObserver() *Observer {
	return &Observer{now: time.Now, seen: map[subject]history{}}
}

// rate records the CPU time of a subject and returns its use of one core since the baseline, negative when there
// is none.
func (o *Observer) rate(s subject, now sample) float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	h := o.seen[s]
	base := h.last
	if now.at.Sub(h.last.at) < minBaseline {
		base = h.before
	} else {
		o.seen[s] = history{before: h.last, last: now}
	}
	age := now.at.Sub(base.at)
	if base.at.IsZero() || age < minBaseline || age > maxBaseline {
		return -1
	}
	// The sum over the processes of a group falls when one ends that nobody waited for.
	return max(0, float64(now.cpu-base.cpu)/float64(age))
}

// sweep forgets what was not looked at for so long that it cannot be a baseline any more; all ended processes are
// among it.
func (o *Observer) sweep(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Before(o.sweepAt) {
		return
	}
	o.sweepAt = now.Add(sweepEvery)
	for s, h := range o.seen {
		if now.Sub(h.last.at) > maxBaseline {
			delete(o.seen, s)
		}
	}
}
