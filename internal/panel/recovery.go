package panel

import "time"

// Identity names one process for the life of the machine, so that a later upkeep can recognise it.
type Identity struct {
	BootID     string // /proc/sys/kernel/random/boot_id
	PID        int    // 0: no process was ever made
	StartTicks uint64 // field 22 of /proc/PID/stat, clock ticks since boot
	Inode      uint64 // of the pidfd; 0 where the kernel has no pidfs
	Cgroup     string // absolute path of the run's control group; empty where there is none
	Marker     string // value of RUN_ID in the environment of the run's processes, unique on the machine
}

// RunStart is what is stored, durably, before a program is executed.
type RunStart struct {
	Service ServiceID
	Number  int
	Version int // of the definition
	Shell   bool
	Cause   Cause
	By      Actor
	At      time.Time
	Identity
}

// Pace is where a service stands between failures: it survives a restart of upkeep.
type Pace struct {
	Failures []time.Time // within the budget's window, oldest first
	Tries    int         // index into the policy's delays
	NextTry  time.Time   // zero unless a start is waited for
	Trials   int         // of a service that was disabled, since a person last enabled it or it was well
}

// Recovery is everything the supervisor needs to continue with a service where it left off.
type Recovery struct {
	RunStart       // of the latest run; Number 0 when there was none
	Live     bool  // the run had not ended when upkeep last looked
	LastExit *Exit // of the latest run that ended
	// RestartAsked is when a restart of the latest run was last asked for, within the last hour; zero when none was.
	RestartAsked time.Time
	Pace
}
