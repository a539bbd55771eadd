package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
	"upkeep/internal/privilege"
)

// born starts sleep as a service and returns its process and who it has to run as. What a process was born with is
// read from /proc: sleep changes nothing of it, as most runtimes and shells would.
func born(t *testing.T, p plan, change ...func(*panel.Service)) (s *site, pid int, cred privilege.Credentials) {
	t.Helper()
	s = newSite(t, p)
	who, err := lookUp(s.account)
	check(t, err)
	check(t, os.Mkdir(filepath.Join(s.account.Home, "app"), 0o755))
	id := s.add("sleep", "sleep 1000", change...)
	return s, s.awaitState(id, panel.Running).PID, who.cred
}

// statusOf reads /proc/PID/status.
func statusOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(t, err)
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.Join(strings.Fields(value), " ")
	}
	return fields
}

func TestBirth(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGUSR1} {
		signal.Ignore(sig) // as under nohup, and under many supervisors
		defer signal.Reset(sig)
	}
	old := unix.Umask(0)
	defer unix.Umask(old)
	_, pid, cred := born(t, plan{})
	got := statusOf(t, pid)
	four := func(n int) string { return fmt.Sprintf("%d %[1]d %[1]d %[1]d", n) }
	want := map[string]string{
		"Uid": four(cred.UID), "Gid": four(cred.GID), "Umask": "0027", "NoNewPrivs": "1",
		"SigBlk": "0000000000000000", "SigIgn": "0000000000000000", "SigCgt": "0000000000000000",
		"SigPnd": "0000000000000000", "ShdPnd": "0000000000000000", "Groups": numbers(cred.Groups),
		"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000", "CapAmb": "0000000000000000",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	for field, name := range map[int]string{5: "process group", 6: "session"} {
		if leader := statField(pid, field); leader != fmt.Sprint(pid) {
			t.Errorf("%s %s, want its own, %d", name, leader, pid)
		}
	}
	if tty := statField(pid, 7); tty != "0" {
		t.Errorf("terminal %s", tty)
	}
}

func numbers(list []int) string {
	list = slices.Sorted(slices.Values(list))
	return strings.Trim(fmt.Sprint(list), "[]")
}

// Without a user of their own, programs get what the one who started upkeep has, and no more.
func TestBirthShared(t *testing.T) {
	_, pid, cred := born(t, plan{shared: true, noCgroup: true})
	got := statusOf(t, pid)
	for name, want := range map[string]string{
		"Uid": fmt.Sprintf("%d %[1]d %[1]d %[1]d", os.Geteuid()), "Groups": numbers(cred.Groups),
		"Umask": "0027", "NoNewPrivs": "1", "SigIgn": "0000000000000000",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestBirthDescriptors(t *testing.T) {
	fd, err := unix.FcntlInt(0, unix.F_DUPFD, 500) // a descriptor that somebody forgot to close on exec
	check(t, err)
	defer unix.Close(fd)
	s, pid, _ := born(t, plan{})
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	names, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("may not look at the descriptors of another process: ", err)
	}
	check(t, err)
	got := map[string]string{}
	for _, n := range names {
		got[n.Name()], err = os.Readlink(filepath.Join(dir, n.Name()))
		check(t, err)
	}
	fifo := filepath.Join(s.dir, "state", "fifos", "1")
	if len(got) != 3 || got["0"] != os.DevNull || got["1"] != fifo || got["2"] != fifo {
		t.Errorf("descriptors %v, want /dev/null and %s", got, fifo)
	}
}

func TestBirthEnvironment(t *testing.T) {
	t.Setenv("UPKEEP_TEST_SECRET", "leaked")
	s, pid, _ := born(t, plan{}, withPort(8300), inDirectory("app"), withEnvironment("MODE=production\nLANG=de_DE.UTF-8"))
	identity, _ := s.Identity(1)
	who, err := lookUp(s.account)
	check(t, err)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	check(t, err)
	got := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	home := s.account.Home
	want := []string{
		"ACCOUNT=ann", "HOME=" + home, "HOST=::", "LANG=de_DE.UTF-8", "LOGNAME=" + who.name, "MODE=production",
		"PATH=" + home + "/bin:" + home + "/.local/bin:/usr/local/bin:/usr/bin:/bin", "PORT=8300", "PYTHONUNBUFFERED=1",
		"RUN_ID=" + identity.Marker, "SERVICE_ID=1", "SERVICE_NAME=sleep", "SHELL=" + who.shell, "TZ=UTC", "USER=" + who.name,
	}
	if !slices.Equal(got, want) {
		t.Errorf("environment %q,\nwant %q", got, want)
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != home+"/app" {
		t.Errorf("working directory %q, %v", cwd, err)
	}
}

func TestBirthLimits(t *testing.T) {
	var files, core unix.Rlimit
	check(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &files))
	check(t, unix.Getrlimit(unix.RLIMIT_CORE, &core))
	check(t, unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: core.Max, Max: core.Max}))
	defer func() { check(t, unix.Setrlimit(unix.RLIMIT_CORE, &core)) }()
	_, pid, _ := born(t, plan{})
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	check(t, err)
	for _, want := range []string{
		"Max core file size 0 0 bytes",
		fmt.Sprintf("Max open files %d %d files", min(1024, files.Max), files.Max),
	} {
		if !slices.ContainsFunc(slices.Collect(strings.Lines(string(text))), func(line string) bool {
			return strings.Join(strings.Fields(line), " ") == want
		}) {
			t.Errorf("not among the limits: %s\n%s", want, text)
		}
	}
}
