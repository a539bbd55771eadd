package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	var samples []time.Duration
	for i := 100; i > 0; i-- {
		samples = append(samples, time.Duration(i))
	}
	if got, want := latencyOf(samples), (latency{p50: 51, p95: 96}); got != want {
		t.Errorf("latency of 1 to 100: got %v, want %v", got, want)
	}
	if got := latencyOf(nil); got != (latency{}) {
		t.Errorf("latency of nothing: got %v, want zero", got)
	}
}

// A check of a log that cannot fail would prove nothing.
func TestCheckLines(t *testing.T) {
	line := func(number string) string { return number + strings.Repeat("x", lineBytes-numberDigits-1) + "\n" }
	one, two, three := line("000000000001"), line("000000000002"), line("000000000003")
	for _, c := range []struct {
		name         string
		text         string
		lines, wrong int
	}{
		{"whole", one + two + three, 3, 0},
		{"with a line of upkeep's own", one + "upkeep: run 1 started, pid 7\n" + two, 2, 0},
		{"lost", one + three, 2, 1},
		{"doubled", one + one + two, 3, 1},
		{"torn", one + two[:40] + "\n" + three, 3, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(file, []byte("before\n"+c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			lines, wrong, err := checkLines(file, int64(len("before\n")))
			if err != nil || lines != c.lines || wrong != c.wrong {
				t.Errorf("got %d lines, %d wrong, %v; want %d, %d, no error", lines, wrong, err, c.lines, c.wrong)
			}
		})
	}
}
