package logs

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const (
		ms   = time.Millisecond
		pipe = int64(pipeBytes)
	)
	u := defaultTuning(0)
	now := time.Unix(1000, 0)
	tests := []struct {
		name  string
		wait  time.Duration // before
		moved int64
		idle  time.Duration // between the drain and the next output
		want  time.Duration
	}{
		{"first busy moments", 2 * ms, 100, ms, 4 * ms},
		{"busy with little", 32 * ms, 100, ms, 50 * ms},
		{"busy with little for long", 50 * ms, 100, ms, 50 * ms},
		{"busy with much", 8 * ms, pipe / 4, ms, 8 * ms},
		{"the pipe fills", 8 * ms, pipe / 2, ms, 4 * ms},
		{"the pipe is full", 2 * ms, pipe, ms, 0},
		{"still full", 0, pipe, ms, 0},
		{"not full any more", 0, 100, ms, 2 * ms},
		{"was idle", 50 * ms, 100, time.Second, 2 * ms},
		{"a pause shorter than the wait", 50 * ms, 100, 140 * ms, 50 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pace{wait: tt.wait}
			p.drained(now, tt.moved, pipe, &u)
			if got := p.next(now.Add(tt.idle), &u); got != tt.want {
				t.Errorf("wait: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPaceOfASmallLimit(t *testing.T) {
	u := defaultTuning(time.Millisecond)
	var p pace
	if got := p.next(time.Unix(1000, 0), &u); got != time.Millisecond {
		t.Errorf("wait: got %v, want the limit", got)
	}
}
