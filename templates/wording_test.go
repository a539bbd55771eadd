package templates

import (
	"math"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                      "0 s",
		0:                                 "0 s",
		400 * time.Microsecond:            "0 ms",
		14 * time.Millisecond:             "14 ms",
		2 * time.Second:                   "2 s",
		2010 * time.Millisecond:           "2 s",
		2190 * time.Millisecond:           "2.1 s",
		59*time.Second + 999999999:        "59 s",
		time.Minute:                       "1 min",
		4*time.Minute + 12*time.Second:    "4 min 12 s",
		46*time.Minute + 12*time.Second:   "46 min",
		2*time.Hour + 11*time.Minute:      "2 h 11 min",
		292 * time.Hour:                   "12 d 4 h",
		31*24*time.Hour + 4*time.Hour:     "31 d",
		400*24*time.Hour + 23*time.Minute: "400 d",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour:              "just now",
		999 * time.Millisecond:  "just now",
		3 * time.Second:         "3 s ago",
		119 * time.Second:       "1 min ago",
		25 * time.Hour:          "1 d ago",
		30*24*time.Hour + 1:     "30 d ago",
		40 * 24 * time.Hour:     "21 Jun 2026",
		2*time.Hour + time.Hour: "3 h ago",
	} {
		if got := Ago(noon.Add(-d), noon); got != want {
			t.Errorf("Ago, %v before: %q, want %q", d, got, want)
		}
	}
}

func TestUntil(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:            "now",
		0:                       "now",
		time.Millisecond:        "in 1 s",
		4 * time.Second:         "in 4 s",
		3001 * time.Millisecond: "in 4 s",
	} {
		if got := Until(noon.Add(d), noon); got != want {
			t.Errorf("Until, %v away: %q, want %q", d, got, want)
		}
	}
}

func TestSince(t *testing.T) {
	if got := Since(noon.Add(-4900*time.Millisecond), noon); got != "4 s" {
		t.Errorf("4.9 s are %q, want whole seconds", got)
	}
}

func TestClockNamesTheDayThatIsNotToday(t *testing.T) {
	for want, at := range map[string]time.Time{
		"13:02:12":           before(time.Hour),
		"30 Jul, 14:02":      before(day),
		"31 Jul 2025, 14:02": before(365 * day),
	} {
		if got := clock(at, noon); got != want {
			t.Errorf("%v is %q, want %q", at, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{-1: "0 B", 0: "0 B", 94_000_000: "94 MB", 4_200_000: "4.2 MB", 1_300_000_000: "1.3 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{-1: "–", 0: "0.0 %", 0.031: "3.1 %", 0.0996: "10 %", 1.42: "142 %"} {
		if got := Percent(share); got != want {
			t.Errorf("Percent(%v) = %q, want %q", share, got, want)
		}
	}
	if got := Percent(math.NaN()); got != "–" {
		t.Errorf("what is no number is %q", got)
	}
}

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"1 process": count(1, "process"), "2 processes": count(2, "process"),
		"0 failures": count(0, "failure"), "1 failure": count(1, "failure"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSentence(t *testing.T) {
	for in, want := range map[string]string{"": "", "exit status 1": "Exit status 1.", "Done.": "Done.", "élan": "Élan."} {
		if got := sentence(in); got != want {
			t.Errorf("sentence(%q) = %q, want %q", in, got, want)
		}
	}
}
