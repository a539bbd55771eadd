package panel

import "time"

// Limits of what a person may type. Each is generous for real use and small enough to keep a page and a
// process table readable; the kernel's own limit for one argument is 128 KiB (MAX_ARG_STRLEN).
const (
	MaxCommandBytes     = 16 << 10
	MaxEnvironmentBytes = 64 << 10
	MaxDirectoryBytes   = 4 << 10
	MaxAnnotationRunes  = 200
	MaxNameBytes        = 63
)

// The ports that the host reserves for services.
const (
	MinPort = 8300
	MaxPort = 8499
)

// Definition is what a customer declares of a service, exactly as typed.
type Definition struct {
	Name        string // unique in the account; the log file's name
	Command     string
	Directory   string // relative to the home; empty means the home itself
	Environment string // text of NAME=value lines
	Port        int    // 0: the service needs none
	Annotation  string
	Monitoring  Monitoring
	Budget      Budget
}

// Wanted is what a person, or the failure rule, last decided about a service.
type Wanted string

// The wanted states. Paused and disabled differ in who decided: a person pauses, the failure rule disables.
const (
	WantedOn       Wanted = "on"
	WantedPaused   Wanted = "paused"
	WantedDisabled Wanted = "disabled"
)

// Service is a declared service as the store keeps it.
type Service struct {
	ID      ServiceID
	Account AccountID
	Definition
	Version     int // of the definition, from 1, raised by every edit
	Wanted      Wanted
	WantedSince time.Time
	WantedBy    Actor
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Policy holds the times and counts that govern a service. The zero value is not usable; start from
// [DefaultPolicy].
type Policy struct {
	StartPeriod   time.Duration   // a run that lives this long counts as running
	StopTimeout   time.Duration   // between SIGTERM and the kill of everything left
	RestartWait   time.Duration   // after SIGHUP, until the same process counts as reloaded
	Backoff       []time.Duration // delays before the 1st, 2nd, … start after a failure; the last one repeats
	StableAfter   time.Duration   // a run that lived this long resets the delay, and may end cleanly
	BudgetLimit   int             // failures within BudgetWindow that disable the service
	BudgetWindow  time.Duration
	JitterPercent int // of every delay but a zero one

	CheckInterval time.Duration // between two runs of a monitoring command
	CheckTimeout  time.Duration
	CheckFailures int           // in a row, that restart the service
	CheckGrace    time.Duration // from the start of a run to its first check
	Probation     time.Duration // between two tries of a disabled service; 0: none
}

// DefaultPolicy returns the host's defaults: the values of the design, section "The engine".
func DefaultPolicy() Policy {
	return Policy{
		StartPeriod: time.Second,
		StopTimeout: 10 * time.Second,
		RestartWait: 5 * time.Second,
		Backoff: []time.Duration{0, 1 * time.Second, 2 * time.Second, 4 * time.Second,
			8 * time.Second, 16 * time.Second, 30 * time.Second},
		StableAfter:   time.Minute,
		BudgetLimit:   10,
		BudgetWindow:  5 * time.Minute,
		JitterPercent: 10,
		CheckInterval: time.Minute,
		CheckTimeout:  10 * time.Second,
		CheckFailures: 1,
		CheckGrace:    30 * time.Second,
	}
}
