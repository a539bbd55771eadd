package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"upkeep/internal/cgroup"
	"upkeep/store"
)

// The person of whom all clients hold a session.
const (
	email  = "chaos@example.net"
	secret = "correct horse battery staple"
)

// host is the machine in the cell: where everything lies, and upkeep on it.
type host struct {
	dir, data, homes, books string
	upkeep, helper, child   string
	tree                    string // control group of all runs; empty where there are none
	instance                string
	report                  *report

	striking sync.Mutex // held by a fault that concerns upkeep itself: one at a time

	mu     sync.Mutex
	blind  []span // when nobody watched over the services
	silent []span // when the panel need not answer
	full   []span // when the disk of the data directory was full
	away   []span // when a home could not be reached
	kills  map[string]bool
	held   map[fileID]*heldFile
}

// span is a time from … to; to is zero while it goes on.
type span struct{ from, to time.Time }

// touches reports whether the span, made longer by slack at its end, includes a moment.
func (s span) touches(at time.Time, slack time.Duration) bool {
	return !at.Before(s.from) && (s.to.IsZero() || !at.After(s.to.Add(slack)))
}

func anyTouches(spans []span, at time.Time, slack time.Duration) bool {
	for _, s := range spans {
		if s.touches(at, slack) {
			return true
		}
	}
	return false
}

// prepareHost makes accounts and the person by the commands of upkeep, before it runs for the first time.
func prepareHost(ctx context.Context, o options, r *report) (*host, error) {
	h := &host{dir: o.cell, data: filepath.Join(o.cell, "data"), homes: filepath.Join(o.cell, "homes"),
		books: filepath.Join(o.cell, "books"), upkeep: filepath.Join(o.bin, "upkeep"),
		helper: filepath.Join(o.bin, "upkeep-helper"), report: r, kills: map[string]bool{}, held: map[fileID]*heldFile{}}
	var err error
	if h.child, err = buildChild(o.cell); err != nil {
		return nil, err
	}
	args := []string{"user", "create", email, "--password-stdin"}
	for _, name := range accounts {
		if err := h.command(ctx, "", "account", "create", name); err != nil {
			return nil, err
		}
		args = append(args, "--account", name)
	}
	if err := h.command(ctx, secret+"\n", args...); err != nil {
		return nil, err
	}
	return h, h.findTree(ctx)
}

// findTree learns where the control groups will be, and leaves word for whoever cleans up.
func (h *host) findTree(ctx context.Context) error {
	st, err := h.openStore(ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	h.instance = st.InstanceID()
	if tree, err := cgroup.Find(h.instance); err == nil {
		h.tree = tree.Base()
	}
	return os.WriteFile(filepath.Join(h.dir, instanceFile), []byte(h.instance), 0o644)
}

func (h *host) openStore(ctx context.Context) (*store.Store, error) {
	return store.Open(ctx, filepath.Join(h.data, "upkeep.db"))
}

// arguments are those of a command of upkeep on this host.
func (h *host) arguments(args ...string) *exec.Cmd {
	cmd := exec.Command(h.upkeep, append(args, "--config", os.DevNull, "--data", h.data, "--homes", h.homes)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GOTRACEBACK=all"}
	return cmd
}

// command runs a command that ends by itself.
func (h *host) command(ctx context.Context, stdin string, args ...string) error {
	cmd := h.arguments(args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("upkeep %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return ctx.Err()
}

func (h *host) home(account string) string { return filepath.Join(h.homes, account) }

// logOf is where the log of a service belongs.
func (h *host) logOf(s *service) string {
	return filepath.Join(h.home(s.account), "admin/logs/services", s.name+".log")
}

// begin notes that a time of some kind begins; the function it returns notes the end.
func (h *host) begin(spans *[]span) (end func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(*spans)
	*spans = append(*spans, span{from: time.Now()})
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		(*spans)[i].to = time.Now()
	}
}

// during reports whether a moment lies in one of the spans, or shortly after.
func (h *host) during(spans *[]span, at time.Time, slack time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return anyTouches(*spans, at, slack)
}

// killed notes that chaos itself killed the processes of a run, so that their end has an explanation.
func (h *host) killed(run string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kills[run] = true
}

func (h *host) wasKilled(run string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kills[run]
}
