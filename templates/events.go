package templates

import (
	"fmt"

	"upkeep/internal/panel"
)

// CauseText says why a run was started.
func CauseText(c panel.Cause) string {
	switch c {
	case panel.CauseAsked:
		return "asked for"
	case panel.CauseRestart:
		return "restart"
	case panel.CauseExit:
		return "the run before ended"
	case panel.CauseBoot:
		return "upkeep or the machine started"
	case panel.CauseTrial:
		return "tried again after it was disabled"
	}
	return "not known"
}

// causeBy is the cause of a run with the person who asked for it.
func causeBy(r panel.Run, viewer string) string {
	if r.By.Kind != panel.ActorPerson {
		return CauseText(r.Cause)
	}
	return CauseText(r.Cause) + " by " + actorText(r.By, viewer)
}

// OutcomeText says what a request to restart came to.
func OutcomeText(o panel.RestartOutcome) string {
	switch o.Result {
	case panel.Replaced:
		return fmt.Sprintf("Restarted: PID %d replaced %d after %s.", o.PID, o.OldPID, Duration(o.After))
	case panel.Reloaded:
		return fmt.Sprintf("SIGHUP accepted, still the same process (PID %d). It may only have re-read its settings.", o.PID)
	case panel.Started:
		return fmt.Sprintf("Started: PID %d after %s.", o.PID, Duration(o.After))
	case panel.Superseded:
		return "The restart was overtaken by another request."
	}
	if o.Exit == nil {
		return "Restart failed: the new run did not stay up."
	}
	return "Restart failed: " + exitClause(*o.Exit) + "."
}

// EventText says what happened, without who did it.
func EventText(e panel.Event) string {
	switch e.Kind {
	case panel.EventCreated:
		return "Created"
	case panel.EventEdited:
		return withDetail("Edited", e.Detail)
	case panel.EventDeleted:
		return "Deleted"
	case panel.EventPaused:
		return "Paused"
	case panel.EventResumed:
		return "Resumed"
	case panel.EventEnabled:
		return "Enabled again"
	case panel.EventStartNow:
		return "Started without waiting"
	case panel.EventRestartAsk:
		return withDetail("Restart asked for", e.Detail)
	case panel.EventUnhealthy:
		return withDetail("The monitoring command began to fail", e.Detail)
	case panel.EventHealthy:
		return "The monitoring command succeeds again"
	case panel.EventUseless:
		return "The monitoring command succeeds although the service is stopped"
	case panel.EventProcessEnd:
		return withDetail("Ended a process", e.Detail)
	}
	return runEventText(e)
}

// runEventText is about what happened to a run.
func runEventText(e panel.Event) string {
	switch e.Kind {
	case panel.EventStarted:
		return startedText(e)
	case panel.EventAdopted:
		return withDetail(fmt.Sprintf("upkeep came back and found run %d alive", e.Run), e.Detail)
	case panel.EventRestarted:
		if e.Outcome != nil {
			return OutcomeText(*e.Outcome)
		}
	case panel.EventEnded:
		if e.Exit != nil {
			return fmt.Sprintf("Run %d ended: %s", e.Run, ExitText(*e.Exit))
		}
		return fmt.Sprintf("Run %d ended", e.Run)
	case panel.EventDisabled:
		if e.Exit != nil {
			return "Disabled after too many failures; the last: " + ExitText(*e.Exit)
		}
		return "Disabled after too many failures"
	}
	return withDetail(string(e.Kind), e.Detail)
}

func startedText(e panel.Event) string {
	if e.PID == 0 {
		return fmt.Sprintf("Run %d started", e.Run)
	}
	return fmt.Sprintf("Run %d started, PID %d", e.Run, e.PID)
}

func withDetail(text, detail string) string {
	if detail == "" {
		return text
	}
	return text + ": " + detail
}

// eventTone marks the events that somebody looks for.
func eventTone(e panel.Event) string {
	switch {
	case e.Kind == panel.EventDisabled, e.Kind == panel.EventUnhealthy, e.Kind == panel.EventUseless, e.Exit != nil && e.Exit.Failure(),
		e.Outcome != nil && e.Outcome.Result == panel.Failed:
		return "bad"
	case e.By.Kind == panel.ActorPerson:
		return "info"
	}
	return "off"
}

// actorText names who did something; viewer is the e-mail of whoever reads it.
func actorText(a panel.Actor, viewer string) string {
	switch a.Kind {
	case panel.ActorPerson:
		if a.Name == viewer {
			return "you"
		}
		return a.Name
	case panel.ActorRule:
		return "failure rule"
	case panel.ActorHost:
		return "the host"
	case panel.ActorMonitoring:
		return "monitoring"
	}
	return "upkeep"
}
