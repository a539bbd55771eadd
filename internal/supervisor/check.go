package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
	"upkeep/internal/process"
)

// checkRoom is the directory of an account's control groups in which checks run.
const checkRoom = "check"

// checkMarker is what processes of a service's checks carry as RUN_ID.
func (h *realHost) checkMarker(id panel.ServiceID) string {
	return fmt.Sprintf("%s-%d-check", h.Instance, id)
}

// check runs a monitoring command as the service's user, in its environment and directory, and in a control group of
// its own. When it ends, or the limit is over, whatever it has started is killed.
func (h *realHost) check(ctx context.Context, svc panel.Service, acct panel.Account, limit time.Duration) panel.Check {
	c := panel.Check{Outcome: panel.CheckNotRun, At: time.Now()}
	svc.Command = svc.Monitoring.Command
	l := &launch{svc: svc, acct: acct}
	l.ident.BootID, l.ident.Marker = h.bootID, h.checkMarker(svc.ID)
	for _, prepare := range []func(context.Context, *launch) *panel.Exit{h.findUser, h.describe} {
		if exit := prepare(ctx, l); exit != nil {
			c.Detail = exit.Detail
			return c
		}
	}
	l.spec.Banner = ""
	output, err := newTail(l)
	if err != nil {
		c.Detail = err.Error()
		return c
	}
	defer output.close()
	sp, err := h.spares.start(acct.Name, checkRoom)
	if err != nil {
		c.Detail = err.Error()
		return c
	}
	h.runCheck(ctx, l, sp, output, limit, &c)
	c.Took = time.Since(c.At)
	c.Output = output.text()
	return c
}

// runCheck takes a check from its launcher to the end of everything that it started.
func (h *realHost) runCheck(ctx context.Context, l *launch, sp *spare, output *tail, limit time.Duration, c *panel.Check) {
	l.ident.PID, l.ident.StartTicks, l.ident.Inode, l.ident.Cgroup = sp.PID, sp.startTicks, sp.inode, sp.group
	l.spec.Cgroups = sp.cgroups()
	r := &liveRun{service: l.svc.ID, identity: l.ident, pidfd: sp.PidFD, child: true}
	h.mu.Lock()
	h.mains[sp.PID] = true
	h.mu.Unlock()
	h.spares.disown(sp.PID)
	defer h.endCheck(r, sp)
	if err := sp.Execute(&l.spec, output.writer); err != nil {
		c.Detail = err.Error()
		if exit := failedStart(err); exit.Detail != "" {
			c.Detail = notExecuted(exit)
		}
		return
	}
	output.read()
	over := awaitEnd(ctx, r.pidfd, limit)
	if over != nil {
		c.Detail = over.Error()
		if errors.Is(over, errCheckTime) {
			c.Outcome, c.Detail = panel.CheckFailed, fmt.Sprintf("no answer within %s", limit)
		}
		return
	}
	exit := h.peek(r)
	c.Code, c.Signal, c.Outcome = exit.Code, exit.Signal, panel.CheckFailed
	if exit.Kind == panel.EndExited && exit.Code == 0 {
		c.Outcome = panel.CheckOK
	}
}

// endCheck kills what is left of a check, and reaps its main process.
func (h *realHost) endCheck(r *liveRun, sp *spare) {
	if _, err := process.KillAll(context.Background(), r.group(), checkKillTime); err != nil {
		h.Log.Warn("end a check", "service", r.service, "err", err)
	}
	h.reap(r)
	unix.Close(r.pidfd)
	h.spares.dropGroups(sp)
}

// checkKillTime bounds the wait for what a check has started to die of SIGKILL. What waits for a disk inside the
// kernel takes longer, and is left to die.
const checkKillTime = 2 * time.Second

// notExecuted says why a program could not be executed.
func notExecuted(exit *panel.Exit) string {
	if exit.Errno == 0 {
		return fmt.Sprintf("%s: %s", exit.Step, exit.Detail)
	}
	return fmt.Sprintf("%s: %v", exit.Detail, unix.Errno(exit.Errno))
}

var errCheckTime = errors.New("the time is over")

// lookEnd is how often a check that runs is looked at for the end of upkeep itself.
const lookEnd = 250 * time.Millisecond

// awaitEnd waits until the process ends; errCheckTime when the limit is over first.
func awaitEnd(ctx context.Context, pidfd int, limit time.Duration) error {
	until := time.Now().Add(limit)
	for {
		left := time.Until(until)
		if left <= 0 {
			return errCheckTime
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := min(left, lookEnd).Milliseconds() + 1
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(wait))
		if n > 0 {
			return nil
		}
		if err != nil && err != unix.EINTR {
			return err
		}
	}
}

// tail keeps the last bytes that a check prints, however many there are.
type tail struct {
	reader, writer *os.File
	kept           []byte
	done           sync.WaitGroup
}

// newTail makes the pipe that a check prints to.
func newTail(l *launch) (*tail, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	if l.spec.SetUser { // else the check could not open /dev/stdout
		if err := w.Chown(l.spec.UID, l.spec.GID); err != nil {
			r.Close()
			w.Close()
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
	}
	return &tail{reader: r, writer: w}, nil
}

// read begins to read. The check has its own copy of the writing end by now.
func (t *tail) read() {
	t.writer.Close() // only a copy
	t.done.Go(func() {
		buf := make([]byte, panel.MaxCheckOutput)
		for {
			n, err := t.reader.Read(buf)
			t.kept = append(t.kept, buf[:n]...)
			if extra := len(t.kept) - panel.MaxCheckOutput; extra > 0 {
				t.kept = append(t.kept[:0], t.kept[extra:]...)
			}
			if err != nil { // io.EOF, or the deadline that text sets
				return
			}
		}
	})
}

// drainTime bounds the wait for output after everything that could write was killed.
const drainTime = time.Second

// text is what was kept, once nobody writes any more.
func (t *tail) text() string {
	_ = t.reader.SetReadDeadline(time.Now().Add(drainTime)) // an error says that it is closed
	t.done.Wait()
	return strings.ToValidUTF8(string(t.kept), "\ufffd")
}

func (t *tail) close() {
	t.writer.Close()
	t.reader.Close()
}

// endChecksOf kills the checks that a former upkeep did not see the end of.
func (h *realHost) endChecksOf(ctx context.Context, services []panel.Service) error {
	if h.tree != nil {
		rooms, err := filepath.Glob(filepath.Join(h.tree.Base(), "*", checkRoom, "*"))
		if err != nil {
			return err
		}
		for _, group := range rooms {
			if info, err := os.Stat(group); err == nil && info.IsDir() {
				if err := cgroup.Kill(group); err != nil {
					return err
				}
				_ = cgroup.RemoveAfter(group, leaveTime) // it is swept away in the end
			}
		}
		return nil
	}
	var groups []process.Group
	for _, svc := range services {
		if svc.Monitoring.Command != "" {
			groups = append(groups, process.Group{Service: svc.ID, Identity: panel.Identity{Marker: h.checkMarker(svc.ID)}})
		}
	}
	if len(groups) == 0 {
		return nil
	}
	found, err := process.MembersOf(ctx, groups)
	for _, g := range groups {
		if err == nil && len(found[g.Service]) > 0 {
			_, err = process.KillAll(ctx, g, checkKillTime)
		}
	}
	return err
}
