// Package process knows what runs on this machine: which processes belong to a service, what they use, where they
// listen, and how to recognise and signal one of them without ever reaching another.
//
// Two ideas carry it. A process is only ever signalled through a pidfd whose identity was compared after it was
// opened; a number alone may have been given to somebody else. And a service's processes are those of its run's
// control group; where there are none, [MembersOf] collects them by session, by a marker in their environment, and
// by descent, which finds less and is the reason for preferring the first.
//
// Processes end, and those of other users refuse to be read, at any moment. Both mean "not there" everywhere here;
// neither is an error. Linux 5.3 is needed, for pidfds.
package process

import "upkeep/internal/panel"

// Group names the processes of one run of a service.
type Group struct {
	Service  panel.ServiceID
	Identity panel.Identity // of the main process of the live run
}

// ticksPerSecond is the unit of times in /proc/PID/stat: USER_HZ, 100 on every platform that Go runs on.
const ticksPerSecond = 100
