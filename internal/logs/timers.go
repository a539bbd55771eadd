package logs

import (
	"container/heap"
	"sync"
	"time"
)

// timers are the deadlines of all streams. The loop waits for the earliest.
type timers struct {
	mu   sync.Mutex
	heap deadlines
}

type deadline struct {
	at time.Time
	s  *stream
}

// add reports whether the new deadline is the earliest.
func (t *timers) add(at time.Time, s *stream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	heap.Push(&t.heap, deadline{at, s})
	return t.heap[0].s == s && t.heap[0].at.Equal(at)
}

// due takes out what has come, and says how many milliseconds the next one is away: -1 when there is none.
func (t *timers) due(now time.Time) (come []*stream, millis int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.heap) > 0 && !t.heap[0].at.After(now) {
		come = append(come, heap.Pop(&t.heap).(deadline).s)
	}
	if len(t.heap) == 0 {
		return come, -1
	}
	return come, int((t.heap[0].at.Sub(now) + time.Millisecond - 1) / time.Millisecond)
}

type deadlines []deadline

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *deadlines) Push(x any)        { *d = append(*d, x.(deadline)) }
func (d *deadlines) Pop() any {
	last := (*d)[len(*d)-1]
	(*d)[len(*d)-1] = deadline{} // so that the stream can be freed
	*d = (*d)[:len(*d)-1]
	return last
}
