package main

import (
	"fmt"
	"slices"
	"time"
)

// latency is the distribution of a few hundred measurements.
type latency struct{ p50, p95 time.Duration }

func latencyOf(samples []time.Duration) latency {
	if len(samples) == 0 {
		return latency{}
	}
	slices.Sort(samples)
	return latency{p50: samples[len(samples)/2], p95: samples[len(samples)*95/100]}
}

func (l latency) String() string { return fmt.Sprintf("%s / %s ms", millis(l.p50), millis(l.p95)) }

// millis shows a time with about three digits.
func millis(d time.Duration) string {
	ms := d.Seconds() * 1000
	if ms < 10 {
		return fmt.Sprintf("%.2f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// ratio is how many times longer a took than b.
func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }
