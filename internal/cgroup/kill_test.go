package cgroup

import (
	"testing"
)

func TestKill(t *testing.T) {
	for _, c := range []struct {
		name   string
		frozen bool
		kill   func(string) error
	}{
		{"running", false, Kill},
		{"frozen", true, Kill},
		{"one by one", false, killEach},
		{"one by one, frozen", true, killEach},
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
		frozen, err := Frozen(path)
		return !frozen && err == nil
	})
}

func freeze(t *testing.T, path string) {
	t.Helper()
	if err := write(path, "cgroup.freeze", "1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group is frozen", func() bool {
		frozen, err := Frozen(path)
		return frozen && err == nil
	})
}
