package logs

import "time"

// pace decides how long to wait for more output before moving it. Waiting is what makes capture cheap: a line
// moved alone costs as much as a thousand moved together. A service that was idle waits least, so that its
// page shows the line at once; a pipe that fills up ends the waiting, so that the program never blocks.
type pace struct {
	wait  time.Duration
	moved time.Time // when output was last moved
}

// idleAfter is how long a service must have been silent to count as idle.
const idleAfter = 100 * time.Millisecond

func (p *pace) next(now time.Time, t *tuning) time.Duration {
	if now.Sub(p.moved) > idleAfter+p.wait {
		p.wait = t.shortest
	}
	return p.wait
}

// drained learns from the n bytes that a wait brought into a pipe of the given size.
func (p *pace) drained(now time.Time, n, size int64, t *tuning) {
	p.moved = now
	switch {
	case n >= size/2:
		p.wait /= 2
		if p.wait < t.shortest {
			p.wait = 0
		}
	case n < size/8:
		p.wait = min(max(2*p.wait, t.shortest), t.longest)
	}
}
