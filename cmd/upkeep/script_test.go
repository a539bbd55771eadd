package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		WorkdirRoot:        openDir(t),
		Setup:              setUpScript,
		Condition:          condition,
		RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails":   fails,
			"newuser": newUserOfScript,
		},
	})
}

// setUpScript keeps a script away from the settings of this machine, and lets other Unix users into its folder.
func setUpScript(env *testscript.Env) error {
	config := filepath.Join(env.WorkDir, ".tmp", "config.toml")
	env.Setenv("UPKEEP_CONFIG", config)
	env.Setenv("UPKEEP_DATA", filepath.Join(env.WorkDir, "data"))
	env.Setenv("UPKEEP_HOMES", filepath.Join(env.WorkDir, "homes"))
	return errors.Join(
		os.Chmod(env.WorkDir, 0o711),
		os.WriteFile(config, nil, 0o644),
	)
}

func condition(name string) (bool, error) {
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// fails runs a command that must end with an exit status: fails STATUS COMMAND ARGUMENT….
func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails STATUS COMMAND ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case err == nil:
		ts.Fatalf("status 0, want %d", want)
	case !errors.As(err, &exit):
		ts.Check(err)
	case exit.ExitCode() != want:
		ts.Fatalf("status %d, want %d", exit.ExitCode(), want)
	}
}

// newUserOfScript puts the name of a Unix user that does not exist into $NEWUSER, and removes the user again when
// the script has made it.
func newUserOfScript(ts *testscript.TestScript, _ bool, _ []string) {
	name := fmt.Sprintf("upkeep-test-%d", os.Getpid())
	if _, err := user.Lookup(name); err == nil {
		ts.Fatalf("the Unix user %s exists", name)
	}
	ts.Setenv("NEWUSER", name)
	ts.Defer(func() {
		if err := removeUser(name); err != nil {
			ts.Logf("%v", err)
		}
	})
}

// removeUser removes a Unix user with its home. One that does not exist is fine.
func removeUser(name string) error {
	if _, err := user.Lookup(name); errors.As(err, new(user.UnknownUserError)) {
		return nil
	}
	out, err := exec.Command("userdel", "--remove", name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("userdel %s: %w: %s", name, err, out)
	}
	return nil
}
