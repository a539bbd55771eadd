package cgroup

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKill(t *testing.T) {
	for _, c := range []struct {
		name   string
		frozen bool
		kill   func(string) error
		after  string // of cgroup.freeze
	}{
		{"running", false, Kill, "0\n"},
		{"frozen", true, Kill, "1\n"},
		{"one by one", false, killEach, "0\n"},
		{"one by one, frozen", true, killEach, "0\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newRun(t, groups(t), 1)
			startTree(t, path)
			if c.frozen {
				freeze(t, path)
			}
			if err := c.kill(path); err != nil {
				t.Fatal(err)
			}
			eventually(t, "everything is dead", func() bool { return !populated(t, path) })
			if pids := processes(t, path); pids != nil {
				t.Errorf("%v are left", pids)
			}
			if got, err := os.ReadFile(filepath.Join(path, "cgroup.freeze")); string(got) != c.after || err != nil {
				t.Errorf("cgroup.freeze is %q, %v; want %q", got, err, c.after)
			}
		})
	}
}

// groups is a tree for a subtest whose name holds characters that a group's cannot.
func groups(t *testing.T) *Tree {
	t.Helper()
	return tree(renamed{t})
}

type renamed struct{ *testing.T }

func (renamed) Name() string { return "subtest" }

func TestThaw(t *testing.T) {
	path := newRun(t, tree(t), 1)
	startIn(t, path, "sleep", "60")
	freeze(t, path)
	if err := Thaw(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group goes on", func() bool {
		frozen, err := isFrozen(path)
		return !frozen && err == nil
	})
}

func freeze(t *testing.T, path string) {
	t.Helper()
	if err := write(path, "cgroup.freeze", "1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group is frozen", func() bool {
		frozen, err := isFrozen(path)
		return frozen && err == nil
	})
}
