package failpoint_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every point in the code has its line in the test, and every name in the test is one of the code.
func TestEveryPointIsPassed(t *testing.T) {
	call := regexp.MustCompile(`failpoint\.At\("([a-z.]+)"\)`)
	inCode := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range call.FindAllStringSubmatch(string(text), -1) {
			inCode[found[1]] = true
		}
		return err
	})
	check(t, err)
	inTest := map[string]bool{}
	for _, r := range rounds() {
		for _, s := range r.steps {
			inTest[s.point] = true
			if !inCode[s.point] {
				t.Errorf("there is no point %s", s.point)
			}
		}
	}
	for name := range inCode {
		if !inTest[name] {
			t.Errorf("nobody is killed at %s", name)
		}
	}
}

// round is a list of steps that one upkeep is killed at, one after the other.
type round struct {
	name, what string
	steps      []step
}

// rounds are all of them. In each list those that tell most come first.
func rounds() []round {
	launch := with(start, "launch.recorded", "launch.told", "launch.put", "launch.executed", "wanted.stored",
		"launch.prepared", "launch.spared", "spare.forked", "launch.watched", "event.recorded")
	ending := slices.Concat(with(exit, "exit.marked", "exit.stored", "exit.seen"), with(adopted, "exit.taken"),
		with(exit, "exit.taken", "exit.inspected", "exit.reaped", "exit.released", "event.recorded"),
		with(adopted, "exit.seen", "exit.stored"))
	stopping := slices.Concat(with(stop, "stop.signalled", "wanted.stored"), with(force, "stop.killed"),
		with(stop, "exit.seen", "stop.empty", "exit.marked", "exit.stored", "exit.released"),
		with(force, "stop.signalled", "exit.seen"))
	restarting := slices.Concat(with(restart, "stop.signalled", "exit.seen"), with(hard, "stop.signalled", "exit.stored"),
		with(restart, "event.recorded", "exit.stored", "launch.recorded", "launch.executed", "restart.answered"),
		with(hard, "exit.seen", "stop.empty", "launch.recorded"))
	removing := with(removal, "stop.signalled", "remove.stopped", "exit.seen", "exit.stored", "remove.forgotten",
		"remove.deleted")
	coming := []string{"takeover.held", "takeover.ended", "takeover.applied", "serve.joined", "takeover.listed",
		"serve.locked", "serve.listening", "serve.opened", "serve.assembled", "takeover.looked", "takeover.attached",
		"takeover.all", "serve.ready"}
	keeping := slices.Concat(with(forgetful, "keeper.started", "keeper.moved"), with(upgrade, "keeper.replaced"),
		with(start, "keeper.put"), with(forgetful, "keeper.alone", "keeper.reaped", "keeper.noted", "keeper.joined",
			"keeper.ready"), with(upgrade, "keeper.replacing"))
	launcher := with(start, "launcher.announced", "launcher.joined", "launcher.checked", "launcher.told",
		"launcher.limited", "launcher.closed", "launcher.user", "launcher.entered")

	return []round{
		{"start", "kill", launch},
		{"exit", "kill", ending},
		{"stop", "kill", stopping},
		{"restart", "kill", restarting},
		{"removal", "kill", removing},
		{"take-over", "kill", with(takeOver, coming...)},
		{"take-over without keeper", "kill", with(comeBack, coming...)},
		{"keeper", "kill", keeping},
		{"launcher", "kill", launcher},
		{"daemon of a launcher", "stop", launcher},
		{"start, both die", "both", launch},
		{"exit, both die", "both", ending},
		{"stop, both die", "both", stopping},
	}
}

// TestKilledAtEachStep carries out the first third of each round, and everything when UPKEEP_FAILPOINT_ALL is set.
func TestKilledAtEachStep(t *testing.T) {
	for _, r := range rounds() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if os.Getenv("UPKEEP_FAILPOINT_ALL") == "" {
				r.steps = r.steps[:(len(r.steps)+2)/3]
			}
			carry(t, r.what, r.steps)
		})
	}
}
