package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// An audit that cannot fail would prove nothing. These tests show it what it must find.

// scene is a run of which only the report is looked at.
func scene() *chaos {
	return &chaos{host: &host{report: newReport(options{}), instance: "i", kills: map[string]bool{}}}
}

// line is what a writer writes.
func line(stream string, number int) string {
	return fmt.Sprintf("%s %d %s~\n", stream, number, padding)
}

// held opens files with these contents as those of an audit.
func held(t *testing.T, contents ...string) []*heldFile {
	t.Helper()
	var files []*heldFile
	for i, text := range contents {
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files = append(files, &heldFile{f, path})
	}
	return files
}

func TestLines(t *testing.T) {
	one, two, three := line("i-1-1.0", 1), line("i-1-1.0", 2), line("i-1-1.0", 3)
	other := line("i-2-1.0", 1)
	for _, c := range []struct {
		name  string
		files []string
		lines uint64 // that the book counts
		full  bool   // the disk was full at some time
		want  string // part of the only violation; empty for none
	}{
		{"whole", []string{one + two + three}, 3, false, ""},
		{"with lines of upkeep's own", []string{"upkeep: run 1 started, pid 7\n" + one + two + "upkeep: run 1 ended\n"}, 2, false, ""},
		{"in two files", []string{one + three, two}, 3, false, ""},
		{"killed between line and book", []string{one + two + three}, 2, false, ""},
		{"lost", []string{one + three}, 3, false, "missing of 3: 2"},
		{"lost at the end", []string{one + two}, 3, false, "missing of 3: 3"},
		{"doubled", []string{one + two, two + three}, 3, false, "doubled: 2"},
		{"in the wrong order", []string{two + one + three}, 3, false, "out of order"},
		{"never written", []string{one + two + three}, 1, false, "line 3 is there"},
		{"torn", []string{one + two + three[:20] + "\n"}, 2, false, "neither a line"},
		{"cut in two by a full disk", []string{one + two[:20], two[20:] + three}, 3, true, ""},
		{"cut in two, and the first file come back to", []string{one[:20] + three, one[20:] + two}, 3, true, ""},
		{"cut in two for no reason", []string{one + two[:20], two[20:] + three}, 3, false, "no disk was full"},
		{"nobody's", []string{one + other}, 1, false, "no book"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := scene()
			if c.full {
				x.full = []span{{time.Now(), time.Now()}}
			}
			x.held = map[fileID]*heldFile{}
			for i, f := range held(t, c.files...) {
				x.held[fileID{ino: uint64(i)}] = f
			}
			x.homes, x.data = t.TempDir(), t.TempDir()
			b := &book{stream: "i-1-1.0", run: "i-1-1", lines: c.lines, alive: time.Now(), last: time.Now()}
			if err := x.auditLines([]*book{b}); err != nil {
				t.Fatal(err)
			}
			wantViolation(t, x, c.want)
		})
	}
}

// wantViolation looks for exactly one violation with a text, or for none.
func wantViolation(t *testing.T, x *chaos, want string) {
	t.Helper()
	got := x.report.violations
	if want == "" && len(got) == 0 {
		return
	}
	if want == "" || len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("got %q, want one with %q", got, want)
	}
}

// Lines may be lost only when nobody held the FIFO, and only the last ones of a writer.
func TestLostWithTheFIFO(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name    string
		missing []int
		alive   time.Duration // until when, seen from the beginning of the blind time of a second
		want    bool
	}{
		{"the last ones, in blind time", []int{8, 9}, 500 * time.Millisecond, true},
		{"those before", []int{7, 8}, 500 * time.Millisecond, false},
		{"with a gap", []int{6, 8, 9}, 500 * time.Millisecond, false},
		{"the last ones, before", []int{8, 9}, -5 * time.Second, false},
		{"the last ones, after", []int{8, 9}, 5 * time.Second, false},
	} {
		x := scene()
		x.blind = []span{{now, now.Add(time.Second)}}
		b := &book{lines: 9, alive: now.Add(c.alive), last: now.Add(c.alive)}
		if got := x.wentUnheld(b, c.missing); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}

func TestJudgeRun(t *testing.T) {
	now := time.Now()
	exit := func(change func(*panel.Exit)) *panel.Exit {
		e := &panel.Exit{Kind: panel.EndExited, At: now}
		change(e)
		return e
	}
	signaled := func(sig int, asked bool) *panel.Exit {
		return exit(func(e *panel.Exit) { e.Kind, e.Signal, e.Asked = panel.EndSignaled, sig, asked })
	}
	lived := &book{pid: 7, alive: now}
	for _, c := range []struct {
		name   string
		end    *panel.Exit
		book   *book
		killed bool
		blind  bool
		want   string // part of what is wrong; empty for nothing
	}{
		{"alive at the end", nil, lived, false, false, "stored as alive"},
		{"its status", exit(func(e *panel.Exit) { e.Code = 3 }), &book{pid: 7, exits: true, status: 3}, false, false, ""},
		{"another status", exit(func(e *panel.Exit) { e.Code = 4 }), &book{pid: 7, exits: true, status: 3}, false, false, "its book says 3"},
		{"a status without an exit", exit(func(*panel.Exit) {}), lived, false, false, "nothing of an exit"},
		{"another PID", exit(func(*panel.Exit) {}), &book{pid: 8}, false, false, "stored is PID 7"},
		{"asked to stop", signaled(15, true), lived, false, false, ""},
		{"killed by chaos", signaled(9, false), lived, true, false, ""},
		{"killed by nobody", signaled(9, false), lived, false, false, "nobody sent"},
		{"unknown", exit(func(e *panel.Exit) { e.Kind = panel.EndUnknown }), lived, false, false, "upkeep was there"},
		{"unknown in blind time", exit(func(e *panel.Exit) { e.Kind = panel.EndUnknown }), lived, false, true, ""},
		{"not executed", exit(func(e *panel.Exit) { e.Kind, e.Step = panel.EndNotRun, panel.StepLookup }), nil, false, false, "never executed"},
		{"not executed, and it was", exit(func(e *panel.Exit) { e.Kind = panel.EndNotRun }), lived, false, false, "and it was"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := scene()
			x.kills["i-1-1"] = c.killed
			if c.blind {
				x.blind = []span{{now.Add(-time.Second), now.Add(time.Second)}}
			}
			got := x.judgeRun(panel.Run{Number: 1, PID: 7, StartedAt: now.Add(-time.Minute), End: c.end}, c.book, "i-1-1")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestBudget(t *testing.T) {
	now := time.Now()
	failures := func(n int, apart time.Duration) (runs []panel.Run) {
		for i := range n {
			runs = append(runs, panel.Run{Number: n - i, End: &panel.Exit{Kind: panel.EndExited, Code: 1, At: now.Add(-time.Duration(i) * apart)}})
		}
		return runs
	}
	disabled := []panel.Event{{Kind: panel.EventDisabled, At: now}}
	for _, c := range []struct {
		name   string
		runs   []panel.Run
		events []panel.Event
		want   string
	}{
		{"few failures", failures(budgetLimit-1, time.Second), nil, ""},
		{"disabled in time", failures(budgetLimit, time.Second), disabled, ""},
		{"disabled too early", failures(budgetLimit-1, time.Second), disabled, "after 9 failures"},
		{"never disabled", failures(budgetLimit+1, time.Second), nil, "never disabled"},
		{"slow failures", failures(budgetLimit+1, time.Minute), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := scene()
			x.auditBudget(panel.Service{Definition: panel.Definition{Name: "s"}}, c.runs, c.events)
			wantViolation(t, x, c.want)
		})
	}
}

func TestTwins(t *testing.T) {
	daemon := process{pid: 2, state: 'S'}
	first := process{pid: 10, parent: 2, state: 'S', service: "a", run: "i-1-1"}
	second := process{pid: 11, parent: 2, state: 'S', service: "a", run: "i-1-2"}
	unborn := process{pid: 12, parent: 10, state: 'R', service: "a", run: "i-1-1"}
	helper := process{pid: 13, parent: 10, state: 'S', service: "a", run: "i-1-1", helper: true}
	zombie := process{pid: 14, parent: 2, state: 'Z', service: "a", run: "i-1-0"}
	if found := findTwins([]process{daemon, first, unborn, helper, zombie}); len(found) != 0 {
		t.Errorf("one main process: got %v", found)
	}
	if found := findTwins([]process{daemon, first, second}); len(found["a"]) != 2 {
		t.Errorf("two main processes: got %v", found)
	}
}

func TestDescriptors(t *testing.T) {
	before := descriptors{"socket": 3, "FIFO": 0}
	if more := (descriptors{"socket": 5, "pidfd": 2, "database": 9}).beyond(before); len(more) != 0 {
		t.Errorf("what may be there: got %v", more)
	}
	if more := (descriptors{"socket": 3, "FIFO": 1, "log": 1}).beyond(before); len(more) != 2 {
		t.Errorf("a FIFO and a log: got %v", more)
	}
}

// The seed alone decides what strikes when.
func TestSchedule(t *testing.T) {
	names := func(seed uint64) (list []string) {
		for _, s := range schedule(seed, faults, time.Minute) {
			list = append(list, fmt.Sprint(s.after, s.fault.name, s.seed))
		}
		return list
	}
	if a, b := names(1), names(1); len(a) < 20 || !slices.Equal(a, b) {
		t.Errorf("the same seed: %d and %d steps, %v", len(a), len(b), slices.Equal(a, b))
	}
	if slices.Equal(names(1), names(2)) {
		t.Error("another seed: the same steps")
	}
}
