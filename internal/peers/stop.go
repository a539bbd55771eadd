package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Times of stops. Whoever does not stop a service by then never does.
const (
	stopTime  = 45 * time.Second
	deafTime  = 13 * time.Second // upkeep's stop timeout and what the page takes
	atOnce    = 4 * time.Second  // not after the stop timeout, on a busy machine either
	statusLag = time.Second      // the status is looked at while the stop goes on
)

// stopping asks for a stop and does not wait for the answer.
func (t *trial) stopping(s service) <-chan error {
	done := make(chan error, 1)
	go func() { done <- t.stop(s.name) }()
	return done
}

// death waits for the end of the program and says when it came.
func (t *trial) death(s service, pid int, limit time.Duration) (time.Duration, bool, string) {
	d, ended := t.took(limit, func() bool { return !alive(pid) })
	if !ended {
		return d, false, "never (" + seconds(d) + ")"
	}
	return d, true, seconds(d)
}

func stopDeaf(t *trial) ([]cell, error) {
	s := t.torture("deaf", "deaf")
	pid, err := t.beginOne(s)
	if err == nil && !t.within(startTime, func() bool { return ignoresTERM(pid) }) {
		err = fmt.Errorf("process %d does not ignore SIGTERM", pid)
	}
	if err != nil {
		return nil, err
	}
	done := t.stopping(s)
	var said string
	timer := time.AfterFunc(statusLag, func() { said = t.says(s.name) })
	defer timer.Stop()
	d, ended, text := t.death(s, pid, stopTime)
	if ended {
		<-done // how the command itself ended is not the question
	}
	if said == "" {
		said = "ended before it could say anything"
	}
	honest := strings.Contains(strings.ToLower(said), "stopping")
	return []cell{{text, ended && d < deafTime}, {clip(said), honest}}, nil
}

func ignoresTERM(pid int) bool { return holds(field(pid, "SigIgn"), unix.SIGTERM) }

// frozenWords are what a person would recognise a stopped process by.
var frozenWords = regexp.MustCompile(`(?i)\b(frozen|suspended|SIGSTOP)|\bstopped\b`)

func stopFrozen(t *trial) ([]cell, error) {
	s := t.torture("sleeper", "idle")
	pid, err := t.beginOne(s)
	if err == nil {
		err = unix.Kill(pid, unix.SIGSTOP)
	}
	if err != nil {
		return nil, err
	}
	var said string
	shown := t.within(statusLag, func() bool { said = t.says(s.name); return frozenWords.MatchString(said) })
	text := "no"
	if shown {
		text = "yes: " + around(said, frozenWords)
	}
	done := t.stopping(s)
	d, ended, when := t.death(s, pid, stopTime)
	if ended {
		<-done
	}
	return []cell{{text, shown}, {when, ended && d < atOnce}}, nil
}

// treeTime is how long after the stop the children are looked for.
const treeTime = 12 * time.Second

func stopTree(t *trial) ([]cell, error) {
	s := t.torture("tree", "tree")
	if _, err := t.beginOne(s); err != nil {
		return nil, err
	}
	roles := []string{"plain", "deaf", "session"}
	left := func() (left []string) {
		for _, role := range roles {
			if len(t.programs(s.name+"-"+role)) > 0 {
				left = append(left, role)
			}
		}
		return left
	}
	if !t.within(startTime, func() bool { return len(left()) == len(roles) }) {
		return nil, fmt.Errorf("only %v of the tree were started", left())
	}
	done := t.stopping(s)
	d, ended := t.took(treeTime, func() bool { return len(left()) == 0 && len(t.programs(s.name)) == 0 })
	select {
	case <-done:
	case <-time.After(treeTime):
		return []cell{{fmt.Sprintf("%d of 3, and the stop does not come back", len(left())), false}}, nil
	}
	if ended {
		return []cell{{"0 of 3, after " + seconds(d), true}}, nil
	}
	return []cell{{fmt.Sprintf("%d of 3: %s", len(left()), strings.Join(left(), ", ")), false}}, nil
}

// maxCell keeps the table readable.
const maxCell = 110

func clip(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxCell {
		return string(r[:maxCell]) + "…"
	}
	return text
}

// around is what stands before and after the first match.
func around(text string, what *regexp.Regexp) string {
	at := what.FindStringIndex(text)
	from, to := max(0, at[0]-maxCell/3), min(len(text), at[1]+maxCell/3)
	return "…" + strings.ToValidUTF8(text[from:to], "") + "…"
}
