package templates

import (
	"syscall"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func TestExitText(t *testing.T) {
	notRun := func(step panel.Step, errno syscall.Errno, detail string) panel.Exit {
		return panel.Exit{Kind: panel.EndNotRun, Step: step, Errno: int(errno), Detail: detail}
	}
	for name, test := range map[string]struct {
		exit panel.Exit
		want string
	}{
		"status":            {panel.Exit{Kind: panel.EndExited, Code: 1, Uptime: 2100 * time.Millisecond}, "exit status 1 after 2.1 s"},
		"no uptime":         {panel.Exit{Kind: panel.EndExited}, "exit status 0"},
		"of a shell":        {panel.Exit{Kind: panel.EndExited, Code: 127}, "exit status 127 (command not found)"},
		"not executable":    {panel.Exit{Kind: panel.EndExited, Code: 126}, "exit status 126 (found, but may not be executed)"},
		"signal":            {panel.Exit{Kind: panel.EndSignaled, Signal: 9, Uptime: time.Minute}, "ended by signal SIGKILL after 1 min"},
		"out of memory":     {panel.Exit{Kind: panel.EndSignaled, Signal: 9, OutOfMemory: true, Uptime: time.Minute}, "killed after 1 min: out of memory"},
		"a child of memory": {panel.Exit{Kind: panel.EndExited, Code: 137, OutOfMemory: true}, "exit status 137 (out of memory)"},
		"core":              {panel.Exit{Kind: panel.EndSignaled, Signal: 11, CoreDumped: true}, "ended by signal SIGSEGV (core dumped)"},
		"nameless signal":   {panel.Exit{Kind: panel.EndSignaled, Signal: 63}, "ended by signal 63"},
		"unseen":            {panel.Exit{Kind: panel.EndUnknown}, "ended while upkeep was away, so its exit status is not known"},
		"left foreground":   {panel.Exit{Kind: panel.EndExited, LeftForeground: true}, "exit status 0, leaving other processes behind"},
		"no directory":      {notRun(panel.StepDirectory, syscall.ENOENT, "~/app"), "could not start: no such working directory: ~/app"},
		"closed directory":  {notRun(panel.StepDirectory, syscall.EACCES, "~/app"), "could not start: the working directory may not be entered: ~/app"},
		"not found":         {notRun(panel.StepLookup, syscall.ENOENT, "gunicorn"), "could not start: command not found: gunicorn"},
		"no interpreter":    {notRun(panel.StepExecute, syscall.ENOENT, "run.sh"), "could not start: the program, or the interpreter its first line names, does not exist: run.sh"},
		"bad interpreter":   {notRun(panel.StepExecute, syscall.ENOEXEC, "a"), "could not start: not a program for this machine, or its first line (#!) is missing: bad interpreter: a"},
		"no x bit":          {notRun(panel.StepExecute, syscall.EACCES, "a"), "could not start: the program may not be executed: a"},
		"too large":         {notRun(panel.StepExecute, syscall.E2BIG, ""), "could not start: the command line and environment are too large"},
		"process table":     {notRun(panel.StepFork, syscall.EAGAIN, ""), "could not start: no more processes are allowed at the moment"},
		"no user":           {notRun(panel.StepUser, 0, "alice"), "could not start: the account's Unix user does not exist: alice"},
		"other":             {notRun(panel.StepCgroup, syscall.EROFS, ""), "could not start: its control group cannot be made (read-only file system)"},
		"unknown step":      {notRun("later", 0, ""), "could not start: it cannot be started"},
	} {
		if got := ExitText(test.exit); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, test.want)
		}
	}
}

func TestExitKind(t *testing.T) {
	for want, e := range map[string]panel.Exit{
		"asked for": {Asked: true}, "a normal end": {Clean: true}, "a failure": {},
		"the host's fault, not counted": {Host: true},
	} {
		if got := exitKind(e); got != want {
			t.Errorf("%+v: got %q, want %q", e, got, want)
		}
	}
}
