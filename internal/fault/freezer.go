package fault

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Freezer is a control group of the v1 controller freezer. What it holds while frozen looks like a process that waits
// for a device: no signal ends it, and its state is D.
type Freezer struct {
	t   testing.TB
	dir string
}

// NewFreezer makes one. After the test it is thawed, emptied and removed. It skips the test where there is no such
// controller.
func NewFreezer(t testing.TB) *Freezer {
	t.Helper()
	const hierarchy = "/sys/fs/cgroup/freezer"
	dir, err := os.MkdirTemp(hierarchy, "upkeep-fault-")
	if err != nil {
		t.Skip("needs root, and the freezer of cgroup v1: ", err)
	}
	f := &Freezer{t, dir}
	t.Cleanup(func() {
		f.Thaw()
		text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs")) // the removal tells when something is left
		for line := range strings.Lines(string(text)) {
			_ = os.WriteFile(filepath.Join(hierarchy, "cgroup.procs"), []byte(line), 0)
		}
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return f
}

// Freeze puts a process in and lets it stand still.
func (f *Freezer) Freeze(pid int) {
	f.t.Helper()
	f.write("cgroup.procs", strconv.Itoa(pid))
	f.write("freezer.state", "FROZEN")
}

// Thaw lets everything go on.
func (f *Freezer) Thaw() {
	f.t.Helper()
	f.write("freezer.state", "THAWED")
}

func (f *Freezer) write(file, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, file), []byte(text), 0); err != nil {
		f.t.Fatal(err)
	}
}
