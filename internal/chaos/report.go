package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// report collects what happened and what went wrong.
type report struct {
	seed    uint64
	begun   time.Time
	verbose bool

	mu         sync.Mutex // guards what follows
	violations []string
	kinds      map[string]int
	faults     map[string]int
	actions    map[string]int
	excused    map[string]int
	skipped    []string
	notes      []string

	// Set by the audit.
	runs, births, lines, files, writers, services int
	stall                                         time.Duration
	comeBacks                                     []time.Duration
}

func newReport(o options) *report {
	return &report{seed: o.seed, verbose: o.verbose, begun: time.Now(), kinds: map[string]int{},
		faults: map[string]int{}, actions: map[string]int{}, excused: map[string]int{}}
}

// keptOfKind bounds the report: the first violations of a kind say enough.
const keptOfKind = 12

// violation notes something that must not be.
func (r *report) violation(kind, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds[kind]++; r.kinds[kind] > keptOfKind {
		return
	}
	text := fmt.Sprintf("[%s] %s: %s", r.at(time.Now()), kind, fmt.Sprintf(format, args...))
	r.violations = append(r.violations, text)
	if r.verbose {
		fmt.Println("VIOLATION", text)
	}
}

// excuse notes what a rule of the audit forgives.
func (r *report) excuse(what string, n int, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.excused[what] += n
	if r.verbose {
		fmt.Printf("excused: %s: %s\n", what, fmt.Sprintf(format, args...))
	}
}

// fault notes what struck.
func (r *report) fault(name, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[name]++
	if r.verbose {
		fmt.Printf("[%s] %s %s\n", r.at(time.Now()), name, fmt.Sprintf(format, args...))
	}
}

func (r *report) cameBack(after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.comeBacks = append(r.comeBacks, after)
}

func (r *report) skip(name, reason string) { r.skipped = append(r.skipped, name+": "+reason) }

func (r *report) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *report) bad() bool { return len(r.violations) > 0 }

// at writes a time as seconds since the beginning.
func (r *report) at(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%.3fs", t.Sub(r.begun).Seconds())
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\nseed %d, %.0f s in all\n", r.seed, time.Since(r.begun).Seconds())
	fmt.Fprintf(w, "services %d (with those that were deleted), runs %d, main processes %d, writers %d\n",
		r.services, r.runs, r.births, r.writers)
	fmt.Fprintf(w, "lines checked %d in %d files; longest write of a service %v\n", r.lines, r.files, r.stall.Round(time.Millisecond))
	if n := len(r.comeBacks); n > 0 {
		slices.Sort(r.comeBacks)
		fmt.Fprintf(w, "upkeep came back %d times, within %v (median %v)\n", n,
			r.comeBacks[n-1].Round(time.Millisecond), r.comeBacks[n/2].Round(time.Millisecond))
	}
	printCounts(w, "faults", r.faults)
	printCounts(w, "people", r.actions)
	printCounts(w, "excused by a rule", r.excused)
	for _, s := range r.skipped {
		fmt.Fprintln(w, "skipped", s)
	}
	for _, n := range r.notes {
		fmt.Fprintln(w, "note:", n)
	}
	for _, v := range r.violations {
		fmt.Fprintln(w, "VIOLATION", v)
	}
	for kind, n := range r.kinds {
		if n > keptOfKind {
			fmt.Fprintf(w, "VIOLATION … and %d more of %s\n", n-keptOfKind, kind)
		}
	}
	if !r.bad() {
		fmt.Fprintln(w, "no violation")
	}
}

func printCounts(w io.Writer, title string, counts map[string]int) {
	if len(counts) == 0 {
		return
	}
	var text []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		text = append(text, fmt.Sprintf("%s %d", name, counts[name]))
	}
	fmt.Fprintf(w, "%s: %s\n", title, strings.Join(text, ", "))
}
