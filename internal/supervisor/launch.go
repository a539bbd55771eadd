package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/command"
	"upkeep/internal/environment"
	"upkeep/internal/launcher"
	"upkeep/internal/logs"
	"upkeep/internal/panel"
)

// umask of services: group members may read what they write, others may not.
const umask = 0o027

// launching is one start on its way.
type launch struct {
	svc    panel.Service
	acct   panel.Account
	do     doLaunch
	login  login
	shell  bool
	spec   launcher.Spec
	output *os.File
	ident  panel.Identity
}

// launch takes a start from the definition to the executed program. The exit says which step failed; the process of
// a launcher that does not come back from it then stands in what was launched.
func (h *realHost) launch(ctx context.Context, svc panel.Service, acct panel.Account, do doLaunch) (evLaunched, *panel.Exit) {
	l := &launch{svc: svc, acct: acct, do: do}
	l.ident.BootID, l.ident.Marker = h.bootID, h.marker(svc.ID, do.run)
	for _, prepare := range []func(context.Context, *launch) *panel.Exit{h.findUser, h.describe, h.openOutput} {
		if exit := prepare(ctx, l); exit != nil {
			return evLaunched{}, h.notLaunched(ctx, l, exit)
		}
	}
	spare, err := h.spares.take(acct.Name)
	if err != nil {
		return evLaunched{}, h.notLaunched(ctx, l, hostExit(panel.StepFork, err))
	}
	defer l.close()
	return h.execute(ctx, l, spare)
}

func (l *launch) close() {
	if l.output != nil {
		l.output.Close() // the program has its own copy; nothing was written through this one
		l.output = nil
	}
}

// marker is unique on the machine and for ever: processes of a run carry it as RUN_ID.
func (h *realHost) marker(id panel.ServiceID, run int) string {
	return fmt.Sprintf("%s-%d-%d", h.Instance, id, run)
}

// findUser looks up who the service runs as. Never root, whatever the account says.
func (h *realHost) findUser(_ context.Context, l *launch) *panel.Exit {
	var err error
	if l.login, err = lookUp(l.acct); err != nil {
		return hostExit(panel.StepUser, err)
	}
	return nil
}

// describe makes the launcher's spec of the definition.
func (h *realHost) describe(_ context.Context, l *launch) *panel.Exit {
	fault := func(err error) *panel.Exit {
		return &panel.Exit{Kind: panel.EndNotRun, Step: panel.StepCommand, Detail: err.Error()}
	}
	cmd, err := command.Parse(l.svc.Command)
	if err != nil {
		return fault(err)
	}
	vars, err := environment.Parse(l.svc.Environment)
	if err != nil {
		return fault(err)
	}
	env := environment.Build(environment.Base{
		Home: l.acct.Home, User: l.login.name, Shell: l.login.shell, Path: environment.DefaultPath(l.acct.Home),
		Lang: "C.UTF-8", TZ: "UTC", Port: l.svc.Port, ServiceName: l.svc.Name,
		ServiceID: strconv.FormatInt(int64(l.svc.ID), 10), Account: l.acct.Name, RunID: l.ident.Marker,
	}, vars)
	argv, err := cmd.Argv(env)
	if err != nil {
		return fault(err)
	}
	l.shell = cmd.Shell
	l.spec = launcher.Spec{
		SetUser: !l.acct.Shared, UID: l.login.cred.UID, GID: l.login.cred.GID, Groups: l.login.cred.Groups,
		NoNewPrivs: true, Umask: umask, OpenFile: h.OpenFile,
		Directory: filepath.Join(l.acct.Home, l.svc.Directory), Argv: argv, Env: env,
		Banner: fmt.Sprintf("upkeep: run %d started, pid %%d", l.do.run),
	}
	h.limit(l)
	return nil
}

func (h *realHost) openOutput(ctx context.Context, l *launch) *panel.Exit {
	var err error
	if l.output, err = h.Output.Open(ctx, sourceOf(l.svc, l.acct, l.login)); err != nil {
		return hostExit(panel.StepOutput, err)
	}
	return nil
}

func sourceOf(svc panel.Service, acct panel.Account, who login) logs.Source {
	return logs.Source{Service: svc.ID, Account: acct.ID, Name: svc.Name, Home: acct.Home,
		Cred: who.cred, OwnUser: !acct.Shared}
}

// execute stores the run with the launcher's identity and then lets the launcher become the program. Identity
// comes first: whenever the daemon dies from here on, the next one finds the process by it, whatever it has become.
func (h *realHost) execute(ctx context.Context, l *launch, spare *spare) (evLaunched, *panel.Exit) {
	l.ident.PID, l.ident.StartTicks, l.ident.Inode = spare.PID, spare.startTicks, spare.inode
	l.ident.Cgroup, l.spec.Cgroups = spare.group, spare.cgroups()
	r := &liveRun{service: l.svc.ID, run: l.do.run, identity: l.ident, limits: spare.limits, pidfd: spare.PidFD, child: true}
	h.Keeper.Put(r.name(), r.pidfd)
	if err := h.begin(ctx, l); err != nil {
		h.Keeper.Drop(r.name())
		h.spares.discard(spare)
		return evLaunched{}, hostExit(panel.StepRecord, err)
	}
	h.hold(r)
	h.spares.disown(spare.PID)
	err := spare.Execute(&l.spec, l.output)
	at := time.Now()
	if errors.Is(err, launcher.ErrTimeout) {
		h.watch(r.service, r.run) // it ends when what it waits for comes back
		return evLaunched{pid: spare.PID}, hungStart(l)
	}
	if err != nil {
		_, _ = waitPidfd(r.pidfd, unix.WNOWAIT) // until it has ended, which it is about to
		h.reap(r)
		return evLaunched{}, failedStart(err)
	}
	return evLaunched{run: l.do.run, pid: spare.PID, version: l.svc.Version, shell: l.shell, at: at}, nil
}

// begin stores that the run begins.
func (h *realHost) begin(ctx context.Context, l *launch) error {
	return h.Journal.BeginRun(ctx, panel.RunStart{
		Service: l.svc.ID, Number: l.do.run, Version: l.svc.Version, Shell: l.shell,
		Cause: l.do.cause, By: l.do.by, At: time.Now(), Identity: l.ident,
	})
}

// notLaunched stores a run that never got a process, so that its number and its reason stand in the history.
func (h *realHost) notLaunched(ctx context.Context, l *launch, exit *panel.Exit) *panel.Exit {
	l.close()
	if err := h.begin(ctx, l); err != nil {
		h.Log.Error("record start", "service", l.svc.ID, "err", err)
	}
	exit.At = time.Now()
	return exit
}

// hostExit is a start that failed by the host's fault.
func hostExit(step panel.Step, err error) *panel.Exit {
	exit := &panel.Exit{Kind: panel.EndNotRun, Step: step, Detail: err.Error(), Host: true, At: time.Now()}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		exit.Errno = int(errno)
	}
	return exit
}

// hungStart is a start that a file system holds up: the home's, or that of the program.
func hungStart(l *launch) *panel.Exit {
	return &panel.Exit{Kind: panel.EndNotRun, Step: panel.StepDirectory, Errno: int(unix.ETIMEDOUT),
		Detail: l.spec.Directory, Host: true, At: time.Now()}
}

// failedStart turns what the launcher said into the exit of the run.
func failedStart(err error) *panel.Exit {
	var f *launcher.Failure
	if !errors.As(err, &f) {
		return hostExit(panel.StepFork, err)
	}
	return &panel.Exit{Kind: panel.EndNotRun, Step: f.Step, Errno: f.Errno, Detail: f.Detail,
		Host: hostsFault(f), At: time.Now()}
}

// hostsFault tells apart what a customer can mend (a missing program) from what only the host can.
func hostsFault(f *launcher.Failure) bool {
	switch f.Step {
	case panel.StepCgroup, panel.StepLimits, panel.StepIdentity, panel.StepFork:
		return true
	}
	switch syscall.Errno(f.Errno) {
	case unix.EAGAIN, unix.ENOMEM, unix.ENOSPC, unix.EMFILE, unix.ENFILE, unix.EIO:
		return true
	}
	return false
}
