package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
)

// The program starts itself twice. The process that was called makes the directory, and removes it in the end; its
// child is the first process of new namespaces, where it reaps whatever is left to it; and the child's child is the
// program proper, in a world where it meets no process but its own.
const (
	stageFirst = "first"
	stageInner = "inner"
)

// enter goes one stage further.
func enter(o options) int {
	var err error
	switch o.stage {
	case stageFirst:
		return beFirst(o)
	case stageInner:
		return run(o)
	}
	if reason := cannot(); reason != "" {
		fmt.Println("chaos: SKIPPED, nothing was tested: " + reason)
		return 0
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000)
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return troubled(err)
	}
	if o.cell, err = os.MkdirTemp("", "upkeep-chaos-"); err != nil {
		return troubled(err)
	}
	defer cleanUp(o)
	return imprison(o)
}

func troubled(err error) int {
	fmt.Fprintln(os.Stderr, "chaos: "+err.Error())
	return 2
}

// cannot says why nothing can be done here; empty when it can.
func cannot() string {
	if os.Geteuid() != 0 {
		return "services can run as users of their own only when this is root"
	}
	cmd := exec.Command("/proc/self/exe", "-stage", stageFirst, "-dir", "")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if err := cmd.Run(); err != nil {
		return "namespaces are refused: " + err.Error()
	}
	return ""
}

const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// imprison runs the rest in namespaces of its own and returns its exit status. When this process is killed, so is the
// first process of the cell, and with it everything inside.
func imprison(o options) int {
	runtime.LockOSThread() // the signal of the parent's death is that of the thread's
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	cmd := again(o, stageFirst)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return troubled(err)
	}
	go func() {
		<-signals
		_ = cmd.Process.Kill() // it may have ended by itself
	}()
	return statusOf(cmd.Wait())
}

// again is this program in a further stage.
func again(o options, stage string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "-stage", stage, "-dir", o.cell, "-bin", o.bin, "-only", o.only,
		fmt.Sprint("-seed=", o.seed), fmt.Sprint("-for=", o.duration), fmt.Sprint("-services=", o.services),
		fmt.Sprint("-keep=", o.keep), fmt.Sprint("-v=", o.verbose))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

func statusOf(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	}
	return troubled(err)
}

// beFirst is the init of the cell: it sets the scene, starts the program proper, and reaps.
func beFirst(o options) int {
	if o.cell == "" {
		return 0 // it was only asked whether this is possible
	}
	if err := setScene(o.cell); err != nil {
		return troubled(err)
	}
	cmd := again(o, stageInner)
	if err := cmd.Start(); err != nil {
		return troubled(err)
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return troubled(err)
		case pid == cmd.Process.Pid && status.Exited():
			return status.ExitStatus()
		case pid == cmd.Process.Pid:
			return troubled(fmt.Errorf("the program was killed by %v", status.Signal()))
		}
	}
}

// setScene gives the cell its own mounts, /proc, loopback address and users.
func setScene(dir string) error {
	data, books := filepath.Join(dir, "data"), filepath.Join(dir, "books")
	if err := errors.Join(os.Chmod(dir, 0o711), os.Mkdir(data, 0o711), os.Mkdir(books, 0o755)); err != nil {
		return err
	}
	if err := writeUsers(dir); err != nil {
		return err
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		options              string
	}{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", 0, ""},
		// Small, so that it can be filled.
		{"data", data, "tmpfs", 0, "size=64m,mode=0711"},
		{"books", books, "tmpfs", 0, "size=256m,mode=1777"},
		// The folder as a whole: a mount on a file goes away when the file is replaced, as by useradd on the machine.
		{filepath.Join(dir, "etc"), "/etc", "", unix.MS_BIND, ""},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return raiseLoopback()
}

// accounts are the customers of the cell. Each is a Unix user that exists nowhere else.
var accounts = []string{"ant", "bee", "cat", "dog"}

// firstUID is beyond what machines usually have.
const firstUID = 61_000

func uidOf(account int) int { return firstUID + account }

// writeUsers makes a folder to stand for /etc, which holds nothing but users, and their homes.
func writeUsers(dir string) error {
	passwd, group := "root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n"
	for i, name := range accounts {
		home := filepath.Join(dir, "homes", name)
		passwd += fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", name, uidOf(i), uidOf(i), home)
		group += fmt.Sprintf("%s:x:%d:\n", name, uidOf(i))
		if err := errors.Join(os.MkdirAll(home, 0o750), os.Chmod(filepath.Dir(home), 0o755),
			os.Chown(home, uidOf(i), uidOf(i))); err != nil {
			return err
		}
	}
	etc := filepath.Join(dir, "etc")
	return errors.Join(os.Mkdir(etc, 0o755), os.WriteFile(filepath.Join(etc, "passwd"), []byte(passwd), 0o644),
		os.WriteFile(filepath.Join(etc, "group"), []byte(group), 0o644))
}

func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback address: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("loopback address: %w", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("loopback address: %w", err)
	}
	return nil
}

// instanceFile tells which upkeep ran in the cell, to whoever removes what it left.
const instanceFile = "instance"

// cleanUp removes what no namespace takes back: control groups, and the directory.
func cleanUp(o options) {
	if instance, err := os.ReadFile(filepath.Join(o.cell, instanceFile)); err == nil {
		for _, base := range cgroup.Trees(strings.TrimSpace(string(instance))) {
			_ = cgroup.Remove(base) // the audit has said what stands in the way
		}
	}
	if o.keep {
		fmt.Println("kept:", o.cell)
		return
	}
	healTree(o.cell)
	if err := os.RemoveAll(o.cell); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
}
