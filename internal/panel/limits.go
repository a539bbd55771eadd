package panel

// Limits bound what the processes of an account, or those of one service, may use together. A zero is no limit; for
// the weight it is the usual one.
type Limits struct {
	Memory     int64 // bytes, swap included
	CPUWeight  int   // share of busy processors against others: 1 to 10000, the usual one is 100
	CPUPercent int   // cap, in percent of one processor
	Processes  int   // threads count as well
	OpenFiles  int   // of each single process
}

// LimitRung is the means by which limits are kept: the best one that the host offers.
type LimitRung string

// The rungs, best first.
const (
	RungV2      LimitRung = "cgroup-v2" // controllers of the control groups in which runs live
	RungV1      LimitRung = "cgroup-v1" // groups of their own in the older hierarchies of the controllers
	RungProcess LimitRung = "rlimits"   // nothing but limits of single processes and Unix users
)

// Enforcement says which limits this host can keep, and by which means. Open files are limited everywhere.
type Enforcement struct {
	Rung                   LimitRung
	Memory, CPU, Processes bool   // of all processes of an account, or of a service, together
	PerUser                bool   // processes are counted for the account's Unix user instead
	Reason                 string // why something is missing; empty when nothing is
}

// Sentence says the same in words, for a page and for an administrator.
func (e Enforcement) Sentence() string {
	kept, missing := e.kinds()
	text := ""
	if len(kept) > 0 {
		text = "Control groups (" + e.version() + ") limit " + join(kept) + "."
	}
	if len(missing) == 0 {
		return text
	}
	if text != "" {
		text += " "
	}
	text += "Nothing limits " + join(missing) + " here"
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	text += "."
	if e.PerUser {
		text += " Processes are limited for each Unix user."
	}
	return text
}

func (e Enforcement) version() string {
	if e.Rung == RungV2 {
		return "v2"
	}
	return "v1"
}

func (e Enforcement) kinds() (kept, missing []string) {
	for _, kind := range []struct {
		kept bool
		name string
	}{{e.Memory, "memory"}, {e.CPU, "processor time"}, {e.Processes, "processes"}} {
		switch {
		case kind.kept:
			kept = append(kept, kind.name)
		case kind.name != "processes" || !e.PerUser:
			missing = append(missing, kind.name)
		}
	}
	return kept, missing
}

func join(words []string) string {
	switch n := len(words); n {
	case 1:
		return words[0]
	case 2:
		return words[0] + " and " + words[1]
	default:
		return words[0] + ", " + words[1] + " and " + words[2]
	}
}

// HostLimits are the limits of every account and service of a host, and how they are kept.
type HostLimits struct {
	Account Limits // of all services of an account together
	Service Limits // of each one
	Enforcement
}

// DefaultLimits returns what a host that is shared by strangers wants, without hurting programs that ran well before:
// processes enough for any real program (a JVM or a browser has a hundred threads) and few enough that a fork bomb
// stays a nuisance; no share of memory, which depends on the machine; no cap on processors, which would only leave them
// idle, because the same weight for each account already keeps them apart.
func DefaultLimits() (account, service Limits) {
	return Limits{Processes: 1024}, Limits{Processes: 512, OpenFiles: 1 << 16}
}
