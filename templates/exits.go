package templates

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// ExitText says how a run ended: "exit status 1 after 2.1 s".
func ExitText(e panel.Exit) string {
	switch e.Kind {
	case panel.EndExited:
		return fmt.Sprintf("exit status %d%s%s%s", e.Code, codeHint(e), after(e), foreground(e))
	case panel.EndSignaled:
		if e.OutOfMemory {
			return "killed" + after(e) + ": out of memory" + foreground(e)
		}
		return "ended by signal " + signalName(e.Signal) + dumped(e) + after(e) + foreground(e)
	case panel.EndNotRun:
		return "could not start: " + startTrouble(e)
	}
	return "ended while upkeep was away, so its exit status is not known"
}

// exitShort is ExitText for a narrow column.
func exitShort(e panel.Exit) string {
	if e.OutOfMemory {
		return "out of memory"
	}
	switch e.Kind {
	case panel.EndExited:
		return fmt.Sprintf("exit %d", e.Code)
	case panel.EndSignaled:
		return signalName(e.Signal)
	case panel.EndNotRun:
		return startTroubleShort(e)
	}
	return "exit not seen"
}

// exitClause is ExitText with a subject.
func exitClause(e panel.Exit) string {
	switch e.Kind {
	case panel.EndExited:
		return "the program ended with " + ExitText(e)
	case panel.EndSignaled:
		return "the program was " + ExitText(e)
	}
	return "the program " + ExitText(e)
}

// codeHint explains the statuses that a shell gives a meaning of their own.
func codeHint(e panel.Exit) string {
	if e.OutOfMemory {
		return " (out of memory)"
	}
	switch e.Code {
	case 126:
		return " (found, but may not be executed)"
	case 127:
		return " (command not found)"
	}
	return ""
}

func after(e panel.Exit) string {
	if e.Uptime <= 0 {
		return ""
	}
	return " after " + Duration(e.Uptime)
}

func dumped(e panel.Exit) string {
	if e.CoreDumped {
		return " (core dumped)"
	}
	return ""
}

func foreground(e panel.Exit) string {
	if e.LeftForeground {
		return ", leaving other processes behind"
	}
	return ""
}

func signalName(signal int) string {
	if name := unix.SignalName(syscall.Signal(signal)); name != "" {
		return name
	}
	return itoa(signal)
}

// startTrouble says what stood in the way of executing the program, and names it.
func startTrouble(e panel.Exit) string {
	text := startTroubleShort(e)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

func startTroubleShort(e panel.Exit) string {
	errno := syscall.Errno(e.Errno)
	if text := hostTrouble(errno); text != "" {
		return text
	}
	switch e.Step {
	case panel.StepUser:
		return "the account's Unix user does not exist"
	case panel.StepCommand:
		return "the command line cannot be understood"
	case panel.StepDirectory:
		return directoryTrouble(errno)
	case panel.StepLookup:
		return lookupTrouble(errno)
	case panel.StepExecute:
		return executeTrouble(errno)
	}
	return ownStep(e.Step) + because(errno)
}

// hostTrouble is about shortages of the machine, at whatever step they appear.
func hostTrouble(errno syscall.Errno) string {
	switch errno {
	case syscall.EAGAIN:
		return "no more processes are allowed at the moment"
	case syscall.ENOMEM:
		return "the machine has no memory left"
	case syscall.ENOSPC:
		return "the machine has no disk space left"
	case syscall.EMFILE, syscall.ENFILE:
		return "too many files are open on the machine"
	case syscall.ETIMEDOUT:
		return "a file system does not answer"
	}
	return ""
}

func directoryTrouble(errno syscall.Errno) string {
	switch errno {
	case syscall.ENOENT:
		return "no such working directory"
	case syscall.ENOTDIR:
		return "the working directory is not a directory"
	case syscall.EACCES:
		return "the working directory may not be entered"
	}
	return "the working directory cannot be entered" + because(errno)
}

func lookupTrouble(errno syscall.Errno) string {
	if errno == syscall.EACCES {
		return "the program may not be executed"
	}
	return "command not found"
}

func executeTrouble(errno syscall.Errno) string {
	switch errno {
	case syscall.ENOENT:
		return "the program, or the interpreter its first line names, does not exist"
	case syscall.EACCES:
		return "the program may not be executed"
	case syscall.ENOEXEC:
		return "not a program for this machine, or its first line (#!) is missing: bad interpreter"
	case syscall.E2BIG:
		return "the command line and environment are too large"
	case syscall.ETXTBSY:
		return "the program's file is being written to"
	}
	return "the program cannot be executed" + because(errno)
}

// ownStep names a step that is upkeep's work rather than the customer's.
func ownStep(step panel.Step) string {
	switch step {
	case panel.StepCgroup:
		return "its control group cannot be made"
	case panel.StepOutput:
		return "its output cannot be opened"
	case panel.StepRecord:
		return "its start cannot be recorded"
	case panel.StepFork:
		return "no process can be made"
	case panel.StepLimits:
		return "its limits cannot be set"
	case panel.StepIdentity:
		return "it cannot become the account's user"
	}
	return "it cannot be started"
}

func because(errno syscall.Errno) string {
	if errno == 0 {
		return ""
	}
	return " (" + errno.Error() + ")"
}

// exitKind says how an end counts.
func exitKind(e panel.Exit) string {
	switch {
	case e.Asked:
		return "asked for"
	case e.Host:
		return "the host's fault, not counted"
	case e.Clean:
		return "a normal end"
	}
	return "a failure"
}
