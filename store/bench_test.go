package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// manyServices fills an account with 1,000 services.
func manyServices(b *testing.B) (*Store, panel.Account) {
	s := newStore(b)
	a := newAccount(b, s, "acme")
	for i := range 1000 {
		newService(b, s, a, fmt.Sprintf("service-%04d", i))
	}
	return s, a
}

func benchRun(id panel.ServiceID, number int) panel.RunStart {
	return panel.RunStart{Service: id, Number: number, Version: 1, Cause: panel.CauseExit, At: time.Now(),
		Identity: panel.Identity{BootID: "5b1c2b80-6e7a-4c29-9a3b-0f1d7f6c2b11", PID: 4711, StartTicks: 123456,
			Inode: 1 << 33, Cgroup: "/sys/fs/cgroup/upkeep/acme/17/42", Marker: "abcdefgh-17-42"}}
}

// BenchmarkRun is what the store adds to one death and start of a service, among 1,000.
func BenchmarkRun(b *testing.B) {
	s, _ := manyServices(b)
	ctx := context.Background() // as in the supervisor, where nothing cancels it
	pace := panel.Pace{Failures: []time.Time{time.Now(), time.Now(), time.Now()}, Tries: 2, NextTry: time.Now()}
	var begin, end time.Duration
	n := 0
	for b.Loop() {
		id, number := panel.ServiceID(1+n%1000), 1+n/1000
		n++
		t0 := time.Now()
		if err := s.BeginRun(ctx, benchRun(id, number)); err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		exit := panel.Exit{Kind: panel.EndExited, Code: 1, Run: number, At: time.Now(), Uptime: time.Second}
		if err := s.EndRun(ctx, id, exit, pace); err != nil {
			b.Fatal(err)
		}
		begin, end = begin+t1.Sub(t0), end+time.Since(t1)
	}
	b.ReportMetric(float64(begin.Microseconds())/float64(n), "µs/begin")
	b.ReportMetric(float64(end.Microseconds())/float64(n), "µs/end")
}

func BenchmarkServices(b *testing.B) {
	s, a := manyServices(b)
	for b.Loop() {
		if all, err := s.Services(b.Context(), a.ID); err != nil || len(all) != 1000 {
			b.Fatal(len(all), err)
		}
	}
}

func BenchmarkRestartsSince(b *testing.B) {
	s, a := manyServices(b)
	for n := range 5000 {
		if err := s.BeginRun(b.Context(), benchRun(panel.ServiceID(1+n%1000), 1+n/1000)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		counts, err := s.RestartsSince(b.Context(), a.ID, time.Now().Add(-time.Hour))
		if err != nil || len(counts) != 1000 {
			b.Fatal(len(counts), err)
		}
	}
}

func BenchmarkAddEvent(b *testing.B) {
	s, a := manyServices(b)
	ctx := context.Background()
	n := 0
	for b.Loop() {
		n++
		ev := panel.Event{Account: a.ID, Service: panel.ServiceID(1 + n%1000), ServiceName: "service",
			Kind: panel.EventEnded, Exit: &panel.Exit{Kind: panel.EndSignaled, Signal: 9, At: time.Now()}}
		if err := s.AddEvent(ctx, ev); err != nil {
			b.Fatal(err)
		}
	}
}
