package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"upkeep/internal/htmltest"
	"upkeep/internal/panel"
	"upkeep/internal/password"
	"upkeep/internal/token"
	"upkeep/store"
)

// site is a whole panel with a browser: two people, each with an account of their own, and one service in each.
type site struct {
	*htmltest.Client
	t      testing.TB
	server *Server
	store  *store.Store
	engine *fakeEngine
	clock  *fakeClock

	alice, bob panel.User
	own, other panel.Account // alice's and bob's
	web        panel.Service // alice's
	secret     panel.Service // bob's
}

const alicePassword = "correct horse battery"

var aliceHash = sync.OnceValues(func() (string, error) { return password.Hash(alicePassword) })

// fakeClock is the time that the panel believes in.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newSite opens the panel; nobody is signed in.
func newSite(t testing.TB) *site {
	t.Helper()
	s := newBareSite(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	s.Client = htmltest.New(t, s.server.Handler())
	return s
}

// newLoggedSite is a site whose log can be read.
func newLoggedSite(t testing.TB, log io.Writer) *site {
	t.Helper()
	s := newSiteWith(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), slog.New(slog.NewTextHandler(log, nil)))
	s.Client = htmltest.New(t, s.server.Handler())
	return s
}

// newBareSite is a site without a browser, for tests that speak to the handler themselves.
func newBareSite(t testing.TB, now time.Time) *site {
	t.Helper()
	return newSiteWith(t, now, slog.New(slog.DiscardHandler))
}

func newSiteWith(t testing.TB, now time.Time, log *slog.Logger) *site {
	t.Helper()
	db, err := store.Open(context.Background(), filepath.Join(t.TempDir(), "upkeep.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &site{t: t, store: db, clock: &fakeClock{now: now}}
	s.engine = newFakeEngine(db, s.clock.Now)
	s.fill()
	s.server, err = New(Config{
		Store: db, Control: s.engine, Status: s.engine, Observe: s.engine, Logs: s.engine,
		Limits: siteLimits, Domain: "example.net", Version: "1.2.3", Logger: log, Clock: s.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.server.endStreams)
	return s
}

// siteLimits are those of the host.
var siteLimits = panel.HostLimits{Account: panel.Limits{Memory: 2e9}, Enforcement: panel.Enforcement{Rung: panel.RungV1, Memory: true, CPU: true, Processes: true}}

func (s *site) fill() {
	s.t.Helper()
	hash, err := aliceHash()
	if err != nil {
		s.t.Fatal(err)
	}
	s.own, s.other = s.newAccount("alice"), s.newAccount("bob")
	s.alice = s.newUser("alice@example.net", hash, s.own)
	s.bob = s.newUser("bob@example.net", "", s.other) // has not chosen a password yet
	s.web = s.newService(s.own, "web", "python3 app.py")
	s.secret = s.newService(s.other, "secret", "./secret")
}

func (s *site) newAccount(name string) panel.Account {
	s.t.Helper()
	a, err := s.store.CreateAccount(context.Background(), panel.Account{
		Name: name, UnixUser: "u-" + name, Home: "/home/" + name, CreatedAt: s.clock.Now(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *site) newUser(email, hash string, accounts ...panel.Account) panel.User {
	s.t.Helper()
	var ids []panel.AccountID
	for _, a := range accounts {
		ids = append(ids, a.ID)
	}
	u, err := s.store.CreateUser(context.Background(), email, hash, false, ids)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *site) newService(a panel.Account, name, command string) panel.Service {
	s.t.Helper()
	return s.newServiceOf(a, panel.Definition{Name: name, Command: command})
}

func (s *site) newServiceOf(a panel.Account, def panel.Definition) panel.Service {
	s.t.Helper()
	svc, err := s.store.CreateService(context.Background(),
		panel.Service{Account: a.ID, Definition: def, CreatedAt: s.clock.Now()}, panel.Actor{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.engine.set(svc.ID, panel.Status{State: panel.Paused, Since: s.clock.Now()})
	return svc
}

// newLink makes a first sign-in link and returns its secret.
func (s *site) newLink(u panel.User, life time.Duration) string {
	s.t.Helper()
	secret, hash := token.New()
	if err := s.store.CreateLink(context.Background(), u.ID, hash, s.clock.Now().Add(life)); err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// run gives a service a live run.
func (s *site) run(svc panel.Service, pid int) {
	s.engine.set(svc.ID, panel.Status{
		State: panel.Running, Since: s.clock.Now(), Run: 1, PID: pid, StartedAt: s.clock.Now(), Version: svc.Version,
		Limit: 10, Window: 5 * time.Minute,
	})
}

// signedIn opens the panel with alice signed in.
func signedIn(t testing.TB) *site {
	t.Helper()
	s := newSite(t)
	s.SignIn("alice@example.net", alicePassword)
	return s
}

// sessionCookie is the name of the cookie that a panel without TLS sets.
const sessionCookie = "upkeep"

func servicesOf(t testing.TB, s *site) []string {
	t.Helper()
	all, err := s.store.Services(context.Background(), s.own.ID)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, svc := range all {
		names = append(names, fmt.Sprintf("%s v%d", svc.Name, svc.Version))
	}
	return names
}
