package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"upkeep/internal/token"
)

func TestCrossOriginRequestsChangeNothing(t *testing.T) {
	s := signedIn(t)
	own := s.URL("")
	tests := []struct {
		name, site, origin string
		want               int
	}{
		{"same origin", "same-origin", own, 303},
		{"typed by the person", "none", "", 303},
		{"sibling host name", "same-site", "http://services-alice.example.net:8300", 403},
		{"other site", "cross-site", "https://evil.example", 403},
		{"other site that hides", "cross-site", "null", 403},
		{"old browser, own origin", "", own, 303},
		{"old browser, other origin", "", "https://evil.example", 403},
		{"old browser, other port", "", "http://127.0.0.1:1", 403},
		{"old browser, hidden origin", "", "null", 403},
		{"no browser", "", "", 303},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.engine.called())
			r := s.PostRequest("/accounts/alice/services/web/restart", url.Values{})
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Del("Origin")
			if tt.site != "" {
				r.Header.Set("Sec-Fetch-Site", tt.site)
			}
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			p := s.Do(r).WantStatus(tt.want)
			done := len(s.engine.called()) > before
			if done != (tt.want == 303) {
				t.Errorf("status %d, and something was done: %v", p.Status, done)
			}
			if tt.want == 403 {
				p.WantSound().WantText("main", "another site")
			}
		})
	}
}

func TestEveryAnswerHasSecureHeaders(t *testing.T) {
	s := signedIn(t)
	for _, path := range []string{"/accounts/alice/services", "/nothing", "/livez", "/static/app.css", "/signin"} {
		h := s.Get(path).Header
		for name, want := range map[string]string{
			"X-Content-Type-Options":     "nosniff",
			"Referrer-Policy":            "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") ||
			!strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if cache := h.Get("Cache-Control"); !strings.HasPrefix(path, "/static/") && cache != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, cache)
		}
		if h.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", path)
		}
	}
}

func TestSessionCookie(t *testing.T) {
	s := newSite(t)
	p := s.Get("/signin").Form("form[action='/signin']").
		Set("email", "alice@example.net").Set("password", alicePassword).Submit()
	cookie := p.Header.Get("Set-Cookie")
	for _, want := range []string{"upkeep=", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q lacks %q", cookie, want)
		}
	}
	if strings.Contains(cookie, "Domain=") {
		t.Errorf("cookie %q names a domain", cookie)
	}
	store := newSessionStore(s.store, s.clock.Now, true)
	if store.cookie != "__Host-upkeep" {
		t.Errorf("name of the cookie with TLS = %q", store.cookie)
	}
}

// Strangers must not be able to fill the database.
func TestStrangersHaveNoSession(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/signin", "/", "/nothing", "/welcome/x"} {
		if got := s.Get(path).Header.Get("Set-Cookie"); got != "" {
			t.Errorf("%s sets a cookie: %q", path, got)
		}
	}
	for _, p := range []string{"/signin", "/signout", "/theme"} {
		s.Post(p, url.Values{"email": {"x"}, "password": {"x"}})
		if got := s.Cookie(sessionCookie); got != "" {
			t.Errorf("POST %s gives a stranger the session %q", p, got)
		}
	}
}

func TestSignInRenewsTheSession(t *testing.T) {
	s := signedIn(t)
	first := s.Cookie(sessionCookie)
	planted := s.Another() // somebody plants a session in another browser …
	planted.SetCookie(sessionCookie, first)
	planted.Post("/signin", url.Values{"email": {"alice@example.net"}, "password": {alicePassword}}).
		WantStatus(http.StatusSeeOther)
	second := planted.Cookie(sessionCookie)
	if second == first || second == "" {
		t.Fatalf("session after sign-in = %q, before %q: want another", second, first)
	}
	if p := s.Get("/accounts/alice/services"); p.Status == http.StatusOK { // … and tries to use it
		t.Error("the session from before the sign-in still works")
	}
	unknown, _ := token.New()
	guess := s.Another()
	guess.SetCookie(sessionCookie, unknown)
	guess.Post("/signin", url.Values{"email": {"alice@example.net"}, "password": {alicePassword}})
	if guess.Cookie(sessionCookie) == unknown {
		t.Error("sign-in takes over an id that the browser came with")
	}
}

func TestCookiesThatAreNoSession(t *testing.T) {
	s := newSite(t)
	for _, value := range []string{"x", strings.Repeat("A", 43), strings.Repeat("A", 4000), "../../x", "%00"} {
		s.SetCookie(sessionCookie, value)
		if p := s.Get("/accounts/alice/services"); p.Status != http.StatusSeeOther {
			t.Errorf("cookie %.50q: status %d, want 303", value, p.Status)
		}
	}
}

func TestSignOut(t *testing.T) {
	s := signedIn(t)
	stolen := s.Cookie(sessionCookie)
	p := s.Get("/accounts/alice/services")
	p = p.Form("header form[action='/signout']").Submit().Follow()
	p.WantStatus(http.StatusOK).WantSound().WantText("[role=status]", "signed out")
	if s.Cookie(sessionCookie) != "" {
		t.Error("the browser still has the cookie")
	}
	s.SetCookie(sessionCookie, stolen)
	if p := s.Get("/accounts/alice/services"); p.Status != http.StatusSeeOther {
		t.Errorf("the session works after sign-out: status %d", p.Status)
	}
}

func TestRevokedSession(t *testing.T) {
	s := signedIn(t)
	s.Get("/accounts/alice/services").WantStatus(http.StatusOK)
	if err := s.store.DeleteSessionsOf(t.Context(), s.alice.ID); err != nil {
		t.Fatal(err)
	}
	if p := s.Get("/accounts/alice/services"); p.Status != http.StatusSeeOther {
		t.Errorf("status %d after the session was revoked, want 303", p.Status)
	}
}

func TestSessionsExpire(t *testing.T) {
	t.Run("unused", func(t *testing.T) {
		s := signedIn(t)
		s.clock.pass(idleLife - time.Minute)
		s.Get("/accounts/alice/services").WantStatus(http.StatusOK)
		s.clock.pass(idleLife - time.Minute)
		s.Get("/accounts/alice/services").WantStatus(http.StatusOK)
		s.clock.pass(idleLife + time.Minute)
		s.Get("/accounts/alice/services").WantStatus(http.StatusSeeOther)
	})
	t.Run("used every day", func(t *testing.T) {
		s := signedIn(t)
		for range 29 {
			s.clock.pass(24 * time.Hour)
			s.Get("/accounts/alice/services").WantStatus(http.StatusOK)
		}
		s.clock.pass(25 * time.Hour)
		s.Get("/accounts/alice/services").WantStatus(http.StatusSeeOther)
	})
}

func TestUseOfASessionIsWrittenOnceAMinute(t *testing.T) {
	s := signedIn(t)
	seen := func() time.Time {
		row, err := s.store.Session(context.Background(), token.Hash(s.Cookie(sessionCookie)), s.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return row.LastSeenAt
	}
	first := seen()
	s.clock.pass(touchEvery - time.Second)
	s.Get("/accounts/alice/services")
	if got := seen(); !got.Equal(first) {
		t.Errorf("seen at %v after less than a minute, want still %v", got, first)
	}
	s.clock.pass(2 * time.Second)
	s.Get("/accounts/alice/services")
	if got := seen(); !got.Equal(s.clock.Now()) {
		t.Errorf("seen at %v, want %v", got, s.clock.Now())
	}
}

// A session holds an id, never a right: what a person may open is looked up with every request.
func TestRightsAreLookedUp(t *testing.T) {
	s := signedIn(t)
	s.Get("/accounts/bob/services").WantStatus(http.StatusNotFound)
	if err := s.store.Grant(t.Context(), s.alice.ID, s.other.ID); err != nil {
		t.Fatal(err)
	}
	s.Get("/accounts/bob/services").WantStatus(http.StatusOK)
}

func TestNothingSecretIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := newLoggedSite(t, &log)
	secret := s.newLink(s.bob, time.Hour)
	s.Get("/welcome/" + secret).WantStatus(http.StatusOK)
	s.Post("/welcome/"+secret, url.Values{"password": {"a new password"}, "again": {"a new password"}})
	s.Another().Post("/signin", url.Values{"email": {"alice@example.net"}, "password": {"a wrong password"}})
	cookie := s.Cookie(sessionCookie)
	if cookie == "" {
		t.Fatal("bob is not signed in")
	}
	for _, word := range []string{secret, cookie, "a new password", "a wrong password"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("the log holds %q:\n%s", word, log.String())
		}
	}
	if !strings.Contains(log.String(), "/welcome/:token") {
		t.Errorf("no line about the sign-in link:\n%s", log.String())
	}
}

func TestBodies(t *testing.T) {
	s := signedIn(t)
	send := func(kind string, body string) int {
		r := s.Request(http.MethodPost, "/accounts/alice/services", strings.NewReader(body))
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		return s.Do(r).Status
	}
	const urlencoded, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	tests := []struct {
		name, kind, body string
		want             int
	}{
		{"no type", "", "name=x", 415},
		{"JSON", "application/json", `{"name":"x"}`, 415},
		{"damaged type", "application/x-www-form-urlencoded; =", "name=x", 415},
		{"empty", urlencoded, "", 422},
		{"bad escapes", urlencoded, "name=%zz", 400},
		{"semicolons", urlencoded, "name=a;command=b", 400},
		{"field twice", urlencoded, "name=a&name=b&command=c", 400},
		{"many fields", urlencoded, manyFields(200), 400},
		{"very many fields", urlencoded, manyFields(20_000), 400},
		{"NUL", urlencoded, "name=a&command=a%00b", 422},
		{"not UTF-8", urlencoded, "name=a&command=%ff%fe", 422},
		{"not UTF-8 in a name of a field", urlencoded, "%ff=a", 422},
		{"parts", parts, part("name", "x") + part("command", "a") + "--b--\r\n", 303},
		{"parts without an end", parts, part("name", "x"), 400},
		{"parts without a boundary", "multipart/form-data", part("name", "x"), 400},
		{"damaged parts", parts, "--b\r\nContent-Disposition: form-data\r\n\r\n", 400},
		{"file", parts, "--b\r\nContent-Disposition: form-data; name=\"name\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n", 400},
		{"two MiB", urlencoded, "command=" + strings.Repeat("a", 2<<20), 413},
		{"two MiB in parts", parts, part("command", strings.Repeat("a", 2<<20)) + "--b--\r\n", 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := send(tt.kind, tt.body); got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
		})
	}
	if got := servicesOf(t, s); !slices.Equal(got, []string{"web v1", "x v1"}) {
		t.Errorf("services = %q", got)
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&f%d=x", i)
	}
	return b.String()
}

func part(name, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

func TestTooLargeBodyGetsAPage(t *testing.T) {
	s := signedIn(t)
	p := s.Post("/accounts/alice/services", url.Values{"command": {strings.Repeat("a", 5<<20)}})
	p.WantStatus(http.StatusRequestEntityTooLarge).WantSound().WantText("main", "larger than the panel accepts")
	r := s.PostRequest("/accounts/alice/services", nil)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("command="+strings.Repeat("a", 5<<20))), -1
	s.Do(r).WantStatus(http.StatusRequestEntityTooLarge)
	s.Another().Post("/signin", url.Values{"email": {strings.Repeat("a", 100<<10)}}).
		WantStatus(http.StatusRequestEntityTooLarge)
}
