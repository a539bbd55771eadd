package main

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// installation is one upkeep on the machine: its folders, and the Unix user who starts it.
type installation struct {
	t     *testing.T
	dir   string
	data  string
	homes string
	uid   int // of whoever starts it

	daemons []*daemon // started ones
	users   []string  // Unix users to remove
}

// nobody is a Unix user without rights that every Debian has.
const nobody = 65534

// newInstallation makes an installation of whoever runs the tests. What it leaves running is ended after the test.
func newInstallation(t *testing.T) *installation { return newInstallationOf(t, os.Geteuid()) }

func newInstallationOf(t *testing.T, uid int) *installation {
	t.Helper()
	dir := openDir(t)
	in := &installation{t: t, dir: dir, data: filepath.Join(dir, "data"), homes: filepath.Join(dir, "homes"), uid: uid}
	if err := errors.Join(os.WriteFile(in.config(), nil, 0o644), os.Chown(dir, uid, -1)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.cleanUp)
	return in
}

// cleanUp ends everything before it removes who it belongs to.
func (in *installation) cleanUp() {
	for _, d := range in.daemons {
		d.kill()
	}
	if len(in.daemons) > 0 && (in.t.Failed() || strings.Contains(in.said(), "DATA RACE")) {
		in.t.Errorf("standard error of upkeep: %s", in.said())
	}
	in.endServices()
	for _, name := range in.users {
		if err := removeUser(name); err != nil {
			in.t.Error(err)
		}
	}
}

// config is an empty settings file, so that the machine's own is not read.
func (in *installation) config() string { return filepath.Join(in.dir, "config.toml") }

func (in *installation) database() string { return filepath.Join(in.data, "upkeep.db") }

// stderr is the file with what every daemon wrote to its standard error.
func (in *installation) stderr() string { return filepath.Join(in.dir, "stderr") }

func (in *installation) said() string {
	text, err := os.ReadFile(in.stderr())
	if err != nil {
		in.t.Error(err)
	}
	return string(text)
}

// command is upkeep with arguments, as the installation's Unix user would start it.
func (in *installation) command(args ...string) *exec.Cmd {
	return in.program(filepath.Join(bin, "upkeep"), args...)
}

func (in *installation) program(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = in.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + in.dir, "GORACE=" + os.Getenv("GORACE"),
		"UPKEEP_CONFIG=" + in.config(), "UPKEEP_DATA=" + in.data, "UPKEEP_HOMES=" + in.homes,
		"UPKEEP_LISTEN=127.0.0.1:0",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if in.uid != os.Geteuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(in.uid), Gid: uint32(in.uid)}
	}
	return cmd
}

// run runs a command to its end and returns what it printed. The command must succeed.
func (in *installation) run(stdin string, args ...string) string {
	in.t.Helper()
	cmd := in.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		in.t.Fatalf("upkeep %s: %v: %s", strings.Join(args, " "), err, complaint(err))
	}
	return string(out)
}

// complaint is what a command wrote to its standard error.
func complaint(err error) string {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(exit.Stderr)
	}
	return ""
}

// refuses runs a command that must end with the status 1 and one sentence, and returns that.
func (in *installation) refuses(args ...string) string {
	in.t.Helper()
	cmd := in.command(args...)
	out, err := cmd.Output()
	said := complaint(err)
	if cmd.ProcessState.ExitCode() != 1 {
		in.t.Errorf("upkeep %s: %v, want status 1", strings.Join(args, " "), err)
	}
	if len(out) > 0 {
		in.t.Errorf("upkeep %s: standard output %q, want none", strings.Join(args, " "), out)
	}
	if !strings.HasPrefix(said, "upkeep: ") || strings.Count(said, "\n") != 1 || !strings.HasSuffix(said, "\n") {
		in.t.Errorf("upkeep %s: standard error %q, want one line that begins with \"upkeep: \"", strings.Join(args, " "), said)
	}
	return said
}

// makesUser skips the test when the Unix user exists already, and removes it after the test otherwise.
func (in *installation) makesUser(name string) {
	in.t.Helper()
	if u, err := user.Lookup(name); err == nil {
		in.t.Skipf("the Unix user %q, which this test makes and removes, exists already (uid %s, home %s)",
			name, u.Uid, u.HomeDir)
	}
	in.users = append(in.users, name)
}

// patience bounds every wait of these tests. It is only ever used up by a test that fails.
const patience = time.Minute

// eventually waits until what is described holds.
func eventually(t testing.TB, described string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain until %s", patience, described)
		}
	}
}

// uidOf is who owns a file, or a process by its folder below /proc.
func uidOf(t testing.TB, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
