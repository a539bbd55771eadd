package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// says runs a program to its end and returns what it printed.
func (s *site) says(name, command string) string {
	s.t.Helper()
	id := s.add(name, command)
	st := s.awaitState(id, panel.Disabled)
	if e := st.LastExit; e.Kind != panel.EndExited || e.Code != 0 {
		s.t.Fatalf("%s: %+v", command, e)
	}
	var text string
	eventually(s.t, "its end is in the log", func() bool {
		text = s.log(name)
		return strings.Contains(text, "upkeep: run 1 ended: ")
	})
	_, text, _ = strings.Cut(text, "\n")
	text, _, _ = strings.Cut(text, "upkeep: run 1 ended: ")
	return text
}

// fieldOf is what stands behind the name in a file like /proc/PID/status.
func fieldOf(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return "(none)"
}

// A service is nobody but its account's user, and has nothing of upkeep's.
func TestIsolationFromInside(t *testing.T) {
	t.Setenv("UPKEEP_TEST_SECRET", "never seen by a service")
	s, _ := twoAccounts(t, plan{policy: once(), limits: panel.HostLimits{Service: panel.Limits{OpenFiles: 4096}}})
	u := userOf(t, s.account)
	extra := userOf(t, panel.Account{UnixUser: "nobody"}).Gid
	status := s.says("status", "/bin/cat /proc/self/status")
	pid := fieldOf(status, "Pid")
	none := strings.Repeat("0", 16)
	for _, c := range []struct{ field, want string }{
		{"Uid", strings.Repeat(u.Uid+" ", 3) + u.Uid},
		{"Gid", strings.Repeat(u.Gid+" ", 3) + u.Gid},
		{"Umask", fmt.Sprintf("%04o", umask)},
		{"NSsid", pid}, // leader of a session of its own
		{"NSpgid", pid},
		{"PPid", fmt.Sprint(os.Getpid())},
		{"TracerPid", "0"},
		{"NoNewPrivs", "1"},
		{"SigBlk", none}, {"SigIgn", none}, {"SigCgt", none},
		{"CapInh", none}, {"CapPrm", none}, {"CapEff", none}, {"CapAmb", none},
		{"Threads", "1"},
	} {
		if got := fieldOf(status, c.field); got != c.want {
			t.Errorf("%s is %q, want %q", c.field, got, c.want)
		}
	}
	groups, want := strings.Fields(fieldOf(status, "Groups")), []string{u.Gid, extra}
	slices.Sort(groups)
	slices.Sort(want)
	if !slices.Equal(groups, want) {
		t.Errorf("supplementary groups %v, want %v", groups, want)
	}
	descriptors := regexp.MustCompile(`(?m) (\d+) -> (.*)$`).FindAllStringSubmatch(s.says("descriptors", "/bin/ls -l /proc/self/fd"), -1)
	var numbers []string
	for _, d := range descriptors {
		if !strings.HasPrefix(d[2], "/proc/") { // the directory that ls reads
			numbers = append(numbers, d[1])
		}
	}
	if !slices.Equal(numbers, []string{"0", "1", "2"}) {
		t.Errorf("descriptors %v", descriptors)
	}
	if env := s.says("environment", "/usr/bin/env"); strings.Contains(env, "UPKEEP") || !strings.Contains(env, "HOME="+s.account.Home) {
		t.Errorf("environment %q", env)
	}
	if got := s.says("score", "/bin/cat /proc/self/oom_score_adj"); got != fmt.Sprintln(oomScore) {
		t.Errorf("out-of-memory score %q", got)
	}
	if got := strings.Fields(s.says("priority", "/bin/cat /proc/self/stat"))[18]; got != "0" {
		t.Errorf("nice %s", got)
	}
	limits := s.says("limits", "/bin/cat /proc/self/limits")
	for _, want := range []string{`Max core file size +0 +0 `, `Max open files +1024 +4096 `} {
		if !regexp.MustCompile(want).MatchString(limits) {
			t.Errorf("no %q in %s", want, limits)
		}
	}
}

// Each run has groups of its own, in every hierarchy that limits.
func TestOwnControlGroups(t *testing.T) {
	needGroups(t)
	s, bob := twoAccounts(t, plan{policy: once()})
	first, second := s.says("first", "/bin/cat /proc/self/cgroup"), s.says("second", "/bin/cat /proc/self/cgroup")
	var other string
	s.as(bob, func() { other = s.says("first", "/bin/cat /proc/self/cgroup") })
	own, err := os.ReadFile("/proc/self/cgroup")
	check(t, err)
	kept := s.host.(*realHost).limits()
	for _, c := range []struct {
		hierarchy string
		used      bool
	}{{"", true}, {"memory", kept.Rung == panel.RungV1 && kept.Memory}, {"pids", kept.Rung == panel.RungV1 && kept.Processes}} {
		if !c.used {
			continue
		}
		paths := map[string]string{}
		for who, text := range map[string]string{"upkeep": string(own), "first": first, "second": second, "other": other} {
			paths[groupIn(text, c.hierarchy)] = who
		}
		if len(paths) != 4 || paths["(none)"] != "" {
			t.Errorf("hierarchy %q: %v", c.hierarchy, paths)
		}
	}
}

// groupIn is the group in a hierarchy, of the text of /proc/PID/cgroup.
func groupIn(text, controller string) string {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && slices.Contains(strings.Split(fields[1], ","), controller) {
			return fields[2]
		}
	}
	return "(none)"
}

// One account cannot look into, signal or trace what another one runs.
func TestAccountsCannotReachEachOther(t *testing.T) {
	s, bob := twoAccounts(t, plan{policy: once()})
	id := s.add("victim", "sleep 1000", withEnvironment("SECRET=of-ann"))
	victim := s.awaitState(id, panel.Running).PID
	look := fmt.Sprintf(`cd /proc/%d || exit 9
for file in environ mem maps stack auxv io; do
	head -c 1 $file > /dev/null 2>&1 && echo read $file
done
ls fd > /dev/null 2>&1 && echo listed fd
ls cwd/. > /dev/null 2>&1 && echo entered cwd
for signal in 0 TERM KILL STOP HUP; do kill -$signal %[1]d 2> /dev/null && echo sent $signal; done
for file in oom_score_adj coredump_filter; do echo 1 2> /dev/null > $file && echo wrote $file; done
renice 19 %[1]d > /dev/null 2>&1 && echo reniced
prlimit --pid %[1]d --nofile=1 > /dev/null 2>&1 && echo limited
echo over
`, victim)
	s.as(bob, func() {
		if got := s.says("spy", s.script("spy", look)); got != "over\n" {
			t.Errorf("the other account has %q", got)
		}
	})
	// The same is possible for the account itself, so the attempts are real ones.
	if got := s.says("friend", s.script("friend", strings.Replace(look, "TERM KILL STOP HUP", "", 1))); !strings.Contains(got, "read environ\n") ||
		!strings.Contains(got, "sent 0\n") || !strings.Contains(got, "limited\n") {
		t.Errorf("the account itself has only %q", got)
	}
	if st := s.status(id); st.PID != victim || st.State != panel.Running {
		t.Errorf("status of the victim %+v", st)
	}
}

// ptraceAs attaches to a process with the rights of a user.
func TestAccountsCannotTrace(t *testing.T) {
	needProgram(t, "/usr/bin/perl")
	s, bob := twoAccounts(t, plan{policy: once()})
	id := s.add("victim", "sleep 1000")
	victim := s.awaitState(id, panel.Running).PID
	// PTRACE_SEIZE, which does not stop the process.
	attempt := fmt.Sprintf(`/usr/bin/perl -e '$r = syscall(%d, %d, %d, 0, 0); print $r == 0 ? "traced\n" : "refused: $!\n"'`,
		unix.SYS_PTRACE, unix.PTRACE_SEIZE, victim)
	s.as(bob, func() {
		if got := s.says("spy", attempt); got != "refused: Operation not permitted\n" {
			t.Errorf("the other account is %q", got)
		}
	})
	if got := fieldOf(readFile(t, filepath.Join("/proc", fmt.Sprint(victim), "status")), "TracerPid"); got != "0" {
		t.Errorf("process %s traces it", got)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	return string(text)
}
