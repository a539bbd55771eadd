// Package rig is what tests and measurements need around a real upkeep: its two programs, and a way to end them that
// no person would use. It is no part of upkeep.
package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Build makes upkeep and upkeep-helper as they are shipped, in the folder dir, which must exist; with tags, as these
// change them. It is called from a folder two levels below the module's root, as every test is.
func Build(dir string, tags ...string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", dir+"/",
		"-tags="+strings.Join(tags, ","), "../../cmd/upkeep", "../../cmd/upkeep-helper")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build upkeep: %w: %s", err, out)
	}
	return nil
}

// Daemon is the PID of the daemon that has or had a data directory; 0 when there never was one.
func Daemon(data string) int { return pidIn(filepath.Join(data, "lock")) }

// Keeper is the PID of the keeper that has or had a data directory; 0 when there never was one.
func Keeper(data string) int { return pidIn(filepath.Join(data, "keeper.lock")) }

func pidIn(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(string(bytes.TrimSpace(text))) // an unfinished one is as good as none
	return pid
}

// Crash kills the daemon and the keeper of a data directory so that neither can start the other again. Services run
// on. It returns once the daemon has let go of the directory.
func Crash(data string) error {
	daemon, keeper := Daemon(data), Keeper(data)
	return errors.Join(
		kill(daemon, data, syscall.SIGSTOP), // it would start a new keeper
		kill(keeper, data, syscall.SIGKILL),
		kill(daemon, data, syscall.SIGKILL),
		waitFree(filepath.Join(data, "lock")),
		waitFree(filepath.Join(data, "keeper.lock")),
	)
}

// kill signals a process of the data directory. One that is gone is as good; one that has got the PID meanwhile is
// left alone.
func kill(pid int, data string, sig syscall.Signal) error {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if pid == 0 || err != nil || !bytes.Contains(line, []byte(data)) && !inEnvironment(pid, data) {
		return nil
	}
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %d: %w", pid, err)
	}
	return nil
}

func inEnvironment(pid int, data string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(env, []byte("UPKEEP_DATA="+data))
}

// waitFree waits until nobody holds a lock file any more.
func waitFree(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // there never was one
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
}
