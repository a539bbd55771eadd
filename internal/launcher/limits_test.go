package launcher

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLimits(t *testing.T) {
	shown := []string{"/bin/cat", "/proc/self/limits", "/proc/self/oom_score_adj"}
	for name, c := range map[string]struct {
		spec Spec
		want []string
	}{
		"soft and hard": {Spec{OpenFile: 256, OpenFileMax: 512, OOMScore: 300},
			[]string{`Max open files +256 +512 `, `Max core file size +0 +0 `, `(?m)^300$`}},
		"a hard limit below the soft one": {Spec{OpenFile: 1024, OpenFileMax: 100}, []string{`Max open files +100 +100 `}},
		"a score that is raised further":  {Spec{OOMScore: 1000}, []string{`(?m)^1000$`}},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Directory, c.spec.Argv = "/", shown
			out, _ := become(t, &c.spec)
			for _, want := range c.want {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("no %q in %s", want, out)
				}
			}
		})
	}
}

// Root is never bound by the number of processes, so only another user is.
func TestLimitOfProcesses(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	out, _ := become(t, &Spec{SetUser: true, UID: 65534, GID: 65534, Processes: 4000, Directory: "/",
		Argv: []string{"/bin/cat", "/proc/self/limits"}})
	if !strings.Contains(strings.Join(strings.Fields(out), " "), "Max processes 4000 4000 processes") {
		t.Errorf("limits %s", out)
	}
}

// A service has the usual priority, whatever upkeep's own is.
func TestPriority(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can go back to the usual priority")
	}
	runtime.LockOSThread() // and never unlock: the thread ends with the test, and its priority too
	for _, nice := range []int{5, -5} {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice); err != nil {
			t.Skip("needs the right to set priorities: ", err)
		}
		out, _ := become(t, &Spec{SetUser: true, UID: 65534, GID: 65534, Directory: "/", Argv: []string{"/bin/cat", "/proc/self/stat"}})
		if got := strings.Fields(out)[18]; got != "0" {
			t.Errorf("with a nice value of %d of its own it starts programs with %s", nice, got)
		}
	}
}
