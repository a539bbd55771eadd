package templates

import (
	"fmt"
	"strings"
	"time"

	"upkeep/internal/panel"
)

// StateLabel is the word for a state.
func StateLabel(s panel.State) string {
	switch s {
	case panel.Paused:
		return "Paused"
	case panel.Disabled:
		return "Disabled"
	case panel.Starting:
		return "Starting"
	case panel.Running:
		return "Running"
	case panel.Unhealthy:
		return "Unhealthy"
	case panel.Backoff:
		return "Crashed"
	case panel.Stopping:
		return "Stopping"
	}
	return "Unknown"
}

// StateIcon is the name of the icon for a state.
func StateIcon(s panel.State) string {
	switch s {
	case panel.Paused:
		return "circle-pause"
	case panel.Disabled:
		return "octagon-x"
	case panel.Starting:
		return "loader"
	case panel.Running:
		return "circle-check"
	case panel.Unhealthy:
		return "heart-crack"
	case panel.Backoff:
		return "triangle-alert"
	case panel.Stopping:
		return "hourglass"
	}
	return "circle-question-mark"
}

// tone is the class of colour that repeats what the words say.
func tone(s panel.State) string {
	switch s {
	case panel.Running:
		return "ok"
	case panel.Starting, panel.Stopping:
		return "info"
	case panel.Unhealthy:
		return "warn"
	case panel.Backoff, panel.Disabled:
		return "bad"
	}
	return "off"
}

// label refines [StateLabel] by what else is known: one label is shown, never two.
func label(s panel.Status) string {
	switch {
	case s.Restarting:
		return "Restarting"
	case s.State == panel.Backoff && s.LastExit != nil && s.LastExit.Kind == panel.EndNotRun:
		return "Cannot start"
	case s.State == panel.Backoff && s.LastExit != nil && s.LastExit.Kind == panel.EndExited && s.LastExit.Code == 0:
		return "Ended"
	}
	return StateLabel(s.State)
}

func labelIcon(s panel.Status) string {
	if s.Restarting {
		return "refresh-cw"
	}
	return StateIcon(s.State)
}

func labelTone(s panel.Status) string {
	if s.Restarting {
		return "info"
	}
	return tone(s.State)
}

// Reason says in one sentence why a service is in its state.
func Reason(s panel.Status, now time.Time) string {
	if s.Restarting {
		return "SIGHUP was sent; upkeep waits to see whether the program is replaced or only reads its settings again."
	}
	switch s.State {
	case panel.Paused:
		return pausedReason(s)
	case panel.Disabled:
		return sentence("it was disabled after " + failures(s) + lastExit(s))
	case panel.Backoff:
		return sentence(backoffReason(s, now))
	case panel.Starting:
		return "The program was started and counts as running once it has stayed up for a moment."
	case panel.Stopping:
		return stoppingReason(s, now)
	case panel.Unhealthy:
		return unhealthyReason(s)
	case panel.Running:
		return sentence(runningReason(s, now))
	}
	return "There is no news of this service, so its last known state is not shown."
}

func unhealthyReason(s panel.Status) string {
	if s.Check == nil {
		return "The program runs, but its monitoring command fails."
	}
	what := "the program runs, but its monitoring command fails"
	if s.Tolerated > 1 && s.Failing < s.Tolerated {
		what = fmt.Sprintf("%s (%d of %d in a row before it is restarted)", what, s.Failing, s.Tolerated)
	}
	if said := lastLineOf(s.Check.Output); said != "" {
		return sentence(what + ": " + s.Check.Words() + ", " + said)
	}
	return sentence(what + ": " + s.Check.Words())
}

func pausedReason(s panel.Status) string {
	if s.Run == 0 {
		return "It has not been started yet, and stays off until somebody resumes it."
	}
	return "It stays off until somebody resumes it."
}

func runningReason(s panel.Status, now time.Time) string {
	up := fmt.Sprintf("run %d has been up for %s", s.Run, Since(s.StartedAt, now))
	if recovering(s, now) {
		return up + "; before that: " + ExitText(*s.LastExit)
	}
	return up
}

func backoffReason(s panel.Status, now time.Time) string {
	if s.LastExit == nil {
		return "the next try is " + Until(s.NextTry, now)
	}
	return exitClause(*s.LastExit) + "; the next try is " + Until(s.NextTry, now)
}

func stoppingReason(s panel.Status, now time.Time) string {
	if len(s.LeftOver) > 0 {
		return remnants(s.LeftOver)
	}
	if s.KillAt.IsZero() {
		return "Everything that is left of it is being killed."
	}
	return sentence("SIGTERM was sent; whatever is left is killed " + Until(s.KillAt, now))
}

// remnants says what outlived the kill, and why, where that is known.
func remnants(left []panel.Remnant) string {
	var stuck, others []int
	for _, r := range left {
		if r.State == panel.WaitingForDisk {
			stuck = append(stuck, r.PID)
		} else {
			others = append(others, r.PID)
		}
	}
	var parts []string
	if len(stuck) > 0 {
		parts = append(parts, plural(stuck, "cannot be killed: it waits", "cannot be killed: they wait")+" for a device")
	}
	if len(others) > 0 {
		parts = append(parts, plural(others, "was killed and has", "were killed and have")+" not ended yet")
	}
	return sentence(strings.Join(parts, "; "))
}

// plural makes processes the subject of a verb.
func plural(pids []int, one, many string) string {
	if len(pids) == 1 {
		return "process " + itoa(pids[0]) + " " + one
	}
	return "processes " + numbers(pids) + " " + many
}

// lastExit continues a sentence with what happened last.
func lastExit(s panel.Status) string {
	if s.LastExit == nil {
		return ""
	}
	return "; the last time: " + ExitText(*s.LastExit)
}

// failures is the failure budget in words: "10 failures in 5 min".
func failures(s panel.Status) string {
	return count(s.Failures, "failure") + " in " + Duration(s.Window)
}

// budget is where a service stands in its failure budget: "3 of 10 failures in 5 min".
func budget(s panel.Status) string {
	return fmt.Sprintf("%d of %s in %s", s.Failures, count(s.Limit, "failure"), Duration(s.Window))
}

// remark is what a list has room for below the label; the since-when is shown beside it.
func remark(s panel.Status) string {
	switch {
	case s.Restarting:
		return "SIGHUP sent"
	case s.State == panel.Disabled && s.LastExit != nil:
		return failures(s) + " · " + exitShort(*s.LastExit)
	case s.State == panel.Disabled:
		return failures(s)
	case s.State == panel.Backoff && s.LastExit != nil:
		return fmt.Sprintf("%s · %d of %d", exitShort(*s.LastExit), s.Failures, s.Limit)
	case s.State == panel.Paused && s.Run == 0:
		return "not started yet"
	case s.State == panel.Stopping && len(s.LeftOver) > 0:
		return count(len(s.LeftOver), "process") + " left"
	}
	return ""
}

// unwell reports whether a page has to explain why.
func unwell(s panel.Status) bool {
	switch s.State {
	case panel.Disabled, panel.Backoff, panel.Unhealthy, panel.Unknown:
		return true
	}
	return len(s.LeftOver) > 0 || s.LogTrouble != ""
}

// alive reports whether a run lives that can be restarted.
func alive(s panel.Status) bool {
	switch s.State {
	case panel.Running, panel.Unhealthy, panel.Starting:
		return true
	}
	return false
}

func numbers(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = itoa(n)
	}
	return strings.Join(words, ", ")
}

// recovering reports whether a healthy run is so young, and follows a failure, that its page still says so.
func recovering(s panel.Status, now time.Time) bool {
	return s.State == panel.Running && s.LastExit != nil && s.LastExit.Failure() && now.Sub(s.StartedAt) < time.Hour
}

func whyTitle(s panel.Status) string {
	switch s.State {
	case panel.Disabled:
		return "Why it stopped"
	case panel.Backoff:
		return "Why it is not running"
	case panel.Unhealthy:
		return "Why it is not well"
	case panel.Unknown:
		return "Why nothing is known"
	case panel.Stopping:
		return "It cannot be stopped"
	}
	return "Its output is not kept"
}

func whyTone(s panel.Status) string {
	if t := tone(s.State); t == "bad" {
		return t
	}
	return "warn"
}
