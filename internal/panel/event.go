package panel

import "time"

// Event is one entry of a service's history: who did what, when.
type Event struct {
	ID          int64
	Account     AccountID
	Service     ServiceID // zero once the service was deleted
	ServiceName string    // the name it had then
	Kind        EventKind
	By          Actor
	At          time.Time
	Run         int             // for EventStarted and EventEnded
	PID         int             // for EventStarted
	Exit        *Exit           // for EventEnded and EventDisabled
	Outcome     *RestartOutcome // for EventRestarted
	Detail      string          // anything else worth saying: changed fields, a signal sent
}

// EventKind is what happened.
type EventKind string

// The kinds of event.
const (
	EventCreated    EventKind = "created"
	EventEdited     EventKind = "edited"
	EventDeleted    EventKind = "deleted"
	EventPaused     EventKind = "paused"
	EventResumed    EventKind = "resumed"   // by a person, after a pause
	EventEnabled    EventKind = "enabled"   // by a person, after the rule disabled it
	EventStartNow   EventKind = "start-now" // a person did not wait for the next try
	EventRestartAsk EventKind = "restart"   // asked; the outcome follows as EventRestarted
	EventRestarted  EventKind = "restarted"
	EventStarted    EventKind = "started"
	EventEnded      EventKind = "ended"
	EventAdopted    EventKind = "adopted"     // upkeep came back and found the run alive
	EventDisabled   EventKind = "disabled"    // by the failure rule
	EventUnhealthy  EventKind = "unhealthy"   // its monitoring command failed, after it had not
	EventHealthy    EventKind = "healthy"     // … and succeeds again
	EventUseless    EventKind = "useless"     // its monitoring command succeeds while it is stopped
	EventProcessEnd EventKind = "process-end" // a person ended one process
)
