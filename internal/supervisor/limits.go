package supervisor

import (
	"os"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
)

// oomScore of services: when the machine runs out of memory, they are killed before upkeep and whatever else keeps it
// alive.
const oomScore = 300

func newLimiter(c Config, tree *cgroup.Tree) (*cgroup.Limiter, error) {
	if c.NoCgroup {
		return &cgroup.Limiter{}, nil
	}
	return cgroup.NewLimiter(c.Instance, tree, c.Account, c.Service)
}

// Limits are those of every account and service, and how they are kept on this machine.
func (e *Engine) Limits() panel.HostLimits { return e.limits }

func (h *realHost) limits() panel.HostLimits {
	l := panel.HostLimits{Account: h.Account, Service: h.Service, Enforcement: h.limiter.Enforcement()}
	l.PerUser = !l.Processes && os.Geteuid() == 0
	return l
}

// limit adds to a start what limits single processes. RLIMIT_AS is left alone: what a program reserves says little
// about what it uses, and many reserve much.
func (h *realHost) limit(l *launch) {
	l.spec.OOMScore = oomScore
	l.spec.OpenFileMax = uint64(h.Service.OpenFiles)
	if h.limits().PerUser {
		l.spec.Processes = uint64(h.Account.Processes)
	}
}

// explain finds out whether a run ended because memory ran out. A shell whose program was killed ends with 128 and the
// number of the signal.
func explain(exit *panel.Exit, r *liveRun) {
	killed := exit.Kind == panel.EndSignaled && exit.Signal == int(unix.SIGKILL) ||
		exit.Kind == panel.EndExited && exit.Code == 128+int(unix.SIGKILL)
	exit.OutOfMemory = killed && r.limits.OutOfMemory()
}
