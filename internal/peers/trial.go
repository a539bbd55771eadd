package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// scenario is something that happens to supervisors.
type scenario struct {
	name  string
	rows  []string // of the table
	alone bool     // it measures, so nothing else may run
	quick bool     // short enough for each run of the tests
	play  func(*trial) ([]cell, error)
}

// cell is what came of one row.
type cell struct {
	text string
	ok   bool // as upkeep must be
}

// trial is one scenario with one supervisor.
type trial struct {
	*site
	supervisor
	subject bool
}

// end leaves nothing behind. The processes go first, because only then control groups are empty.
func (t *trial) end() error {
	return errors.Join(endProcesses(t.dir), t.supervisor.close(), t.site.close())
}

// says is the status of a service without what is the same everywhere.
func (t *trial) says(name string) string { return t.shorten(t.status(name)) }

func (t *trial) shorten(text string) string { return strings.ReplaceAll(text, t.dir+"/", "") }

// looks is how often a condition is looked at while it is waited for.
const looks = 20 * time.Millisecond

// within waits until something is so, and reports whether it came to that in time. An interrupt ends all waiting.
func (r *run) within(limit time.Duration, so func() bool) bool {
	for deadline := time.Now().Add(limit); !so(); time.Sleep(looks) {
		if time.Now().After(deadline) || r.ctx.Err() != nil {
			return false
		}
	}
	return true
}

// startTime is how long the first start of a service may take.
const startTime = 15 * time.Second

// beginOne starts the supervisor with one service and waits for its program.
func (t *trial) beginOne(s service) (pid int, err error) {
	if err := t.start([]service{s}); err != nil {
		return 0, err
	}
	if !t.within(startTime, func() bool { pid = t.one(s.name); return pid != 0 }) {
		return 0, fmt.Errorf("%s was not started; the supervisor says: %s", s.name, t.says(s.name))
	}
	return pid, nil
}

// one is the process of a program when there is exactly one; 0 otherwise.
func (t *trial) one(name string) int {
	if pids := t.programs(name); len(pids) == 1 && t.starts(name) > 0 {
		return pids[0]
	}
	return 0
}

// starts counts how often a program was started.
func (t *trial) starts(name string) int {
	text, _ := os.ReadFile(filepath.Join(t.notes(), name+".starts")) // none yet: 0
	return bytes.Count(text, []byte("\n"))
}

// written is what each process of a program says that it has written.
func (t *trial) written(name string) map[int]int {
	files, _ := filepath.Glob(filepath.Join(t.notes(), name+".*.count")) // the pattern is right
	counts := map[int]int{}
	for _, file := range files {
		pid, err := strconv.Atoi(strings.Split(filepath.Base(file), ".")[1])
		text, _ := os.ReadFile(file) // not written yet: 0
		n, _ := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
		if err == nil {
			counts[pid] = n
		}
	}
	return counts
}

// lost counts for each process of a program the numbered lines that it wrote and that stand nowhere.
func (t *trial) lost(s service) (map[int]int, error) {
	written := t.written(s.name)
	var text string
	// What was written is on its way for a moment.
	var lost map[int]int
	var err error
	t.within(2*time.Second, func() bool {
		if text, err = t.log(s); err != nil {
			return false
		}
		lost = missing(text, written)
		for _, n := range lost {
			if n > 0 {
				return false
			}
		}
		return true
	})
	return lost, err
}

// missing counts the lines that a text lacks.
func missing(text string, written map[int]int) map[int]int {
	found := map[int]map[int]bool{}
	for line := range strings.Lines(text) {
		var pid, n int
		if _, err := fmt.Sscanf(line, "L %d %d", &pid, &n); err == nil {
			if found[pid] == nil {
				found[pid] = map[int]bool{}
			}
			found[pid][n] = true
		}
	}
	lost := map[int]int{}
	for pid, count := range written {
		lost[pid] = 0
		for n := 1; n <= count; n++ {
			if !found[pid][n] {
				lost[pid]++
			}
		}
	}
	return lost
}

func total(counts map[int]int) (sum int) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// log is all that is kept of a service's output.
func (t *trial) log(s service) (string, error) {
	var all strings.Builder
	for _, path := range t.kept(s) {
		text, err := readLog(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // it is renamed at times
			return "", err
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

func readLog(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return "", err
		}
	}
	text, err := io.ReadAll(in)
	return string(text), err
}

// seconds writes a time for the table.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// took waits until something is so and returns when it was.
func (r *run) took(limit time.Duration, so func() bool) (time.Duration, bool) {
	begun := time.Now()
	ok := r.within(limit, so)
	return time.Since(begun), ok
}
