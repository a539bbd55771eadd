package templates

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

const day = 24 * time.Hour

// Duration writes a length of time with its two largest units: "14 ms", "2.1 s", "4 min 12 s", "12 d 4 h". What
// is negative counts as zero.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second && d > 0:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second && d%time.Second >= 50*time.Millisecond:
		return fmt.Sprintf("%.1f s", math.Floor(d.Seconds()*10)/10)
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return units(d, time.Minute, "min", time.Second, "s")
	case d < day:
		return units(d, time.Hour, "h", time.Minute, "min")
	}
	return units(d, day, "d", time.Hour, "h")
}

// units leaves the smaller one out where it is zero, or too small to matter.
func units(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	n, rest := d/large, d%large/small
	if rest == 0 || n >= 30 {
		return fmt.Sprintf("%d %s", n, largeName)
	}
	return fmt.Sprintf("%d %s %d %s", n, largeName, rest, smallName)
}

// Since is how long ago t was, in whole seconds: "12 d 4 h".
func Since(t, now time.Time) string { return Duration(now.Sub(t).Truncate(time.Second)) }

// Until is how far away t is: "in 4 s", or "now".
func Until(t, now time.Time) string {
	d := t.Sub(now)
	if d <= 0 {
		return "now"
	}
	return "in " + Duration((d + time.Second - 1).Truncate(time.Second))
}

// Ago is [Since] with its largest unit only: "2 h ago". What is older than a month is a date.
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < day:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	case d < 31*day:
		return fmt.Sprintf("%d d ago", d/day)
	}
	return t.Format("2 Jan 2006")
}

// exact is a time as somebody reads it who wants to know it precisely, with the zone.
func exact(t time.Time) string { return t.Format("Mon 2 Jan 2006, 15:04:05 UTC-07:00") }

// clock is a time of today, or of another day with its date.
func clock(t, now time.Time) string {
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	if t.Year() == now.Year() {
		return t.Format("2 Jan, 15:04")
	}
	return t.Format("2 Jan 2006, 15:04")
}

// stamp is a time for programs.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Bytes is a size in decimal units: "94 MB". What is negative counts as zero.
func Bytes(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// Percent is a share of one core: 0.031 is "3.1 %". What is negative is not known yet: "–".
func Percent(share float64) string {
	percent := share * 100
	switch {
	case share < 0 || math.IsNaN(share):
		return "–"
	case percent < 9.95:
		return strconv.FormatFloat(percent, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(percent, 'f', 0, 64) + " %"
}

// count is "1 failure", "3 failures".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = capital(s)
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

func capital(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 || first == utf8.RuneError {
		return s
	}
	return string(unicode.ToUpper(first)) + s[n:]
}
