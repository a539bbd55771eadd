package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/logs"
	"upkeep/internal/panel"
	"upkeep/internal/process"
	"upkeep/store"
)

// plan is what a site is made of. The zero value is the usual one.
type plan struct {
	policy   panel.Policy
	noCgroup bool
	shared   bool   // services run as the one who runs the test; always so without root
	user     string // Unix user of the account; "nobody" when empty
	helper   string // path of the helper, when it is not the usual one
	limits   panel.HostLimits
	journal  func(Journal) Journal
	keeper   Keeper
}

// site is an engine with everything that is real: store, output, helper, processes. Only one may be entered at a
// time, because an engine reaps every child of its process.
type site struct {
	*Engine
	t       *testing.T
	plan    plan
	dir     string
	account panel.Account
	store   *store.Store
	leave   func() // ends the engine; what runs runs on
}

// quick is the default policy with times that a test can wait for.
func quick() panel.Policy {
	p := panel.DefaultPolicy()
	p.StartPeriod, p.RestartWait = 30*time.Millisecond, 700*time.Millisecond
	p.Backoff = []time.Duration{0, 10 * time.Millisecond}
	return p
}

// once is a policy under which the first failure disables.
func once() panel.Policy {
	p := quick()
	p.BudgetLimit = 1
	return p
}

// newSite makes a site and enters it.
func newSite(t *testing.T, p plan) *site {
	t.Helper()
	s := prepareSite(t, p)
	s.enter()
	return s
}

// prepareSite makes a site where no engine runs yet.
func prepareSite(t *testing.T, p plan) *site {
	t.Helper()
	if p.policy.BudgetLimit == 0 {
		p.policy = quick()
	}
	if p.helper == "" {
		p.helper = helperPath
	}
	if p.user == "" {
		p.user = "nobody"
	}
	if p.shared && os.Geteuid() == 0 {
		t.Skip("as root every account has a Unix user of its own; this is for tests without root")
	}
	p.shared = p.shared || os.Geteuid() != 0
	// Not t.TempDir: the users of accounts could not pass it.
	dir, err := os.MkdirTemp("", "upkeep-site-")
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	check(t, os.Chmod(dir, 0o755))
	s := &site{t: t, plan: p, dir: dir, leave: func() {}}
	s.store, err = store.Open(t.Context(), filepath.Join(dir, "upkeep.db"))
	check(t, err)
	t.Cleanup(func() { check(t, s.store.Close()) })
	t.Cleanup(s.clear)
	s.makeAccount()
	return s
}

func (s *site) makeAccount() {
	s.t.Helper()
	acct := panel.Account{Name: "ann", UnixUser: s.plan.user, Home: filepath.Join(s.dir, "home"), Shared: s.plan.shared,
		CreatedAt: time.Now()}
	check(s.t, os.Mkdir(acct.Home, 0o755))
	if who, err := lookUp(acct); err == nil {
		check(s.t, os.Chown(acct.Home, who.cred.UID, who.cred.GID))
	}
	var err error
	s.account, err = s.store.CreateAccount(s.t.Context(), acct)
	check(s.t, err)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// enter starts an engine, which takes over what it finds.
func (s *site) enter() {
	s.t.Helper()
	engine, leave, err := open(s.dir, s.plan, s.store)
	check(s.t, err)
	s.Engine = engine
	s.leave = func() {
		s.leave = func() {}
		if err := leave(); err != nil {
			s.t.Errorf("end of the engine: %v", err)
		}
	}
	select {
	case <-engine.Ready():
	case <-engine.stopped:
		s.leave()
		s.t.Fatal("the engine has ended")
	}
}

// open puts an engine together and runs it.
func open(dir string, p plan, st *store.Store) (*Engine, func() error, error) {
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("UPKEEP_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	output, err := logs.New(logs.Options{State: filepath.Join(dir, "state"), Logger: log, Coalesce: 5 * time.Millisecond})
	if err != nil {
		return nil, nil, err
	}
	journal := Journal(st)
	if p.journal != nil {
		journal = p.journal(journal)
	}
	engine, err := New(Config{Policy: p.policy, Journal: journal, Output: output, Log: log, Instance: st.InstanceID(),
		Helper: p.helper, NoCgroup: p.noCgroup, Account: p.limits.Account, Service: p.limits.Service, Keeper: p.keeper,
		FIFOs: filepath.Join(dir, "state", "fifos")})
	if err != nil {
		return nil, nil, err
	}
	engineCtx, stopEngine := context.WithCancel(context.Background())
	logsCtx, stopLogs := context.WithCancel(context.Background())
	ends := make(chan error, 2)
	go func() { ends <- output.Run(logsCtx) }()
	go func() { defer stopLogs(); ends <- engine.Run(engineCtx) }()
	return engine, func() error { stopEngine(); return errors.Join(<-ends, <-ends) }, nil
}

// clear stops everything and looks that nothing is left behind.
func (s *site) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if s.Engine != nil {
		if err := s.StopAll(ctx); err != nil && !errors.Is(err, ErrStopped) {
			s.t.Errorf("stop all: %v", err)
		}
		s.leave()
	}
	left := s.processes()
	for _, pid := range left {
		s.t.Errorf("process %d is left: %s", pid, commandOf(pid))
		_ = unix.Kill(pid, unix.SIGKILL) // of this site, by its marker
	}
	if len(left) > 0 {
		eventually(s.t, "what is left has died", func() bool { return len(s.processes()) == 0 })
	}
	if groups := s.groups(); len(groups) > 0 {
		s.t.Errorf("control groups are left: %v", groups)
		for _, path := range slices.Backward(groups) { // each stands behind the one that holds it
			_ = os.Remove(path) // the failure is told already
		}
	}
}

// awaitSpare returns once a launcher waits.
func (s *site) awaitSpare() {
	s.t.Helper()
	eventually(s.t, "a launcher waits", func() bool { return len(s.spareGroups()) > 0 })
}

// spareGroups are the groups of the launchers that wait; empty names where there are no control groups.
func (s *site) spareGroups() []string {
	spares := s.host.(*realHost).spares
	spares.mu.Lock()
	defer spares.mu.Unlock()
	var groups []string
	for _, sp := range spares.ready {
		groups = append(groups, sp.group)
	}
	return groups
}

// strayGroups are the groups that hold neither a run nor a launcher that waits, nor one of their groups.
func (s *site) strayGroups() []string {
	waiting := s.spareGroups()
	return slices.DeleteFunc(s.groups(), func(path string) bool {
		return slices.ContainsFunc(waiting, func(spare string) bool { return strings.HasPrefix(nameOf(spare), nameOf(path)) })
	})
}

// nameOf is the path of a group below the directory of its hierarchy, where an upkeep of another group has it too.
func nameOf(path string) string {
	_, name, _ := strings.Cut(path, "/upkeep-")
	return name
}

// processes are all that carry a marker of the site, zombies excluded.
func (s *site) processes() []int {
	var found []int
	want := []byte("RUN_ID=" + s.store.InstanceID() + "-")
	for _, pid := range allProcesses(s.t) {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && (bytes.HasPrefix(env, want) || bytes.Contains(env, append([]byte{0}, want...))) {
			found = append(found, pid)
		}
	}
	return found
}

func allProcesses(t *testing.T) []int {
	t.Helper()
	names, err := os.ReadDir("/proc")
	check(t, err)
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func commandOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // only to name it
	return strings.ReplaceAll(string(text), "\x00", " ")
}

// groups are the control groups of the site in every hierarchy.
func (s *site) groups() []string {
	var found []string
	for _, base := range cgroup.Trees(s.store.InstanceID()) {
		err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				found = append(found, path)
			}
			return nil // what vanishes meanwhile is not left
		})
		check(s.t, err)
	}
	return found
}

// usesGroups reports whether the engine works with control groups.
func (s *site) usesGroups() bool { return s.host.(*realHost).tree != nil }

// declare stores a service without telling the engine.
func (s *site) declare(name, command string, change ...func(*panel.Service)) panel.Service {
	s.t.Helper()
	svc := panel.Service{Account: s.account.ID, CreatedAt: time.Now(), Wanted: panel.WantedOn,
		Definition: panel.Definition{Name: name, Command: command}}
	for _, c := range change {
		c(&svc)
	}
	svc, err := s.store.CreateService(s.t.Context(), svc, ann)
	check(s.t, err)
	return svc
}

// add makes a service that is wanted on.
func (s *site) add(name, command string, change ...func(*panel.Service)) panel.ServiceID {
	s.t.Helper()
	svc := s.declare(name, command, change...)
	check(s.t, s.Add(s.t.Context(), svc, s.account, ann))
	return svc.ID
}

// script writes an executable file into the home and returns the command that runs it.
func (s *site) script(name, text string) string {
	s.t.Helper()
	check(s.t, os.WriteFile(filepath.Join(s.account.Home, name), []byte("#!/bin/sh\n"+text), 0o755))
	return "./" + name
}

// patience is how long a test waits for what has to happen at once, on a machine with other things to do.
const patience = time.Minute

// await waits until the status of a service is as it has to be.
func (s *site) await(id panel.ServiceID, what string, good func(panel.Status) bool) panel.Status {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	changes := s.Watch(ctx)
	for {
		got := s.status(id)
		if good(got) {
			return got
		}
		if _, open := <-changes; !open {
			s.t.Fatalf("service %d is not %s: %+v, last exit %+v", id, what, got, got.LastExit)
		}
	}
}

func (s *site) awaitState(id panel.ServiceID, want panel.State) panel.Status {
	s.t.Helper()
	return s.await(id, string(want), func(st panel.Status) bool { return st.State == want })
}

func (s *site) status(id panel.ServiceID) panel.Status {
	s.t.Helper()
	all, err := s.Status(s.t.Context(), id)
	check(s.t, err)
	return all[id]
}

// send signals a process; never a group, which is what 0 and negative numbers stand for.
func send(t *testing.T, pid int, sig unix.Signal) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("no process to send signal %d to: %d", sig, pid)
	}
	check(t, unix.Kill(pid, sig))
}

// eventually waits for what nothing tells the test of.
func eventually(t *testing.T, what string, good func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !good(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// members are the processes of the run that lives.
func (s *site) members(id panel.ServiceID) []int {
	s.t.Helper()
	identity, ok := s.Identity(id)
	if !ok {
		return nil
	}
	pids, err := process.Members(s.t.Context(), process.Group{Service: id, Identity: identity})
	check(s.t, err)
	return pids
}

// read returns a file of the home, empty when there is none.
func (s *site) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.account.Home, name))
	if !errors.Is(err, os.ErrNotExist) {
		check(s.t, err)
	}
	return string(text)
}

func (s *site) log(name string) string { return s.read("admin/logs/services/" + name + ".log") }

func (s *site) pause(id panel.ServiceID) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.Pause(ctx, id, ann); err != nil {
		s.t.Fatalf("pause: %v; status %+v", err, s.status(id))
	}
}

// expectNothing looks that no process of the site lives.
func (s *site) expectNothing() {
	s.t.Helper()
	for _, pid := range s.processes() {
		s.t.Errorf("process %d lives: %s", pid, commandOf(pid))
	}
}

// onEachRung runs a test with control groups, where there are any, and without.
func onEachRung(t *testing.T, test func(*testing.T, plan)) {
	t.Run("control groups", func(t *testing.T) {
		needGroups(t)
		test(t, plan{})
	})
	t.Run("no control groups", func(t *testing.T) { test(t, plan{noCgroup: true}) })
	t.Run("no control groups, no user of its own", func(t *testing.T) { test(t, plan{noCgroup: true, shared: true}) })
}

func needGroups(t *testing.T) *cgroup.Tree {
	t.Helper()
	tree, err := cgroup.Find(fmt.Sprintf("supervisor-test-%d", os.Getpid()))
	if errors.Is(err, cgroup.ErrUnavailable) {
		t.Skip("needs control groups that this process may change: ", err)
	}
	check(t, err)
	t.Cleanup(func() { check(t, tree.Close()) })
	return tree
}

func inDirectory(dir string) func(*panel.Service) {
	return func(svc *panel.Service) { svc.Directory = dir }
}

func withEnvironment(text string) func(*panel.Service) {
	return func(svc *panel.Service) { svc.Environment = text }
}

func withPort(port int) func(*panel.Service) {
	return func(svc *panel.Service) { svc.Port = port }
}

// kinds are the kinds of the events of a service, oldest first.
func (s *site) kinds(id panel.ServiceID) []panel.EventKind {
	s.t.Helper()
	events, err := s.store.Events(s.t.Context(), id, 1000)
	check(s.t, err)
	var kinds []panel.EventKind
	for _, ev := range slices.Backward(events) {
		kinds = append(kinds, ev.Kind)
	}
	return kinds
}
