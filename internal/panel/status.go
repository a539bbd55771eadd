package panel

import "time"

// State is the one word that says how a service is.
type State string

// The states of a service. Unknown is what a page says of a node that is silent.
const (
	Paused    State = "paused"
	Disabled  State = "disabled"
	Starting  State = "starting"
	Running   State = "running"
	Unhealthy State = "unhealthy"
	Backoff   State = "backoff"
	Stopping  State = "stopping"
	Unknown   State = "unknown"
)

// States lists every state, worst first: the order in which a list shows its services.
func States() []State {
	return []State{Disabled, Backoff, Unhealthy, Unknown, Stopping, Starting, Running, Paused}
}

// Status is what the supervisor observes of a service. It is a copy.
type Status struct {
	State State
	Since time.Time

	Run       int       // number of the latest run; 0: never started
	PID       int       // main process; 0 when none is alive
	StartedAt time.Time // of the live run; zero when none is
	Version   int       // of the definition that the live run was started from
	Shell     bool      // the live run goes through /bin/sh

	LastExit *Exit // of the latest run that ended, nil when none did; never changed after it is set

	Failures int // within the budget's window
	Limit    int // failures that disable
	Window   time.Duration
	NextTry  time.Time // when State is Backoff

	Restarting bool      // SIGHUP was sent and its outcome is awaited
	KillAt     time.Time // when State is Stopping: when everything left is killed; zero once that happened
	LeftOver   []Remnant // what outlived the kill

	Check     *Check    // the latest of the live run; nil when there was none yet
	Failing   int       // checks that failed in a row
	Tolerated int       // … that restart the service
	NextCheck time.Time // zero when none is planned
	// Useless is set when the check said that all is well while the service was stopped.
	Useless bool

	// LogTrouble says in one sentence why output does not go to the account's log file at the moment;
	// empty when it does.
	LogTrouble string
}

// EndKind is how a run ended.
type EndKind string

// The ways in which a run ends.
const (
	EndExited   EndKind = "exited"   // Code holds the exit status
	EndSignaled EndKind = "signaled" // Signal holds the number
	EndNotRun   EndKind = "not-run"  // the program was never executed; Step and Errno say why
	EndUnknown  EndKind = "unknown"  // nobody saw the exit: upkeep was away
)

// Exit describes the end of a run.
type Exit struct {
	Kind       EndKind
	Code       int
	Signal     int
	CoreDumped bool
	Step       Step   // for EndNotRun
	Errno      int    // for EndNotRun; 0 when no system call failed
	Detail     string // for EndNotRun: the path or name concerned

	Run    int
	At     time.Time     // of the exit itself
	Uptime time.Duration // from execution to exit
	Asked  bool          // a person asked for it
	Clean  bool          // status 0 of a long run
	Host   bool          // the host's fault, not the customer's: not counted as a failure
	// OutOfMemory is set when the kernel ended the program because memory ran out: its own, its account's, or that
	// of the machine.
	OutOfMemory bool
	// LeftForeground is set when the main process ended and others of its run stayed; they were stopped.
	LeftForeground bool
}

// Failure reports whether the exit uses the failure budget.
func (e Exit) Failure() bool { return !e.Asked && !e.Clean && !e.Host }

// Step is what the launcher was doing when a start failed.
type Step string

// The steps of a start, in their order.
const (
	StepUser      Step = "user"      // finding the account's Unix user
	StepCommand   Step = "command"   // understanding the command line
	StepCgroup    Step = "cgroup"    // making or joining the run's control group
	StepOutput    Step = "output"    // opening the output
	StepRecord    Step = "record"    // storing the run before it begins
	StepFork      Step = "fork"      // starting the launcher
	StepLimits    Step = "limits"    // resource limits
	StepIdentity  Step = "identity"  // becoming the account's user
	StepDirectory Step = "directory" // entering the working directory
	StepLookup    Step = "lookup"    // finding the program in PATH
	StepExecute   Step = "execute"   // execve itself
)

// Run is one life of a service, as history keeps it.
type Run struct {
	Number    int
	Cause     Cause
	By        Actor
	PID       int // 0 when the program was never executed
	StartedAt time.Time
	End       *Exit // nil while it lives
}

// Cause is why a run was started.
type Cause string

// The causes of a run.
const (
	CauseAsked   Cause = "asked"   // created, resumed, enabled, or "start now"
	CauseRestart Cause = "restart" // a person asked for a restart
	CauseExit    Cause = "exit"    // the run before ended unasked
	CauseBoot    Cause = "boot"    // the machine, or upkeep, started
	CauseTrial   Cause = "trial"   // a disabled service is tried again
)

// RestartOutcome is what a request to restart came to.
type RestartOutcome struct {
	Result RestartResult
	Hard   bool
	OldPID int
	PID    int           // the process that is there now; 0 when failed
	Run    int           // its run
	After  time.Duration // from the request to the new program
	Exit   *Exit         // of the new run, when failed
}

// RestartResult is the word for a [RestartOutcome].
type RestartResult string

// The outcomes of a restart.
const (
	Replaced RestartResult = "replaced" // a new process runs
	Reloaded RestartResult = "reloaded" // the same process is still there after the signal
	Failed   RestartResult = "failed"   // the new run ended within the start period
	Started  RestartResult = "started"  // nothing ran before; now it does
	// Superseded: another request, such as pause, came in between.
	Superseded RestartResult = "superseded"
)
