package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func crashAtOnce(t *trial) ([]cell, error) { return t.crash("20ms", 20*time.Second) }
func crashSoon(t *trial) ([]cell, error)   { return t.crash("1.5s", 30*time.Second) }

// gaveUp is how supervisors say that they do not start a service again.
var gaveUp = regexp.MustCompile(`(?i)^disabled:|FATAL|errored`)

// crash watches a service that always fails. It has to be given up within the time, and to stay so.
func (t *trial) crash(after string, watch time.Duration) ([]cell, error) {
	s := t.torture("crasher", "exit", after)
	if err := t.start([]service{s}); err != nil {
		return nil, err
	}
	t.within(watch, func() bool { return false })
	starts, said := t.starts(s.name), t.says(s.name)
	again := t.within(3*time.Second, func() bool { return t.starts(s.name) > starts })
	if again {
		return []cell{{fmt.Sprintf("%d, still looping (%s)", starts, clip(said)), false}}, nil
	}
	return []cell{{fmt.Sprintf("%d, %s", starts, clip(said)), gaveUp.MatchString(said)}}, nil
}

// heldTime is how soon an end has to be seen.
const heldTime = 8 * time.Second

func outputHeld(t *trial) ([]cell, error) {
	s := t.torture("holder", "hold", "300ms")
	if err := t.start([]service{s}); err != nil {
		return nil, err
	}
	if !t.within(startTime, func() bool { return t.starts(s.name) > 0 }) {
		return nil, fmt.Errorf("%s was not started", s.name)
	}
	d, seen := t.took(heldTime, func() bool { return t.starts(s.name) > 1 })
	if !seen {
		return []cell{{"no (" + clip(t.says(s.name)) + ")", false}}, nil
	}
	return []cell{{"yes, after " + seconds(d), true}}, nil
}

// Times of the scenario in which nothing can be started.
const (
	refusal  = 6 * time.Second
	recovery = 5 * time.Second // as fast as upkeep must be
	patience = 60 * time.Second
)

// forkRefused keeps the supervisor from making processes and kills what it has to start again.
func forkRefused(t *trial) ([]cell, error) {
	if err := t.bound(); errors.Is(err, fs.ErrNotExist) {
		return []cell{{"not tried: no control groups that bound processes", true}}, nil
	} else if err != nil {
		return nil, err
	}
	s := t.torture("idler", "idle")
	if _, err := t.beginOne(s); err != nil {
		return nil, err
	}
	before, err := t.supervisor.pid(s.name)
	if err == nil {
		err = t.allow("1")
	}
	if err != nil {
		return nil, err
	}
	t.within(refusal, func() bool { t.killPrograms(s.name); return false })
	starts, meanwhile := t.starts(s.name), t.says(s.name)
	if err := t.allow("max"); err != nil {
		return nil, err
	}
	d, back := t.took(patience, func() bool { return t.starts(s.name) > starts && t.one(s.name) != 0 })
	now, err := t.supervisor.pid(s.name)
	return refused(now == before && err == nil, d, back, meanwhile), nil
}

func refused(lives bool, d time.Duration, back bool, meanwhile string) []cell {
	supervisor := "dies"
	if lives {
		supervisor = "lives"
	}
	when := "never (" + seconds(d) + ")"
	if back {
		when = seconds(d)
	}
	return []cell{{supervisor + " / " + when + ", meanwhile: " + clip(meanwhile), lives && back && d < recovery}}
}

// bound gives the supervisor a control group of its own that can bound its processes.
func (s *site) bound() error {
	s.pids = s.group(filepath.Base(s.dir))
	err := os.Mkdir(s.pids, 0o755)
	if err == nil {
		_, err = os.Stat(filepath.Join(s.pids, "pids.max"))
	}
	if err != nil {
		s.pids = ""
	}
	return err
}

// group is the path of a control group: of the first version where that can bound processes.
func (r *run) group(name string) string {
	base := "/sys/fs/cgroup/pids"
	if _, err := os.Stat(base); err != nil {
		base = "/sys/fs/cgroup"
	}
	return filepath.Join(base, filepath.Base(r.dir)+"-"+name)
}

// removeGroups takes away the groups of scenarios that were broken off.
func (r *run) removeGroups() (err error) {
	groups, _ := filepath.Glob(r.group("*")) // the pattern is right
	for _, path := range groups {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// allow says how many processes and threads there may be.
func (s *site) allow(n string) error {
	return os.WriteFile(filepath.Join(s.pids, "pids.max"), []byte(n), 0o644)
}

func (t *trial) killPrograms(name string) {
	for _, pid := range t.programs(name) {
		_ = unix.Kill(pid, unix.SIGKILL) // one that ended meanwhile is fine
	}
}

// noDirectory is how the reason may be worded.
var noDirectory = regexp.MustCompile(`(?i)no such (file or |working )?directory|can't cd to`)

func directoryMissing(t *trial) ([]cell, error) {
	s := t.torture("nowhere", "idle")
	s.dir = "missing"
	return t.refusedStart([]service{s}, s, noDirectory)
}

// noUser is how the reason may be worded.
const noUser = "no-such-user"

// neighbourTime is how soon a service has to run beside one that cannot.
const neighbourTime = 5 * time.Second

func userUnknown(t *trial) ([]cell, error) {
	s, other := t.torture("stranger", "idle"), t.torture("neighbour", "idle")
	s.user = noUser
	cells, err := t.refusedStart([]service{s, other}, s, regexp.MustCompile(noUser))
	if err != nil {
		return cells, err
	}
	if !t.within(neighbourTime, func() bool { return t.one(other.name) != 0 }) {
		return []cell{{"its neighbour does not run either; " + cells[0].text, false}}, nil
	}
	return []cell{{cells[0].text + "; its neighbour runs", cells[0].ok}}, nil
}

// refusedStart starts what cannot be started. The status has to name the reason; that the supervisor prints it
// somewhere is shown.
func (t *trial) refusedStart(all []service, s service, reason *regexp.Regexp) ([]cell, error) {
	if err := t.start(all); err != nil {
		if t.subject {
			return nil, err
		}
		return []cell{{"refuses: " + clip(t.shorten(err.Error())), false}}, nil
	}
	var said string
	named := t.within(4*time.Second, func() bool { said = t.says(s.name); return reason.MatchString(said) })
	text := clip(said)
	if named {
		text = clip(strings.SplitN(said, ":", 2)[0] + ": " + around(said, reason))
	} else if own, _ := os.ReadFile(t.said()); reason.Match(own) {
		text += " (reason on its stderr)"
	}
	return []cell{{text, named && t.starts(s.name) == 0}}, nil
}
