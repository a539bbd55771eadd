package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
	"upkeep/internal/password"
	"upkeep/store"
)

// scene is what is set up for a measure: a daemon with services.
type scene struct {
	name     string
	commands []string // of the services; nil: nothing is set up
	flags    []string // of the daemon, further ones
}

// idle is a scene of n services that sleep.
func (b *bench) idle(n int) scene {
	s := scene{name: "n=" + strconv.Itoa(n), commands: make([]string, n)}
	for i := range s.commands {
		s.commands[i] = b.child
	}
	return s
}

// world is a scene that is set up.
type world struct {
	scene
	bench    *bench
	dir      string
	data     string
	account  panel.Account
	instance string
	tree     string // control group of the daemon's runs; empty where there is none
	upkeep   string // binary of the daemon: a copy, for it is replaced at times
	daemon   *daemon
	usage    *usage        // when it was measured
	pids     map[int]int   // main processes by service
	started  time.Duration // when the last one's main() began, after the daemon's start
	bare     time.Duration // how long the same number of starts took a loop with launchers
}

// The person who looks at the panel.
const (
	email  = "bench@localhost"
	secret = "correct horse battery staple"
)

// serviceUser is who the services run as when this is root: a user that every Debian has.
const serviceUser = "nobody"

// set makes a database and a home, starts the daemon and waits for all its services.
func (b *bench) set(ctx context.Context, s scene) (*world, error) {
	if err := b.roomFor(len(s.commands)); err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, s.name)
	w := &world{scene: s, bench: b, dir: dir, data: filepath.Join(dir, "data"), upkeep: filepath.Join(dir, "upkeep")}
	err := w.prepare(ctx)
	if err == nil && len(s.commands) == b.many {
		w.bare, err = b.bareLaunches(ctx, w)
	}
	if err == nil {
		err = w.begin(ctx)
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("set up %s: %w", s.name, err)
	}
	return w, nil
}

func (w *world) prepare(ctx context.Context) (err error) {
	if err := errors.Join(os.MkdirAll(w.data, 0o711), os.Chmod(w.dir, 0o711)); err != nil {
		return err
	}
	if err := copyFile(w.bench.upkeep, w.upkeep); err != nil {
		return err
	}
	if w.account, err = newAccount(filepath.Join(w.dir, "homes", "bench"), serviceUser); err != nil {
		return err
	}
	st, err := store.Open(ctx, filepath.Join(w.data, "upkeep.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	w.instance = st.InstanceID()
	if tree, err := cgroup.Find(w.instance); err == nil {
		w.tree = tree.Base()
	}
	return w.fill(ctx, st)
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

// newAccount makes a home for a user that is not root; without root it is that of the person.
func newAccount(home, unixUser string) (panel.Account, error) {
	acct := panel.Account{Name: "bench", Home: home}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return acct, err
	}
	if os.Geteuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return acct, err
		}
		acct.Shared, acct.UnixUser = true, u.Username
		return acct, nil
	}
	acct.UnixUser = unixUser
	uid, gid, err := idsOf(unixUser)
	if err != nil {
		return acct, err
	}
	return acct, os.Chown(home, uid, gid)
}

func idsOf(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	uid, errU := strconv.Atoi(u.Uid)
	gid, errG := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(errU, errG)
}

// fill stores the account, the services and the person.
func (w *world) fill(ctx context.Context, st *store.Store) (err error) {
	if w.account, err = st.CreateAccount(ctx, w.account); err != nil {
		return err
	}
	for i, command := range w.commands {
		def := panel.Definition{Name: fmt.Sprintf("service-%04d", i+1), Command: command,
			Environment: "BENCH_SOCKET=" + w.bench.bell.path, Annotation: "One of many that do nothing"}
		svc := panel.Service{Account: w.account.ID, Definition: def, Wanted: panel.WantedOn}
		if _, err := st.CreateService(ctx, svc, panel.Actor{}); err != nil {
			return err
		}
	}
	hash, err := password.Hash(secret)
	if err != nil {
		return err
	}
	_, err = st.CreateUser(ctx, email, hash, false, []panel.AccountID{w.account.ID})
	return err
}

// begin starts the daemon and waits for the services.
func (w *world) begin(ctx context.Context) (err error) {
	w.bench.bell.drain()
	if w.daemon, err = w.startDaemon(ctx); err != nil {
		return err
	}
	var last time.Duration
	if w.pids, last, err = w.bench.bell.started(ctx, len(w.commands), 30*time.Second); err != nil {
		return err
	}
	w.started = last - w.daemon.begun
	return nil
}

// settle waits until every service counts as running and what that leads to is done.
func (w *world) settle(ctx context.Context) error {
	return pause(ctx, panel.DefaultPolicy().StartPeriod+2*time.Second)
}

// close ends the daemon, then its services, and removes what they leave.
func (w *world) close() {
	var err error
	if w.daemon != nil {
		err = w.endDaemon()
	}
	if w.tree != "" {
		err = errors.Join(err, cgroup.Kill(w.tree)) // what forks has to end at once
	}
	err = errors.Join(err, endProcesses(w.bench.dir))
	for _, tree := range cgroup.Trees(w.instance) {
		err = errors.Join(err, removeTree(tree))
	}
	err = errors.Join(err, os.RemoveAll(w.dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: clean up:", err)
	}
}
