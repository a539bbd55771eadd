package control

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
	"upkeep/store"
)

// site is a Control on a real store, with an engine that only notes what it is asked.
type site struct {
	*Control
	store  *store.Store
	engine *engine
	own    panel.Account
	other  panel.Account
}

var ann = panel.Actor{Kind: panel.ActorPerson, User: 1, Name: "ann@example.org"}

func newSite(t *testing.T) *site {
	t.Helper()
	st, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "upkeep.db"))
	check(t, err)
	t.Cleanup(func() { check(t, st.Close()) })
	s := &site{store: st, engine: &engine{}}
	s.own = s.account(t, "shop")
	s.other = s.account(t, "other")
	s.Control = New(st, s.engine, func(_ panel.Account, look func() error) error { return look() }, 0)
	return s
}

func (s *site) account(t *testing.T, name string) panel.Account {
	t.Helper()
	acct, err := s.store.CreateAccount(t.Context(), panel.Account{Name: name, UnixUser: name, Home: filepath.Join(t.TempDir(), name), CreatedAt: time.Now()})
	check(t, err)
	return acct
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// engine notes what it is asked, and answers with err.
type engine struct {
	asked []string
	err   error
}

func (e *engine) note(what string) error { e.asked = append(e.asked, what); return e.err }

func (e *engine) Add(_ context.Context, svc panel.Service, _ panel.Account, _ panel.Actor) error {
	return e.note("add " + svc.Name + " " + string(svc.Wanted))
}
func (e *engine) AddAgain(_ context.Context, svc panel.Service, _ panel.Account, _ panel.Actor) error {
	return e.note("add again " + svc.Name + " " + string(svc.Wanted))
}
func (e *engine) Update(_ context.Context, svc panel.Service) error {
	return e.note("update " + svc.Name)
}
func (e *engine) Start(context.Context, panel.ServiceID, panel.Actor) error {
	return e.note("start")
}
func (e *engine) Pause(context.Context, panel.ServiceID, panel.Actor) error { return e.note("pause") }
func (e *engine) Restart(context.Context, panel.ServiceID, bool, panel.Actor) (panel.RestartOutcome, error) {
	return panel.RestartOutcome{Result: panel.Replaced}, e.note("restart")
}
func (e *engine) Remove(context.Context, panel.ServiceID) error { return e.note("remove") }
func (e *engine) Status(_ context.Context, ids ...panel.ServiceID) (map[panel.ServiceID]panel.Status, error) {
	return map[panel.ServiceID]panel.Status{ids[0]: {State: panel.Stopping}}, nil
}
func (e *engine) Check(_ context.Context, svc panel.Service, _ panel.Account) (panel.Check, error) {
	return panel.Check{Outcome: panel.CheckOK}, e.note("check " + svc.Monitoring.Command + " in " + svc.Directory)
}
func (e *engine) Identity(panel.ServiceID) (panel.Identity, bool) { return panel.Identity{}, false }

func good() panel.Definition { return panel.Definition{Name: "web", Command: "node server.js"} }

// TestRefused holds wrong definitions against the field that is blamed and a word of its message. Nothing is
// stored and nothing is started.
func TestRefused(t *testing.T) {
	s := newSite(t)
	taken := good()
	taken.Name, taken.Port = "blog", 8300
	_, err := s.Create(t.Context(), s.own, taken, true, ann)
	check(t, err)
	foreign := good()
	foreign.Name, foreign.Port = "secret-name", 8301
	_, err = s.Create(t.Context(), s.other, foreign, true, ann)
	check(t, err)
	tests := []struct {
		name   string
		change func(*panel.Definition)
		field  string
		want   string
	}{
		{"no name", func(d *panel.Definition) { d.Name = " " }, "name", "Give the service a name"},
		{"capitals", func(d *panel.Definition) { d.Name = "Web" }, "name", "small letters"},
		{"begins with a hyphen", func(d *panel.Definition) { d.Name = "-web" }, "name", "beginning with"},
		{"path in the name", func(d *panel.Definition) { d.Name = "../web" }, "name", "small letters"},
		{"NUL in the name", func(d *panel.Definition) { d.Name = "we\x00b" }, "name", "small letters"},
		{"64 characters", func(d *panel.Definition) { d.Name = strings.Repeat("a", 64) }, "name", "at most 63"},
		{"a page of the panel", func(d *panel.Definition) { d.Name = "new" }, "name", "panel itself"},
		{"taken name", func(d *panel.Definition) { d.Name = "blog" }, "name", "blog"},
		{"no command", func(d *panel.Definition) { d.Command = " \r\n" }, "command", "Type the command"},
		{"unclosed quote", func(d *panel.Definition) { d.Command = "echo 'x" }, "command", "never closed"},
		{"NUL in the command", func(d *panel.Definition) { d.Command = "echo \x00" }, "command", "NUL"},
		{"1 MiB command", func(d *panel.Definition) { d.Command = strings.Repeat("x", 1<<20) }, "command", "at most 16384"},
		{"home's parent", func(d *panel.Definition) { d.Directory = ".." }, "directory", "must lie in the home"},
		{"out and elsewhere", func(d *panel.Definition) { d.Directory = "app/../../etc" }, "directory", "must lie in the home"},
		{"another absolute path", func(d *panel.Definition) { d.Directory = "/etc" }, "directory", "must lie in the home"},
		{"NUL in the directory", func(d *panel.Definition) { d.Directory = "a\x00b" }, "directory", "not text"},
		{"huge directory", func(d *panel.Definition) { d.Directory = strings.Repeat("a/", 4000) }, "directory", "at most"},
		{"bad variable", func(d *panel.Definition) { d.Environment = "A=1\n2B=2" }, "environment", "ine 2"},
		{"huge environment", func(d *panel.Definition) { d.Environment = "A=" + strings.Repeat("x", 1<<20) }, "environment", "at most 65536"},
		{"below the range", func(d *panel.Definition) { d.Port = 8299 }, "port", "8300 to 8499"},
		{"above the range", func(d *panel.Definition) { d.Port = 8500 }, "port", "8300 to 8499"},
		{"no number", func(d *panel.Definition) { d.Port = -1 }, "port", "8300 to 8499"},
		{"port of an own service", func(d *panel.Definition) { d.Port = 8300 }, "port", "belongs to your service blog"},
		{"port of a stranger", func(d *panel.Definition) { d.Port = 8301 }, "port", "Port 8301 is taken."},
		{"annotation too long", func(d *panel.Definition) { d.Annotation = strings.Repeat("é", 201) }, "annotation", "at most 200"},
		{"monitoring that cannot be read", func(d *panel.Definition) { d.Monitoring.Command = "test 'x" }, "monitoring", "never closed"},
		{"checks too often", func(d *panel.Definition) { d.Monitoring.Interval = 9 * time.Second }, "monitoring_interval", "from 10s to 24h"},
		{"checks too seldom", func(d *panel.Definition) { d.Monitoring.Interval = 25 * time.Hour }, "monitoring_interval", "from 10s to 24h"},
		{"an interval that is no time", func(d *panel.Definition) { d.Monitoring.Interval = -1 }, "monitoring_interval", "such as 30s"},
		{"a limit longer than the interval", func(d *panel.Definition) {
			d.Monitoring.Interval, d.Monitoring.Timeout = 20*time.Second, 30*time.Second
		}, "monitoring_timeout", "before the next one"},
		{"a limit that is too long", func(d *panel.Definition) { d.Monitoring.Timeout = time.Hour }, "monitoring_timeout", "from 1s to 5m"},
		{"no failure at all", func(d *panel.Definition) { d.Monitoring.Failures = -1 }, "monitoring_failures", "from 1 to 100"},
		{"a grace of a day", func(d *panel.Definition) { d.Monitoring.Grace = 24 * time.Hour }, "monitoring_grace", "from 1s to 1h"},
		{"a budget without end", func(d *panel.Definition) { d.Budget.Failures = 1001 }, "budget_failures", "from 1 to 1000"},
		{"a window of a week", func(d *panel.Definition) { d.Budget.Window = 168 * time.Hour }, "budget_window", "from 1s to 24h"},
		{"a try every second", func(d *panel.Definition) { d.Budget.Probation = time.Second }, "budget_probation", "from 1m to 24h"},
		{"annotation that is no text", func(d *panel.Definition) { d.Annotation = "\xff" }, "annotation", "not text"},
	}
	s.engine.asked = nil
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			def := good()
			tt.change(&def)
			_, err := s.Create(t.Context(), s.own, def, false, ann)
			var wrong *panel.ValidationError
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, want a validation error", err)
			}
			if got := wrong.Fields[tt.field]; len(wrong.Fields) != 1 || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want only %s to say %q", wrong.Fields, tt.field, tt.want)
			}
			if strings.Contains(err.Error(), "secret-name") {
				t.Errorf("%q names a service of another account", err)
			}
		})
	}
	services, err := s.store.Services(t.Context(), s.own.ID)
	check(t, err)
	if len(services) != 1 || len(s.engine.asked) != 0 {
		t.Errorf("%d services and %q; want one and nothing asked", len(services), s.engine.asked)
	}
}

// All mistakes are told at once.
func TestEveryMistake(t *testing.T) {
	s := newSite(t)
	_, err := s.Create(t.Context(), s.own, panel.Definition{Name: "A", Directory: "..", Environment: "=", Port: 1, Annotation: "\xff"}, false, ann)
	var wrong *panel.ValidationError
	if !errors.As(err, &wrong) || len(wrong.Fields) != 6 {
		t.Errorf("got %v, want messages for six fields", err)
	}
}

// However a directory is typed, it is stored relative to the home.
func TestDirectories(t *testing.T) {
	for typed, want := range map[string]string{
		"": "", "~": "", ".": "", "app": "app", " app/ ": "app", "~/app/current": "app/current",
		"/home/shop": "", "/home/shop/app": "app", "app/../other": "other",
	} {
		got, message := checkDirectory("/home/shop", strings.TrimSpace(typed))
		if got != want || message != "" {
			t.Errorf("%q: got %q, %q, want %q", typed, got, message, want)
		}
	}
	if _, message := checkDirectory("/home/shop", "/home/shopping"); message == "" {
		t.Error("a neighbour's home was taken for the own one")
	}
}

func TestLifeOfAService(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	def := good()
	def.Command, def.Environment = " node server.js\r\n", "A=1\r\nB=2\r\n"
	svc, err := s.Create(ctx, s.own, def, false, ann)
	check(t, err)
	if svc.Command != "node server.js" || svc.Environment != "A=1\nB=2\n" {
		t.Errorf("stored %q and %q with what the browser added", svc.Command, svc.Environment)
	}
	def.Name = "site"
	svc, err = s.Edit(ctx, s.own, "web", def, true, svc.Version, ann)
	check(t, err)
	if _, err := s.Edit(ctx, s.own, "site", def, true, 1, ann); !errors.Is(err, panel.ErrConflict) {
		t.Errorf("edit of an old version: got %v, want a conflict", err)
	}
	if _, err := s.Pause(ctx, s.other, "site", ann); !errors.Is(err, panel.ErrNotFound) {
		t.Errorf("pause of another account's service: got %v, want not found", err)
	}
	status, err := s.Resume(ctx, s.own, "site", ann)
	if err != nil || status.State != panel.Stopping {
		t.Errorf("resume: %+v, %v", status, err)
	}
	check(t, s.Remove(ctx, s.own, "site", ann))
	if _, err := s.store.ServiceByID(ctx, svc.ID); !errors.Is(err, panel.ErrNotFound) {
		t.Errorf("after the removal: %v", err)
	}
	want := "add web on, update site, pause, start, pause, remove"
	if got := strings.Join(s.engine.asked, ", "); got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// A stop that takes longer than a person waits is no error: the page shows how far it is.
func TestSlowPause(t *testing.T) {
	s := newSite(t)
	_, err := s.Create(t.Context(), s.own, good(), false, ann)
	check(t, err)
	s.engine.err = context.DeadlineExceeded
	if status, err := s.Pause(t.Context(), s.own, "web", ann); err != nil || status.State != panel.Stopping {
		t.Errorf("got %+v, %v, want stopping", status, err)
	}
}

// The proposed port is neither declared nor bound by anybody.
func TestFreePort(t *testing.T) {
	s := newSite(t)
	first, err := s.FreePort(t.Context())
	check(t, err)
	if first < panel.MinPort || first > panel.MaxPort {
		t.Fatalf("got %d", first)
	}
	def := good()
	def.Port = first
	_, err = s.Create(t.Context(), s.own, def, true, ann)
	check(t, err)
	if next, err := s.FreePort(t.Context()); err != nil || next <= first {
		t.Errorf("got %d, %v, want one behind %d", next, err, first)
	}
}

func TestWarnings(t *testing.T) {
	s := newSite(t)
	found, err := s.Warnings(t.Context(), s.own, panel.Definition{Name: "web", Command: "redis-server --daemonize yes &"})
	check(t, err)
	ids := map[string]bool{}
	for _, f := range found {
		ids[f.ID] = true
	}
	if !ids["D06"] || !ids["D07"] {
		t.Errorf("got %+v, want D06 and D07", found)
	}
}
