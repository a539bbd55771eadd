package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// tellDelegated has a controller handed down, as an upkeep that starts would, and then does so once more.
func tellDelegated(controller string) {
	for range 2 {
		t, err := Find("delegated")
		if err != nil {
			fmt.Println("find:", err)
			return
		}
		got, err := t.delegate([]string{controller, "no-such-controller"})
		group, _ := ownGroup() // it was found a moment ago
		below, _ := words(t.base, "cgroup.subtree_control")
		fmt.Println(filepath.Base(group), got, err, below)
	}
}

// offered hands some controller down to the groups beside the one of this process; which one does not matter.
func offered(t *testing.T) (own, controller string) {
	t.Helper()
	own, err := ownGroup()
	if err != nil {
		t.Skip("needs control groups: ", err)
	}
	has, err := words(own, "cgroup.controllers")
	if err != nil || len(has) == 0 {
		t.Skip("the v2 hierarchy has no controllers here: ", err)
	}
	down, err := words(own, "cgroup.subtree_control")
	if err != nil {
		t.Fatal(err)
	}
	controller = has[0]
	if !slices.Contains(down, controller) {
		if err := handDown(own, []string{controller}); err != nil {
			t.Skip("needs a group of which a controller can be handed down: ", err)
		}
		t.Cleanup(func() {
			if err := write(own, "cgroup.subtree_control", "-"+controller); err != nil {
				t.Error(err)
			}
		})
	}
	return own, controller
}

// upkeep moves out of the way so that its group can hand the controllers down, unless others live there.
func TestDelegate(t *testing.T) {
	own, controller := offered(t)
	for _, c := range []struct {
		name   string
		shared bool
		want   string
	}{
		{"alone", false, fmt.Sprintf("upkeep-self [%s] <nil> [%[1]s]\n", controller)},
		{"with others", true, fmt.Sprintf("GROUP [] %v: %v []\n", ErrUnavailable, errShared)},
	} {
		t.Run(c.name, func(t *testing.T) {
			group := mkdir(t, own, fmt.Sprintf("delegate-test-%d", os.Getpid()))
			t.Cleanup(func() {
				eventually(t, "the group is removed", func() bool { return removeTree(group) == nil })
			})
			if c.shared {
				other := startIn(t, group, "sleep", "1000")
				t.Cleanup(func() { _ = other.Process.Kill() })
			}
			out := runIn(t, group, "CGROUP_TEST_DELEGATE="+controller)
			want := strings.ReplaceAll(c.want, "GROUP", filepath.Base(group))
			if out != want+want {
				t.Errorf("got\n%swant, twice,\n%s", out, want)
			}
		})
	}
}

// runIn runs this binary inside a group.
func runIn(t *testing.T, group, variable string) string {
	t.Helper()
	dir, err := os.Open(group)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), variable)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
