package launcher

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// setLimits gives the process the limits and the priorities of a service, whatever upkeep's own are.
func (s *Spec) setLimits() *Failure {
	unix.Umask(s.Umask)
	if err := s.setOOMScore(); err != nil {
		return fail(panel.StepLimits, err, "out-of-memory score")
	}
	if err := s.resetNice(); err != nil {
		return fail(panel.StepLimits, err, "priority")
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fail(panel.StepLimits, err, "core")
	}
	if err := s.limitProcesses(); err != nil {
		return fail(panel.StepLimits, err, "processes")
	}
	return fail(panel.StepLimits, s.limitFiles(), "open files")
}

// setOOMScore makes the kernel prefer a service to upkeep. It comes before becomeUser: with root's rights the value
// also becomes the least one that the program can choose for itself.
func (s *Spec) setOOMScore() error {
	if s.OOMScore == 0 {
		return nil
	}
	fd, err := unix.Open("/proc/self/oom_score_adj", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(strconv.Itoa(s.OOMScore)))
	return err
}

// resetNice takes upkeep's own priority away from what becomes another user's. It is of the calling thread, which
// becomes the program.
func (s *Spec) resetNice() error {
	if !s.SetUser {
		return nil
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, 0)
}

// limitProcesses bounds the processes of the user to become. It binds nobody else: root is exempt.
func (s *Spec) limitProcesses() error {
	if s.Processes == 0 || !s.SetUser {
		return nil
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &now); err != nil {
		return err
	}
	n := min(s.Processes, now.Max)
	return unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n})
}

func (s *Spec) limitFiles() error {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	if s.OpenFileMax > 0 {
		files.Max = min(s.OpenFileMax, files.Max)
	}
	if s.OpenFile > 0 {
		files.Cur = s.OpenFile
	}
	files.Cur = min(files.Cur, files.Max)
	// syscall, not unix: it also stops the runtime from putting back the value it found at its own start.
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: files.Cur, Max: files.Max})
}
