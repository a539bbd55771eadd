package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// allRoutes is the table as the router knows it, with every parameter filled in.
func allRoutes(t *testing.T, s *site) []*echo.Route {
	t.Helper()
	e := echo.New()
	newRoutes(t.Context(), Config{
		Store: s.store, Control: s.engine, Status: s.engine, Observe: s.engine, Logs: s.engine,
		Domain: "example.net", Logger: s.server.log, Clock: s.clock.Now,
	}).register(e)
	var routes []*echo.Route
	for _, r := range e.Routes() {
		if r.Method == echo.RouteNotFound {
			continue
		}
		r.Path = strings.NewReplacer(":account", "alice", ":name", "web", ":token", "none", "*", "app.css").Replace(r.Path)
		routes = append(routes, r)
	}
	return routes
}

// open are the paths that a stranger may see, with the status they get.
var open = map[string]int{
	"GET /livez": 200, "GET /readyz": 200, "GET /healthz": 200, "GET /robots.txt": 200,
	"GET /static/app.css": 200, "GET /.well-known/change-password": 303,
	"GET /signin": 200, "POST /signin": 422, "POST /signout": 303, "POST /theme": 303,
	"GET /welcome/none": 410, "POST /welcome/none": 410,
}

func TestStrangersAreAskedToSignIn(t *testing.T) {
	s := newSite(t)
	routes := allRoutes(t, s)
	if len(routes) < 25 {
		t.Fatalf("%d routes, so the table is not read", len(routes))
	}
	for _, r := range routes {
		t.Run(r.Method+" "+r.Path, func(t *testing.T) {
			var p = s.Do(s.Request(r.Method, r.Path, nil))
			if r.Method == http.MethodPost {
				p = s.Post(r.Path, url.Values{})
			}
			if want, ok := open[r.Method+" "+r.Path]; ok {
				if p.Status != want {
					t.Errorf("status %d, want %d", p.Status, want)
				}
				return
			}
			if strings.HasSuffix(r.Path, "/events") {
				if p.Status != http.StatusUnauthorized {
					t.Errorf("status %d, want 401", p.Status)
				}
				return
			}
			if p.Status != http.StatusSeeOther || !strings.HasPrefix(p.Redirect, "/signin") {
				t.Errorf("status %d to %q, want 303 to /signin", p.Status, p.Redirect)
			}
			if len(p.Body) > 0 {
				t.Errorf("the answer has a body: %q", p.Body)
			}
		})
	}
	if calls := s.engine.called(); len(calls) > 0 {
		t.Errorf("strangers did %q", calls)
	}
}

func TestStrangersLearnNothingFromUnknownPaths(t *testing.T) {
	s := newSite(t)
	known := s.Get("/accounts/alice/services/web")
	for _, path := range []string{
		"/nothing", "/accounts/nobody", "/accounts/nobody/services", "/accounts/alice/services/nothing",
		"/accounts/alice/services/web/restart", "/accounts/ALICE/x", "/signin/x", "/.env",
	} {
		p := s.Get(path)
		if p.Status != known.Status || p.Redirect != signInPath(path) || p.Body != known.Body {
			t.Errorf("GET %s: %d %q, want the same as for a page that exists", path, p.Status, p.Redirect)
		}
		if p := s.Post(path, nil); p.Status != http.StatusSeeOther || p.Redirect != "/signin" {
			t.Errorf("POST %s: %d %q, want 303 to /signin", path, p.Status, p.Redirect)
		}
	}
}

func TestSignInLeadsBack(t *testing.T) {
	s := newSite(t)
	p := s.Get("/accounts/alice/services?state=paused")
	p = s.Get(p.Redirect).Form("form[action='/signin']").
		Set("email", "alice@example.net").Set("password", alicePassword).Submit()
	if want := "/accounts/alice/services?state=paused"; p.Redirect != want {
		t.Errorf("redirect to %q, want %q", p.Redirect, want)
	}
}

// Somebody else's account and one that does not exist must not be told apart, on any path.
func TestOtherAccountsDoNotExist(t *testing.T) {
	s := signedIn(t)
	for _, r := range allRoutes(t, s) {
		if !strings.HasPrefix(r.Path, "/accounts/alice") {
			continue
		}
		t.Run(r.Method+" "+r.Path, func(t *testing.T) {
			visit := func(account string) (int, string) {
				path := strings.Replace(r.Path, "alice", account, 1)
				r := s.PostRequest(path, url.Values{"name": {"x"}, "command": {"x"}})
				if !strings.HasPrefix(t.Name(), "TestOtherAccountsDoNotExist/POST") {
					r = s.Request(http.MethodGet, path, nil)
				}
				p := s.Do(r)
				return p.Status, strings.ReplaceAll(p.Body, path, "PATH")
			}
			code, theirs := visit("bob")
			wantCode, nobodys := visit("nob")
			if code != http.StatusNotFound || wantCode != code {
				t.Errorf("status %d for bob's account, %d for one that does not exist; want 404", code, wantCode)
			}
			if theirs != nobodys {
				t.Errorf("the answers differ:\n%s\n%s", theirs, nobodys)
			}
			if strings.Contains(theirs, "bob") {
				t.Errorf("the answer names the account:\n%s", theirs)
			}
		})
	}
	if calls := s.engine.called(); len(calls) > 0 {
		t.Errorf("alice did %q in bob's account", calls)
	}
}

func TestUnknownServices(t *testing.T) {
	s := signedIn(t)
	for _, name := range []string{
		"secret", // bob's
		"nothing", "Web", "web%2f", "..%2fweb", "web%00", "-web", "web_", "%F0%9F%92%A9", strings.Repeat("w", 64),
		strings.Repeat("w", 5000), "1", "web'--",
	} {
		for _, r := range allRoutes(t, s) {
			if !strings.Contains(r.Path, "/services/web") {
				continue
			}
			path := strings.Replace(r.Path, "/services/web", "/services/"+name, 1)
			p := s.Post(path, url.Values{"name": {"x"}, "command": {"x"}})
			if r.Method == http.MethodGet {
				p = s.Get(path)
			}
			if p.Status != http.StatusNotFound {
				t.Errorf("%s %.80s: status %d, want 404", r.Method, path, p.Status)
			}
		}
	}
	if calls := s.engine.called(); len(calls) > 0 {
		t.Errorf("did %q", calls)
	}
	if got := servicesOf(t, s); !slices.Equal(got, []string{"web v1"}) {
		t.Errorf("services = %q", got)
	}
}

func TestNotFoundPage(t *testing.T) {
	s := signedIn(t)
	s.Get("/nothing").WantStatus(http.StatusNotFound).WantSound().WantText("h1", "Not found")
	p := s.Get("/accounts/alice/services/nothing").WantStatus(http.StatusNotFound).WantSound()
	if !strings.HasPrefix(p.Title(), "Error:") {
		t.Errorf("title = %q, want it to begin with Error:", p.Title())
	}
	if !p.Has("a[href='/accounts/alice/services']") {
		t.Error("no way back to the services")
	}
	if p := s.Get("/accounts/alice/services/nothing/logs.txt"); !strings.HasPrefix(p.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("type of an error about a download = %q", p.Header.Get("Content-Type"))
	}
}

func TestProblemDocuments(t *testing.T) {
	s := newSite(t)
	ask := func() (int, string, string) {
		r := s.Request(http.MethodGet, "/accounts/alice/services/nothing", nil)
		r.Header.Set("Accept", "application/json")
		p := s.Do(r)
		return p.Status, p.Header.Get("Content-Type"), p.Body
	}
	if code, kind, _ := ask(); code != http.StatusUnauthorized || kind != "application/problem+json" {
		t.Errorf("stranger: %d %s", code, kind)
	}
	s.SignIn("alice@example.net", alicePassword)
	code, kind, body := ask()
	if code != http.StatusNotFound || kind != "application/problem+json" || !strings.Contains(body, `"status":404`) {
		t.Errorf("signed in: %d %s %s", code, kind, body)
	}
}

func TestHome(t *testing.T) {
	s := signedIn(t)
	if p := s.Get("/"); p.Redirect != "/accounts/alice/services" {
		t.Errorf("with one account / leads to %q", p.Redirect)
	}
	if err := s.store.Grant(t.Context(), s.alice.ID, s.other.ID); err != nil {
		t.Fatal(err)
	}
	p := s.Get("/").Follow().WantStatus(http.StatusOK).WantSound()
	for _, name := range []string{"alice", "bob"} {
		if !p.Has("main a[href='/accounts/" + name + "/services']") {
			t.Errorf("no link to the account %s", name)
		}
	}
	if p := s.Get("/accounts/bob"); p.Redirect != "/accounts/bob/services" {
		t.Errorf("/accounts/bob leads to %q", p.Redirect)
	}
}

func TestHealth(t *testing.T) {
	s := newSite(t)
	s.Get("/livez").WantStatus(http.StatusOK)
	if p := s.Get("/readyz?verbose"); p.Status != 200 || p.Body != "database: ok\nok\n" {
		t.Errorf("/readyz?verbose: %d %q", p.Status, p.Body)
	}
	p := s.Do(s.Request(http.MethodHead, "/healthz", nil)).WantStatus(http.StatusOK)
	if p.Body != "" {
		t.Errorf("HEAD has a body: %q", p.Body)
	}
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	s.Get("/livez").WantStatus(http.StatusOK)
	s.Get("/readyz").WantStatus(http.StatusServiceUnavailable)
}
