package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"upkeep/internal/rig"
)

// asProgram makes the test binary the program itself, which starts itself again.
const asProgram = "CHAOS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestShortRun is a small chaos: every kind of service, and the faults that a seed picks for a few seconds.
func TestShortRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("services can run as users of their own only when this is root")
	}
	bin := t.TempDir()
	if err := rig.Build(bin); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-seed", "9", "-for", "8s", "-services", "20", "-bin", bin)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "SKIPPED") {
		t.Skip(string(out))
	}
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	t.Logf("%s", out)
}
