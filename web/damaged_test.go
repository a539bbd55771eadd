package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"upkeep/internal/htmltest"
	"upkeep/internal/panel"
	"upkeep/store"
)

func TestDamagedPage(t *testing.T) {
	d, err := NewDamaged(DamagedConfig{
		Damage: func() Damage {
			return Damage{Title: "The database is damaged", Message: "Nothing can be shown.", Detail: "page 7 <b>",
				Steps: []Step{{Text: "Restore:", Command: "upkeep restore '/a b'"}, {Text: "Wait."}}}
		},
		Secure: true, Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := htmltest.New(t, d.Handler())
	for _, path := range []string{"/", "/signin", "/accounts/alice/services/new", "/version", "/anything?x=1"} {
		p := c.Get(path).WantStatus(http.StatusServiceUnavailable).WantSound()
		p.WantText("h1", "The database is damaged").WantText("main", "page 7 <b>").WantText("main", "Wait.")
		if got := p.Text(".copy code"); got != "upkeep restore '/a b'" {
			t.Errorf("%s: commands %q", path, got)
		}
		for name, want := range map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
			"Cache-Control": "no-store", "Retry-After": "10", "Refresh": "10", "Strict-Transport-Security": "max-age=31536000"} {
			if got := p.Header.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
	}
	p := c.Post("/signin", url.Values{"email": {"x"}}).WantStatus(http.StatusServiceUnavailable)
	if p.Header.Get("Refresh") != "" {
		t.Error("a form would be lost by looking again")
	}
	c.Get("/livez").WantStatus(http.StatusOK)
	c.Get("/healthz").WantStatus(http.StatusOK)
	c.Get("/static/app.css").WantStatus(http.StatusOK)
	if p := c.Get("/readyz?verbose").WantStatus(http.StatusServiceUnavailable); p.Body != "database: not ready\nnot ready\n" {
		t.Errorf("/readyz?verbose says %q", p.Body)
	}
	if p := c.Get("/accounts/alice/events").WantStatus(http.StatusServiceUnavailable); strings.Contains(p.Body, "<") {
		t.Errorf("a stream is answered with a page: %q", p.Body)
	}
	r := c.Request(http.MethodGet, "/", nil)
	r.Header.Set("Accept", "application/json")
	if p := c.Do(r).WantStatus(http.StatusServiceUnavailable); p.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a program is answered with %q", p.Header.Get("Content-Type"))
	}
}

func TestNewDamagedNeedsEveryPart(t *testing.T) {
	if _, err := NewDamaged(DamagedConfig{}); err == nil {
		t.Error("no error")
	}
}

// full is a store on a disk without space, while it is set.
type full struct {
	*store.Store
	set *atomic.Bool
}

func (f full) SaveSession(ctx context.Context, s panel.Session) error {
	if f.set.Load() {
		return fmt.Errorf("save session: %w", panel.ErrStorage)
	}
	return f.Store.SaveSession(ctx, s)
}

// While nothing can be written, pages are shown all the same and say so.
func TestTroubleWithTheDatabase(t *testing.T) {
	s := newSite(t)
	var trouble atomic.Bool
	server, err := New(Config{
		Store: full{s.store, &trouble}, Control: s.engine, Status: s.engine, Observe: s.engine, Logs: s.engine,
		Trouble: func() error {
			if trouble.Load() {
				return errors.New("no space left")
			}
			return nil
		},
		Domain: "example.net", Logger: slog.New(slog.DiscardHandler), Clock: s.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.endStreams)
	b := htmltest.New(t, server.Handler())
	b.SignIn("alice@example.net", alicePassword)
	const path = "/accounts/alice/services"
	if b.Get(path).WantStatus(http.StatusOK).Has("#trouble") {
		t.Error("trouble is shown where there is none")
	}
	trouble.Store(true)
	s.clock.pass(2 * touchEvery) // the use of the session would be written down
	p := b.Get(path).WantStatus(http.StatusOK).WantSound().WantText("#trouble", "cannot be written")
	if strings.Contains(p.Text("#trouble"), "no space left") {
		t.Error("somebody who is no administrator is told about the machine")
	}
	b.Post(path+"/web/pause", nil).WantStatus(http.StatusSeeOther)
	b.Get(path + "/web").WantStatus(http.StatusOK)
	b.Another().Get("/signin").WantStatus(http.StatusOK).WantText("#trouble", "cannot be written")
	s.engine.fail = fmt.Errorf("pause: %w", panel.ErrStorage)
	b.Post(path+"/web/pause", nil).WantStatus(http.StatusServiceUnavailable).WantText("h1", "The database cannot be used")
	trouble.Store(false)
	if b.Get(path).WantStatus(http.StatusOK).Has("#trouble") {
		t.Error("trouble is shown after its end")
	}
}
