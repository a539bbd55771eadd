package supervisor

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// lastLine is what upkeep adds to the log at the end of a run.
func lastLine(e panel.Exit) string {
	after := ""
	if e.Uptime > 0 {
		after = " after " + e.Uptime.Round(100*time.Millisecond).String()
	}
	switch e.Kind {
	case panel.EndExited:
		return fmt.Sprintf("run %d ended: %sexit status %d%s", e.Run, forMemory(e), e.Code, after)
	case panel.EndSignaled:
		return fmt.Sprintf("run %d ended: %ssignal %s%s", e.Run, forMemory(e), unix.SignalName(syscall.Signal(e.Signal)), after)
	case panel.EndNotRun:
		reason := e.Detail
		if e.Errno != 0 {
			reason = syscall.Errno(e.Errno).Error() + ": " + e.Detail
		}
		return fmt.Sprintf("run %d could not start: %s: %s", e.Run, e.Step, reason)
	}
	return fmt.Sprintf("run %d ended while upkeep was away, exit status unknown", e.Run)
}

func forMemory(e panel.Exit) string {
	if e.OutOfMemory {
		return "out of memory, "
	}
	return ""
}
