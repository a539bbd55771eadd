package panel

import "time"

// Process is one process of a service, as observed.
type Process struct {
	PID       int
	Parent    int
	StartTime uint64 // clock ticks since boot: with PID, the identity of a process
	Service   ServiceID
	Main      bool          // the service's main process
	Strayed   bool          // not a descendant of the main process any more
	Command   string        // the command line; the name in brackets when it has none
	State     string        // one word: running, sleeping, stopped, waiting for disk, zombie …
	CPU       float64       // of one core, over the last moments; negative when not known yet
	CPUTime   time.Duration // user and system
	Memory    int64         // resident set, bytes
	Threads   int
	StartedAt time.Time
	Listens   []Listener
}

// Remnant is a process that outlived SIGKILL.
type Remnant struct {
	PID   int
	State string // as that of a Process; empty when it is not known
}

// WaitingForDisk is the state of a process that the kernel lets nobody end: it waits for a device, or for a file
// system.
const WaitingForDisk = "waiting for disk"

// Listener is a TCP socket that waits for connections.
type Listener struct {
	Address string // "::", "::1", "0.0.0.0", …
	Port    int
}

// Usage is what the processes of one service use together.
type Usage struct {
	CPU       float64 // of one core, over the last moments; negative when not known yet
	Memory    int64   // resident sets added up, bytes
	Processes int
}

// PortState is what stands behind a declared port.
type PortState string

// What can be found behind a declared port.
const (
	PortListening PortState = "listening" // on :: (or all addresses of both families)
	PortLoopback  PortState = "loopback"  // on 127.0.0.1 or ::1 only
	PortIPv4Only  PortState = "ipv4-only" // on 0.0.0.0 or an IPv4 address only
	PortSpecific  PortState = "specific"  // on one IPv6 address that is not loopback
	PortOther     PortState = "other"     // the service listens, but on other ports; Other holds them
	PortNothing   PortState = "nothing"
)

// PortUse says who listens on a service's port.
type PortUse struct {
	State   PortState
	Address string // where it listens, when it does
	PID     int    // who listens, when somebody does
	Name    string // of that process
	Other   []int
}
