package supervisor

import (
	"container/heap"
	"time"
)

// deadlines is the heap of every service's next deadline, earliest first.
type deadlines []*entry

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

func (d *deadlines) Push(x any) {
	en := x.(*entry)
	en.index = len(*d)
	*d = append(*d, en)
}

func (d *deadlines) Pop() any {
	old := *d
	en := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	en.index = -1
	return en
}

// reschedule moves an entry to its new deadline; a zero one takes it out.
func (l *loop) reschedule(en *entry, due time.Time) {
	en.due = due
	switch {
	case due.IsZero() && en.index >= 0:
		heap.Remove(&l.deadlines, en.index)
	case due.IsZero():
	case en.index >= 0:
		heap.Fix(&l.deadlines, en.index)
	default:
		heap.Push(&l.deadlines, en)
	}
}

// arm sets the one timer to the earliest deadline.
func (l *loop) arm() {
	if len(l.deadlines) == 0 {
		l.timer.Stop()
		return
	}
	l.timer.Reset(time.Until(l.deadlines[0].due))
}

// expire applies evDeadline to every service whose time has come.
func (l *loop) expire(now time.Time) {
	for len(l.deadlines) > 0 && !l.deadlines[0].due.After(now) {
		en := l.deadlines[0]
		l.apply(en, evDeadline{})
		if en.index >= 0 && !en.due.After(now) {
			// The machine still wants the same moment: look again a little later rather than spin.
			l.reschedule(en, now.Add(time.Millisecond))
		}
	}
}
