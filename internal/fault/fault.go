// Package fault makes this machine as tests need it: a file system that stands still, a full process table, too few
// descriptors, a kernel that refuses system calls, no control groups.
//
// What can be done to a running process is a function. What a process has to be born with is a [Confinement]: the
// test binary takes it on and then becomes the program, so its TestMain calls [Main] first.
package fault

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Confinement is what a program has to live with. The zero value changes nothing.
type Confinement struct {
	Refuse   []Refusal
	NoGroups bool     // no control group hierarchy is mounted; needs root
	Covered  []string // folders that nobody can use: an empty, closed, read-only file system covers each; needs root
}

// variable carries a Confinement to the test binary that takes it on.
const variable = "UPKEEP_FAULT_CONFINEMENT"

type confined struct {
	Confinement
	Program string
}

// Confine makes cmd live under c. It skips the test without root, where root is needed.
func Confine(t testing.TB, cmd *exec.Cmd, c Confinement) {
	t.Helper()
	if (c.NoGroups || len(c.Covered) > 0) && os.Geteuid() != 0 {
		t.Skip("needs root: a mount namespace")
	}
	text, err := json.Marshal(confined{c, cmd.Path})
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, variable+"="+string(text))
	if cmd.Path, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
}

// Main takes on the confinement that this process was started with, and becomes the program; it returns when there
// is none. TestMain has to call it.
func Main() {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	fmt.Fprintln(os.Stderr, "confine:", become(text))
	os.Exit(125)
}

func become(text string) error {
	var c confined
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	runtime.LockOSThread() // execve keeps what the calling thread has
	if err := c.mounts(); err != nil {
		return err
	}
	if err := c.filter(); err != nil {
		return err
	}
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, variable+"=") {
			env = append(env, v)
		}
	}
	return os.NewSyscallError("execve", syscall.Exec(c.Program, os.Args, env))
}

// mounts changes what is mounted, in a namespace of its own.
func (c Confinement) mounts() error {
	if !c.NoGroups && len(c.Covered) == 0 {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	for _, dir := range c.Covered {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, "mode=0,size=4k"); err != nil {
			return fmt.Errorf("cover %s: %w", dir, err)
		}
	}
	if !c.NoGroups {
		return nil
	}
	return unmountGroups()
}

func unmountGroups() error {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if strings.HasPrefix(fields[2], "cgroup") {
			if err := unix.Unmount(fields[1], unix.MNT_DETACH); err != nil {
				return fmt.Errorf("unmount %s: %w", fields[1], err)
			}
		}
	}
	return nil
}
