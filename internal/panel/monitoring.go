package panel

import (
	"strconv"
	"time"
)

// Monitoring is a customer's own check of a service. The zero value is none.
type Monitoring struct {
	Command  string        // its exit status says whether the service is well; empty: there is no check
	Interval time.Duration // between two checks; 0: the host's default
	Timeout  time.Duration // of one check; 0: the host's default
	Failures int           // in a row, that restart the service; 0: the host's default
	Grace    time.Duration // from the start of a run to its first check; 0: the host's default
}

// Check is one result of a monitoring command.
type Check struct {
	Outcome CheckOutcome
	At      time.Time // of its start
	Run     int       // of the service, at that time
	Took    time.Duration
	Code    int    // exit status, when it exited
	Signal  int    // that ended it, if one did
	Output  string // the last MaxCheckOutput bytes that it printed, as text
	Detail  string // why it could not be run, or that it took too long
}

// Words is the result in words, such as "exit status 1", "ended by signal 9" or why it could not be run.
func (c Check) Words() string {
	switch {
	case c.Detail != "":
		return c.Detail
	case c.Signal != 0:
		return "ended by signal " + strconv.Itoa(c.Signal)
	}
	return "exit status " + strconv.Itoa(c.Code)
}

// MaxCheckOutput is how much of a check's output is kept, in bytes.
const MaxCheckOutput = 4 << 10

// KeptChecks is how many results of a service are kept.
const KeptChecks = 20

// CheckOutcome is the word for a [Check].
type CheckOutcome string

// The outcomes of a check.
const (
	CheckOK     CheckOutcome = "ok"
	CheckFailed CheckOutcome = "failed"  // an exit status other than 0, a signal, or no end within the time limit
	CheckNotRun CheckOutcome = "not-run" // nothing is known of the service: the command could not be executed
)

// The limits of what a person may ask of a check. The interval and the time limit are the design's, section
// "Monitoring"; the others keep a typing mistake from switching it off.
const (
	MinInterval      = 10 * time.Second
	MaxInterval      = 24 * time.Hour
	MaxCheckTime     = 5 * time.Minute
	MaxGrace         = time.Hour
	MaxCheckFailures = 100
)

// Budget is a service's own failure budget. The zero value is the host's.
type Budget struct {
	Failures  int           // that disable the service; 0: the host's
	Window    time.Duration // within which they count; 0: the host's
	Probation time.Duration // between two tries of a service that was disabled; 0: none
}

// The limits of a service's own budget. A longer window would not survive in memory of what happened.
const (
	MaxBudgetFailures = 1000
	MinBudgetWindow   = time.Second
	MaxBudgetWindow   = 24 * time.Hour
	MinProbation      = time.Minute
	MaxProbation      = 24 * time.Hour
	// MaxProbationTries is how often a disabled service is tried before only a person can enable it.
	MaxProbationTries = 10
)

// For returns the policy for one service: the host's, with what the definition says for itself.
func (p *Policy) For(def Definition) *Policy {
	if def.Monitoring == (Monitoring{}) && def.Budget == (Budget{}) {
		return p
	}
	own := *p
	m, b := def.Monitoring, def.Budget
	own.CheckInterval = or(m.Interval, own.CheckInterval)
	own.CheckTimeout = or(m.Timeout, own.CheckTimeout)
	own.CheckFailures = or(m.Failures, own.CheckFailures)
	own.CheckGrace = or(m.Grace, own.CheckGrace)
	own.BudgetLimit = or(b.Failures, own.BudgetLimit)
	own.BudgetWindow = or(b.Window, own.BudgetWindow)
	own.Probation = b.Probation
	return &own
}

func or[T int | time.Duration](own, host T) T {
	if own != 0 {
		return own
	}
	return host
}
