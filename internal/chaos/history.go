package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"upkeep/internal/panel"
	"upkeep/store"
)

// auditHistory compares what upkeep stored with what the services noted. All services are paused.
func (c *chaos) auditHistory(ctx context.Context) error {
	books, twice, err := readBooks(c.books)
	if err != nil {
		return err
	}
	c.report.writers, c.report.services = len(books), len(c.everything())
	for _, stream := range twice {
		c.report.violation("twins", "a writer of the name %s was there already: a run was started twice", stream)
	}
	mains := map[string]*book{} // by run
	for _, b := range books {
		c.report.stall = max(c.report.stall, b.stall)
		if b.locked {
			c.report.violation("twins", "%s (PID %d) was born at %s while a process of its service lived", b.stream, b.pid, c.report.at(b.birth))
		}
		if b.main {
			mains[b.run] = b
		}
	}
	c.report.births = len(mains)
	if err := c.auditLines(books); err != nil {
		return err
	}
	return c.auditStore(ctx, mains)
}

// manyRuns is more than a service can have here.
const manyRuns = 100_000

// auditStore goes through the database.
func (c *chaos) auditStore(ctx context.Context, mains map[string]*book) error {
	st, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	stored, err := st.AllServices(ctx)
	if err != nil {
		return err
	}
	byName := map[string]*service{}
	for _, s := range c.everything() {
		byName[s.name] = s
	}
	known := map[int64]bool{}
	for _, svc := range stored {
		known[int64(svc.ID)] = true
		c.auditService(svc, byName[svc.Name])
		if err := c.auditRuns(ctx, st, svc, mains); err != nil {
			return err
		}
	}
	for run, b := range mains {
		if known[b.id] {
			c.report.violation("history", "run %s had a main process (PID %d, born at %s), and is not stored", run, b.pid, c.report.at(b.birth))
		}
	}
	return nil
}

// auditService compares a stored service with what its person was told.
func (c *chaos) auditService(svc panel.Service, s *service) {
	if s == nil {
		c.report.violation("history", "a service %q is stored that nobody made", svc.Name)
		return
	}
	exists, _, wanted := s.view()
	s.mu.Lock()
	annotation := s.annotation
	s.mu.Unlock()
	switch {
	case !exists:
		c.report.violation("history", "%v was deleted, and is stored", s)
	case wanted != svc.Wanted:
		c.report.violation("history", "%v is wanted %s, and stored is %s", s, wanted, svc.Wanted)
	case annotation != "" && annotation != svc.Annotation:
		c.report.violation("history", "%v: its note is %q, and stored is %q", s, annotation, svc.Annotation)
	}
}

// auditRuns goes through the runs of a service, and takes their books out of mains.
func (c *chaos) auditRuns(ctx context.Context, st *store.Store, svc panel.Service, mains map[string]*book) error {
	runs, err := st.Runs(ctx, svc.ID, manyRuns)
	if err != nil {
		return err
	}
	c.report.runs += len(runs)
	for _, run := range runs {
		id := fmt.Sprintf("%s-%d-%d", c.instance, svc.ID, run.Number)
		b := mains[id]
		delete(mains, id)
		if wrong := c.judgeRun(run, b, id); wrong != "" {
			c.report.violation("history", "%s, run %d (%s to %s): %s", svc.Name, run.Number, c.report.at(run.StartedAt), c.ended(run), wrong)
		}
	}
	events, err := st.Events(ctx, svc.ID, manyRuns)
	if err != nil {
		return err
	}
	c.auditBudget(svc, runs, events)
	return nil
}

func (c *chaos) ended(run panel.Run) string {
	if run.End == nil {
		return "now"
	}
	return c.report.at(run.End.At)
}

// judgeRun compares the stored end of a run with its book, which is nil when its program never came to main, and with
// what chaos did. It returns what is wrong; empty for nothing.
func (c *chaos) judgeRun(run panel.Run, b *book, id string) string {
	end := run.End
	if end == nil {
		return "it is stored as alive, and all services are paused"
	}
	if b != nil && run.PID != b.pid {
		return fmt.Sprintf("stored is PID %d, and it was %d", run.PID, b.pid)
	}
	switch end.Kind {
	case panel.EndUnknown:
		return c.judgeUnknown(run, b, id)
	case panel.EndNotRun:
		return c.judgeNotRun(run, b, id)
	case panel.EndExited:
		if b == nil || !b.exits || b.status != end.Code {
			return fmt.Sprintf("stored is exit status %d, and its book says %s", end.Code, b.saysOfExit())
		}
		return ""
	}
	return c.judgeSignal(*end, id)
}

func (b *book) saysOfExit() string {
	switch {
	case b == nil:
		return "nothing: there is none"
	case !b.exits:
		return "nothing of an exit"
	}
	return fmt.Sprintf("%d", b.status)
}

// foundAfter is how long after coming back upkeep may take to find that a run has ended.
const foundAfter = 2 * time.Second

// judgeUnknown: an exit may be unknown when nobody watched as the main process ended, or before what it had left behind
// was stopped: until then only the memory of upkeep holds its status. The time of an end that is unknown is that of the
// look.
func (c *chaos) judgeUnknown(run panel.Run, b *book, id string) string {
	if b == nil && c.during(&c.silent, run.StartedAt, graceAfter) {
		c.report.excuse("launchers that died with upkeep", 1, "run %s", id)
		return ""
	}
	if b == nil {
		return "its exit is unknown, and its program never came to main"
	}
	if c.blindBetween(b.alive.Add(-beatTime), run.End.At) {
		c.report.excuse("exits that nobody saw", 1, "run %s, last alive %s", id, c.report.at(b.alive))
		return ""
	}
	return fmt.Sprintf("its exit is unknown, and upkeep was there when it ended, at %s", c.report.at(b.alive))
}

func (c *chaos) blindBetween(from, to time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.blind {
		if s.from.Before(to) && (s.to.IsZero() || s.to.After(from)) {
			return true
		}
	}
	return false
}

// beatTime is how late a book may be with the end of its writer, on a busy machine.
const beatTime = 200 * time.Millisecond

// judgeNotRun: a start may fail when the disk is full, or its home is out of reach, or its launcher was killed.
func (c *chaos) judgeNotRun(run panel.Run, b *book, id string) string {
	end := run.End
	what := fmt.Sprintf("never executed: step %s, errno %d, %s", end.Step, end.Errno, end.Detail)
	switch {
	case b != nil:
		return what + "; and it was"
	case c.during(&c.full, end.At, graceAfter), c.during(&c.away, end.At, graceAfter), c.during(&c.silent, end.At, graceAfter):
		c.report.excuse("starts that a fault prevented", 1, "run %s: %s", id, what)
		return ""
	case end.Step == panel.StepFork && end.Host && c.report.faults["kill-launcher"] > 0:
		c.report.excuse("starts that a fault prevented", 1, "run %s: %s", id, what)
		return ""
	}
	return what
}

// judgeSignal: a signal comes from a person through upkeep, from upkeep to what a run has left, or from chaos.
func (c *chaos) judgeSignal(end panel.Exit, id string) string {
	sig := syscall.Signal(end.Signal)
	switch {
	case c.wasKilled(id), end.Asked:
		return ""
	case c.during(&c.silent, end.At, foundAfter) && (sig == syscall.SIGTERM || sig == syscall.SIGHUP || sig == syscall.SIGKILL):
		c.report.excuse("asked ends that upkeep forgot with its death", 1, "run %s ended by %v at %s", id, sig, c.report.at(end.At))
		return ""
	}
	return fmt.Sprintf("it ended by %v, which nobody sent", sig)
}

// auditBudget: a service is disabled when, and only when, it failed too often within the window.
func (c *chaos) auditBudget(svc panel.Service, runs []panel.Run, events []panel.Event) {
	var failures []time.Time // newest first, as runs are
	for _, run := range runs {
		if run.End != nil && run.End.Failure() {
			failures = append(failures, run.End.At)
		}
	}
	for _, e := range events {
		if e.Kind != panel.EventDisabled {
			continue
		}
		n := 0
		for _, at := range failures {
			if !at.After(e.At) && e.At.Sub(at) < budgetWindow {
				n++
			}
		}
		if n < budgetLimit {
			c.report.violation("budget", "%s was disabled at %s after %d failures in %v", svc.Name, c.report.at(e.At), n, budgetWindow)
		}
	}
	c.auditNeverDisabled(svc, failures, events)
}

// auditNeverDisabled looks for a service that failed on and on, and was let.
func (c *chaos) auditNeverDisabled(svc panel.Service, failures []time.Time, events []panel.Event) {
	for _, e := range events {
		if e.Kind == panel.EventDisabled || e.Kind == panel.EventEnabled {
			return
		}
	}
	for i := 0; i+budgetLimit < len(failures); i++ { // one more than the limit
		if failures[i].Sub(failures[i+budgetLimit]) < budgetWindow-time.Second {
			c.report.violation("budget", "%s failed %d times within %v, the last time at %s, and was never disabled", svc.Name,
				budgetLimit+1, failures[i].Sub(failures[i+budgetLimit]).Round(time.Second), c.report.at(failures[i]))
			return
		}
	}
}
