package fault

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// MountFreezable mounts an ext4 image at dir, which can be told to let every write wait: whoever writes then is in the
// state D, and no signal ends it. Everything is undone after the test.
func MountFreezable(t testing.TB, dir string) (freeze, thaw func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts")
	}
	mountImage(t, dir)
	// Threads of a frozen file system cannot be killed: should this process die, somebody must thaw it.
	guard := exec.Command("sh", "-c", `sleep 60 & trap "kill $!" TERM; wait; fsfreeze -u "$0"`, dir)
	guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := guard.Start(); err != nil {
		t.Fatal(err)
	}
	set := func(flag string) {
		t.Helper()
		// Its status may have been taken by an engine, which waits for every child of this process.
		if err := exec.Command("fsfreeze", flag, dir).Run(); err != nil && !errors.Is(err, syscall.ECHILD) {
			t.Fatal(err)
		}
	}
	frozen := false
	thaw = func() {
		t.Helper()
		if frozen {
			frozen = false
			set("-u")
		}
	}
	t.Cleanup(func() {
		thaw()
		_ = guard.Process.Signal(syscall.SIGTERM) // gone already is as good
		_ = guard.Wait()                          // it reports that there was nothing to thaw
	})
	return func() { t.Helper(); set("-f"); frozen = true }, thaw
}

func mountImage(t testing.TB, dir string) {
	t.Helper()
	for _, tool := range []string{"mkfs.ext4", "mount", "fsfreeze"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 16<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("needs to make a file system: %v: %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("needs to mount a file: %v: %s", err, out)
	}
	t.Cleanup(func() { Unmount(t, dir) })
}

// Unmount leaves no mount behind, even when the test did leave something open in it.
func Unmount(t testing.TB, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, 0); err != nil {
		t.Errorf("unmount: %v", errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH)))
	}
}
