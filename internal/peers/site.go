package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// secret is in the environment of every supervisor, and nobody else's business.
const secret = "PEERS_SECRET=correct-horse"

// Groups of the supervisors themselves, which no service may have: adm and sudo of Debian.
var ownGroups = []uint32{4, 27}

// site is one supervisor's place for one scenario: everything is below its directory.
type site struct {
	*run
	dir   string
	home  string // of the account
	owner string // Unix user of the account
	pids  string // control group that bounds the supervisor's processes; empty for none
	still string // a program that only sleeps and sets nothing up
}

// nobody is the user of services for whom the user does not matter.
const nobody = "nobody"

func (r *run) newSite(name string) (*site, error) {
	dir := filepath.Join(r.dir, name)
	s := &site{run: r, dir: dir, home: filepath.Join(dir, "home"), owner: nobody, still: filepath.Join(dir, "still")}
	err := errors.Join(os.MkdirAll(filepath.Join(s.home, "logs"), 0o755), os.Mkdir(s.notes(), 0o777),
		os.Chmod(s.notes(), 0o777))
	if err != nil {
		return nil, err
	}
	return s, errors.Join(copyFile("/bin/sleep", s.still), s.give(nobody))
}

// notes is where the program of the services writes what it does.
func (s *site) notes() string { return filepath.Join(s.dir, "notes") }

// give makes a user the owner of the home with all that is in it.
func (s *site) give(name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	s.owner = name
	uid, errU := strconv.Atoi(u.Uid)
	gid, errG := strconv.Atoi(u.Gid)
	return errors.Join(errU, errG, filepath.WalkDir(s.home, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, gid))
	}))
}

// child is a service that runs the torture program in a mode.
func (s *site) torture(name, mode string, argument ...string) service {
	return service{name: name, home: s.home, user: s.owner,
		argv: append([]string{s.child, s.notes(), name, mode}, argument...)}
}

// command prepares a command of a supervisor. All of them can be recognised by their environment.
func (s *site) command(name string, args ...string) *exec.Cmd {
	if s.pids != "" {
		args = append([]string{"-c", `echo $$ >` + s.pids + `/cgroup.procs; exec "$0" "$@"`, name}, args...)
		name = "/bin/sh"
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/root", "PEERS_SITE=" + s.dir, "PM2_HOME=" + s.dir + "/pm2", secret}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Groups: ownGroups}}
	return cmd
}

// begin starts a supervisor and leaves it running.
func (s *site) begin(name string, args ...string) error {
	said, err := os.OpenFile(s.said(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer said.Close()
	cmd := s.command(name, args...)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() // its end is somebody else's concern; it must not stay as a zombie
	return nil
}

// said is the file with what the supervisor itself prints.
func (s *site) said() string { return filepath.Join(s.dir, "said") }

// commandTime bounds a command that controls a supervisor.
const commandTime = 70 * time.Second

// ask runs a command of a supervisor that ends by itself and returns what it prints.
func (s *site) ask(name string, args ...string) (string, error) {
	cmd := s.command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // a daemon that it leaves behind may hold the output
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(s.ctx, commandTime)
	defer cancel()
	defer context.AfterFunc(ctx, func() { cmd.Process.Kill() })()
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out.Bytes()))
	}
	return strings.TrimSpace(out.String()), err
}

// write makes a file below the site.
func (s *site) write(name, text string, mode os.FileMode) error {
	path := filepath.Join(s.dir, name)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode))
}

// mount puts a small file system of its own at the home, with an empty folder for logs.
func (s *site) mount(size string) error {
	if err := unix.Mount("tmpfs", s.home, "tmpfs", 0, "mode=755,size="+size); err != nil {
		return fmt.Errorf("mount a small file system: %w", err)
	}
	return errors.Join(os.Mkdir(filepath.Join(s.home, "logs"), 0o755), s.give(s.owner))
}

// close ends everything that runs here and takes it away.
func (s *site) close() error {
	err := errors.Join(endProcesses(s.dir), unmountBelow(s.dir))
	if s.pids != "" {
		err = errors.Join(err, os.Remove(s.pids))
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// unmountBelow takes away every file system that was mounted in a directory.
func unmountBelow(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if place := strings.Fields(line)[1]; strings.HasPrefix(place, dir+"/") {
			err = errors.Join(err, unix.Unmount(place, 0))
		}
	}
	return err
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}
