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
	"slices"
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

// Crash kills every daemon and keeper of a data directory, so that none can start another again. Services run on. It
// returns once nobody holds the directory.
func Crash(data string) error {
	// All of them stand still before any dies: a daemon that loses its keeper starts one, and a keeper a daemon. What
	// one was just starting may still look like its parent, and is found in the next round.
	for {
		pids, err := upkeeps(data)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			break
		}
		for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
			for _, pid := range pids {
				if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
					return fmt.Errorf("signal %d: %w", pid, err)
				}
			}
		}
	}
	return errors.Join(waitFree(filepath.Join(data, "lock")), waitFree(filepath.Join(data, "keeper.lock")))
}

// upkeeps are the daemons and keepers of a data directory that live.
func upkeeps(data string) ([]int, error) {
	folders, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, folder := range folders {
		pid, err := strconv.Atoi(folder.Name())
		if err == nil && isUpkeep(pid, data) && !dead(pid) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// isUpkeep reports whether a process is a keeper, or "upkeep serve", of the data directory.
func isUpkeep(pid int, data string) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return false
	}
	args := strings.Split(string(line), "\x00")
	switch {
	case len(args) < 3:
		return false
	case args[1] == "keep", args[1] == "adopt":
		return args[2] == data
	case args[1] == "serve":
		return slices.Contains(args, data) || inEnvironment(pid, data)
	}
	return false
}

// dead reports whether a process has ended and waits to be reaped.
func dead(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	state := text[bytes.LastIndexByte(text, ')')+1:]
	return bytes.HasPrefix(state, []byte(" Z")) || bytes.HasPrefix(state, []byte(" X"))
}

func inEnvironment(pid int, data string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(append([]byte{0}, env...), []byte("\x00UPKEEP_DATA="+data+"\x00"))
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
