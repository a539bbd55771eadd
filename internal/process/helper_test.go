package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
)

// actor is a process of the test that plays a part: the main process of a run.
type actor struct {
	*exec.Cmd
	tb     testing.TB
	group  Group
	stdin  io.WriteCloser
	pipe   *os.File
	stdout *bufio.Reader // of pipe
}

// rung says how the processes of a run are found.
type rung struct {
	name   string
	cgroup bool
}

var rungs = []rung{{"control group", true}, {"no control group", false}}

// onEachRung runs a test with control groups, where there are any, and without.
func onEachRung(t *testing.T, test func(t *testing.T, r rung)) {
	for _, r := range rungs {
		t.Run(r.name, func(t *testing.T) { test(t, r) })
	}
}

var lastService atomic.Int64

// play starts a part as a run of a new service.
func play(tb testing.TB, r rung, mode string, args ...string) *actor {
	tb.Helper()
	service := panel.ServiceID(lastService.Add(1))
	id := panel.Identity{Marker: fmt.Sprintf("test-%d-%d", os.Getpid(), service)}
	a := &actor{Cmd: exec.Command("/proc/self/exe", args...), tb: tb, group: Group{Service: service}}
	a.Env = append(os.Environ(), modeVariable+"="+mode, "RUN_ID="+id.Marker)
	a.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if r.cgroup {
		id.Cgroup = newCgroup(tb, service)
		dir := openDir(tb, id.Cgroup)
		a.SysProcAttr.UseCgroupFD, a.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	a.launch()
	a.group.Identity = identify(tb, a.Process.Pid, id)
	return a
}

// launch ties the lives of all descendants to the standard input of this one.
func (a *actor) launch() {
	a.tb.Helper()
	stdin, err := a.StdinPipe()
	check(a.tb, err)
	read, write, err := os.Pipe()
	check(a.tb, err)
	a.Stdout, a.Stderr = write, os.Stderr
	check(a.tb, a.Start())
	write.Close()
	a.stdin, a.pipe, a.stdout = stdin, read, bufio.NewReader(read)
	a.tb.Cleanup(a.end)
}

// end kills what is left and waits until it is gone.
func (a *actor) end() {
	a.stdin.Close()
	a.pipe.Close()
	if left, err := KillAll(context.Background(), a.group, patience); len(left) > 0 || err != nil {
		a.tb.Errorf("processes of the test are left: %v, %v", left, err)
	}
	_ = a.Process.Kill() // if it was none of the group
	_ = a.Wait()         // of SIGKILL
}

func (a *actor) line() string {
	a.tb.Helper()
	check(a.tb, a.pipe.SetReadDeadline(time.Now().Add(20*time.Second)))
	line, err := a.stdout.ReadString('\n')
	check(a.tb, err)
	return strings.TrimSuffix(line, "\n")
}

// tellOn lets the part go on that waits to hear from the test.
func (a *actor) tellOn() {
	a.tb.Helper()
	_, err := a.stdin.Write([]byte{'\n'})
	check(a.tb, err)
}

// number reads a line that is a process or port number.
func (a *actor) number() int {
	a.tb.Helper()
	n, err := strconv.Atoi(a.line())
	check(a.tb, err)
	return n
}

// numbers reads n such lines and returns them in ascending order, as Members does.
func (a *actor) numbers(n int) []int {
	a.tb.Helper()
	list := make([]int, n)
	for i := range list {
		list[i] = a.number()
	}
	slices.Sort(list)
	return list
}

// identify completes an identity by what the kernel says of a child that is not reaped.
func identify(tb testing.TB, pid int, id panel.Identity) panel.Identity {
	tb.Helper()
	h, err := Open(pid)
	check(tb, err)
	defer h.Close()
	id.PID = pid
	id.BootID, err = BootID()
	check(tb, err)
	id.StartTicks, id.Inode, err = Identity(h.fd, pid)
	check(tb, err)
	return id
}

func newCgroup(tb testing.TB, service panel.ServiceID) string {
	tb.Helper()
	tree, err := cgroup.Find(fmt.Sprintf("process-test-%d", os.Getpid()))
	if errors.Is(err, cgroup.ErrUnavailable) {
		tb.Skip("needs control groups that this process may change: ", err)
	}
	check(tb, err)
	path, err := tree.Create("account", fmt.Sprint(service), 1)
	check(tb, err)
	tb.Cleanup(func() {
		eventually(tb, "the control group is empty", func() bool {
			populated, err := cgroup.Populated(path)
			return !populated && err == nil
		})
		if err := errors.Join(cgroup.Remove(path), tree.Close()); err != nil {
			tb.Error(err)
		}
	})
	return path
}

func openDir(tb testing.TB, path string) *os.File {
	tb.Helper()
	dir, err := os.Open(path)
	check(tb, err)
	tb.Cleanup(func() { dir.Close() })
	return dir
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func members(tb testing.TB, g Group) []int {
	tb.Helper()
	pids, err := Members(tb.Context(), g)
	check(tb, err)
	return pids
}
