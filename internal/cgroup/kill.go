package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Kill sends SIGKILL to everything in the group and below it, also to what is frozen and to what is being forked
// at this moment. It does not wait: the group is empty once [Populated] says so. A missing group is fine.
func Kill(path string) error {
	err := write(path, "cgroup.kill", "1")
	if !errors.Is(err, os.ErrNotExist) {
		return wrapKill(err)
	}
	if _, err := os.Stat(path); err != nil {
		return wrapKill(ignoreGone(err))
	}
	return wrapKill(killEach(path))
}

func wrapKill(err error) error {
	if err = ignoreGone(err); err != nil {
		return fmt.Errorf("kill control group: %w", err)
	}
	return nil
}

// Thaw lets a frozen group go on. A missing group is fine.
func Thaw(path string) error {
	return ignoreGone(write(path, "cgroup.freeze", "0"))
}

// killEach is Kill for kernels without cgroup.kill (before 5.14). Frozen processes do not fork; where they cannot
// be frozen either, the rounds catch what was forked meanwhile.
func killEach(path string) error {
	// Not to be able to freeze only makes more rounds necessary.
	_ = write(path, "cgroup.freeze", "1")
	defer Thaw(path)
	for range attempts {
		n, err := killRound(path)
		if err != nil || n == 0 {
			return err
		}
	}
	return fmt.Errorf("%s: %w after %d rounds", path, ErrPopulated, attempts)
}

// killRound kills every process it sees once and waits for their end, for a moment. It returns how many it saw.
func killRound(path string) (int, error) {
	pids, err := Processes(path)
	if err != nil {
		return 0, err
	}
	handles := openAll(pids)
	defer closeAll(handles)
	// A number listed again after its pidfd was opened belongs to a process of this group; if the one behind the
	// pidfd is another, it is dead, and the signal reaches nobody.
	again, err := Processes(path)
	if err != nil {
		return 0, err
	}
	for _, pid := range again {
		if fd, ok := handles[pid]; ok {
			if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return 0, fmt.Errorf("kill process %d: %w", pid, err)
			}
		}
	}
	awaitDeath(handles)
	return len(pids), nil
}

func openAll(pids []int) map[int]int {
	handles := make(map[int]int, len(pids))
	for _, pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			handles[pid] = fd
		}
	}
	return handles
}

func closeAll(handles map[int]int) {
	for _, fd := range handles {
		unix.Close(fd)
	}
}

// killWaitMillis is how long a round waits for one process that does not die of SIGKILL.
const killWaitMillis = 100

func awaitDeath(handles map[int]int) {
	for _, fd := range handles {
		// Waiting only spares rounds; whether everything is dead is seen in the next one.
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, killWaitMillis)
	}
}

func write(path, file, value string) error {
	f, err := os.OpenFile(filepath.Join(path, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(value)
	return err
}
