package privilege

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const dropVariable = "UPKEEP_TEST_DROP"

// TestDrop drops in a process of its own, because nothing brings a capability back. It takes one that root has
// everywhere, where CAP_SYS_RESOURCE may be missing from the start.
func TestDrop(t *testing.T) {
	needRoot(t)
	if os.Getenv(dropVariable) != "" {
		dropHere(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDrop$", "-test.v")
	cmd.Env = append(os.Environ(), dropVariable+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func dropHere(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	for range 8 { // threads that exist before and must lose it too
		started := make(chan struct{})
		go As(somebody, func() error { close(started); <-block; return nil })
		<-started
	}
	const capability = unix.CAP_CHOWN
	err := drop(capability)
	dropped := err == nil
	if !dropped && !errors.Is(err, syscall.ENOTSUP) { // as with cgo
		t.Fatal(err)
	}
	for _, task := range tasks(t) {
		for _, set := range []string{"CapEff:", "CapPrm:"} {
			mask, err := strconv.ParseUint(field(t, task, set)[0], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			if has := mask&(1<<capability) != 0; has && dropped {
				t.Errorf("%s %s still holds the capability: %x", task, set, mask)
			}
		}
	}
	if err := drop(capability); dropped && err != nil {
		t.Errorf("drop again: %v", err)
	}
}

func TestDropResource(t *testing.T) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		t.Fatal(err)
	}
	if (sets[0].Effective|sets[0].Permitted)&(1<<unix.CAP_SYS_RESOURCE) != 0 {
		t.Skip("would take the capability from the other tests; TestDrop covers it in a process of its own")
	}
	if err := DropResource(); err != nil {
		t.Errorf("without the capability: got %v, want nothing to do", err)
	}
}
