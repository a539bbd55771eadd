package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"upkeep/internal/htmltest"
	"upkeep/internal/panel"
)

const servicesURL = "/accounts/alice/services"

func newForm(s *site) *htmltest.Form {
	s.t.Helper()
	return s.Get(servicesURL + "/new").WantStatus(http.StatusOK).WantSound().Form("main form[action='" + servicesURL + "']")
}

func TestCreate(t *testing.T) {
	s := signedIn(t)
	s.Get(servicesURL+"/new").WantText("main", "8317")
	p := newForm(s).Set("name", "chat").Set("command", "node server.js").Set("directory", "app").
		Set("environment", "A=1\r\nB=2").Set("port", " 8301 ").Set("annotation", "for the team").
		Check("paused", true).Submit()
	if p.Redirect != servicesURL+"/chat" {
		t.Fatalf("status %d, leads to %q\n%s", p.Status, p.Redirect, p.Text("main"))
	}
	p.Follow().WantStatus(http.StatusOK).WantText("#flash", "Created chat")
	svc, err := s.store.Service(t.Context(), s.own.ID, "chat")
	if err != nil {
		t.Fatal(err)
	}
	want := panel.Definition{
		Name: "chat", Command: "node server.js", Directory: "app", Environment: "A=1\nB=2", Port: 8301,
		Annotation: "for the team",
	}
	if svc.Definition != want || svc.Wanted != panel.WantedPaused {
		t.Errorf("stored %+v %s, want %+v paused", svc.Definition, svc.Wanted, want)
	}
	if got := s.engine.called(); !slices.Equal(got, []string{"create chat paused=true by alice@example.net"}) {
		t.Errorf("calls = %q", got)
	}
}

// typedIn are the values that a form shows.
func typedIn(p *htmltest.Page, action string) url.Values {
	return p.Form("main form[action='" + action + "']").Values
}

func TestWhatIsWrongComesBackWithWhatWasTyped(t *testing.T) {
	s := signedIn(t)
	s.newServiceOf(s.own, panel.Definition{Name: "taken", Command: "x", Port: 8400})
	tests := []struct {
		name, field, value string
	}{
		{"no name", "name", ""},
		{"bad name", "name", "Web Site"},
		{"traversal", "name", "../web"},
		{"long name", "name", strings.Repeat("w", 64)},
		{"taken name", "name", "taken"},
		{"no command", "command", ""},
		{"port below", "port", "8299"},
		{"port above", "port", "8500"},
		{"port zero", "port", "0"},
		{"negative port", "port", "-1"},
		{"port that is no number", "port", "80 80"},
		{"port with a fraction", "port", "8300.0"},
		{"huge port", "port", "99999999999999999999999"},
		{"taken port", "port", "8400"},
		{"NUL in the command", "command", "a\x00b"},
		{"NUL in the environment", "environment", "A=\x00"},
		{"NUL in the note", "annotation", "\x00"},
		{"not UTF-8", "directory", "\xff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := servicesOf(t, s)
			values := url.Values{
				"name": {"fine"}, "command": {"./fine --x"}, "directory": {"dir"}, "environment": {"A=<1>\nB=\"2\""},
				"port": {"8333"}, "annotation": {"a & b"}, "paused": {"1"},
			}
			values.Set(tt.field, tt.value)
			p := s.Post(servicesURL, values).WantStatus(http.StatusUnprocessableEntity).WantSound()
			if !strings.HasPrefix(p.Title(), "Error:") {
				t.Errorf("title = %q", p.Title())
			}
			if p.Attr("[name="+tt.field+"]", "aria-invalid") != "true" {
				t.Errorf("the field %s is not marked", tt.field)
			}
			got := typedIn(p, servicesURL)
			for name := range values {
				want := values.Get(name)
				if strings.Contains(want, "\x00") || strings.Contains(want, "\xff") {
					continue
				}
				if got.Get(name) != want {
					t.Errorf("%s: the form shows %q, typed was %q", name, got.Get(name), want)
				}
			}
			if after := servicesOf(t, s); !slices.Equal(before, after) {
				t.Errorf("services before %q, after %q", before, after)
			}
		})
	}
}

func TestTwoMistakesAreShownTogether(t *testing.T) {
	s := signedIn(t)
	p := s.Post(servicesURL, url.Values{"name": {"Web Site"}, "command": {""}, "port": {"abc"}}).WantStatus(422)
	for _, field := range []string{"name", "command", "port"} {
		if p.Attr("[name="+field+"]", "aria-invalid") != "true" {
			t.Errorf("the field %s is not marked", field)
		}
	}
	p.WantText("main", "must be a number from 8300 to 8499")
}

func TestOversizedFields(t *testing.T) {
	s := signedIn(t)
	for field, size := range map[string]int{
		"command": 1 << 20, "environment": 1 << 20, "name": 100_000, "directory": 100_000, "annotation": 100_000, "port": 100_000,
	} {
		values := url.Values{"name": {"fine"}, "command": {"./fine"}}
		values.Set(field, strings.Repeat("a", size))
		p := s.Post(servicesURL, values).WantStatus(http.StatusUnprocessableEntity).WantSound()
		if len(p.Body) > 100<<10 {
			t.Errorf("%s: the page has %d bytes", field, len(p.Body))
		}
		p.WantText("main", "Only its beginning was kept")
	}
	// A command that is a little too long stays whole: somebody typed it.
	long := strings.Repeat("a", panel.MaxCommandBytes+1)
	p := s.Post(servicesURL, url.Values{"name": {"fine"}, "command": {long}}).WantStatus(422)
	if got := typedIn(p, servicesURL).Get("command"); got != long {
		t.Errorf("the form keeps %d of %d bytes", len(got), len(long))
	}
	if got := servicesOf(t, s); !slices.Equal(got, []string{"web v1"}) {
		t.Errorf("services = %q", got)
	}
}

func TestEdit(t *testing.T) {
	s := signedIn(t)
	s.run(s.web, 42)
	form := s.Get(webPath + "/edit").WantStatus(http.StatusOK).WantSound().Form("main form[action='" + webPath + "/edit']")
	if form.Values.Get("name") != "web" || form.Values.Get("command") != "python3 app.py" || form.Values.Get("version") != "1" {
		t.Errorf("the form holds %v", form.Values)
	}
	p := form.Set("command", "python3 other.py").Submit().Follow().WantSound()
	p.WantText("#flash", "Saved web.").WantText("#flash", "applies at the next restart")
	if !p.Has("#flash form[action='" + webPath + "/restart']") {
		t.Error("no restart is offered")
	}
	if got := servicesOf(t, s); !slices.Equal(got, []string{"web v2"}) {
		t.Errorf("services = %q", got)
	}
}

func TestEditAndRestart(t *testing.T) {
	s := signedIn(t)
	s.run(s.web, 42)
	s.engine.outcome = panel.RestartOutcome{Result: panel.Replaced, OldPID: 42, PID: 43}
	p := s.Get(webPath+"/edit").Form("main form[action='"+webPath+"/edit']").
		Set("name", "site").Press("button[value=restart]")
	if p.Redirect != servicesURL+"/site" {
		t.Errorf("leads to %q", p.Redirect)
	}
	p.Follow().WantText("#flash", "Saved. Restarted: PID 43 replaced 42")
	if got := s.engine.called(); !slices.Equal(got, []string{"edit web paused=false version=1", "restart hard=true site"}) {
		t.Errorf("calls = %q", got)
	}
}

func TestTwoPeopleEdit(t *testing.T) {
	s := signedIn(t)
	mine := s.Get(webPath + "/edit").Form("main form[action='" + webPath + "/edit']")
	theirs := s.Get(webPath + "/edit").Form("main form[action='" + webPath + "/edit']")
	theirs.Set("command", "./theirs").Submit().WantStatus(http.StatusSeeOther)
	p := mine.Set("command", "./mine").Submit().WantStatus(http.StatusConflict).WantSound()
	p.WantText("main", "changed by somebody else since you opened")
	if got := typedIn(p, webPath+"/edit").Get("command"); got != "./mine" {
		t.Errorf("the form shows %q", got)
	}
	svc, err := s.store.Service(t.Context(), s.own.ID, "web")
	if err != nil || svc.Command != "./theirs" {
		t.Errorf("stored %q, %v; want ./theirs", svc.Command, err)
	}
	p.Form("main form[action='" + webPath + "/edit']").Submit().WantStatus(http.StatusSeeOther)
	if svc, err = s.store.Service(t.Context(), s.own.ID, "web"); err != nil || svc.Command != "./mine" {
		t.Errorf("stored %q, %v; want ./mine after saving again", svc.Command, err)
	}
}

func TestEditKeepsTheNameInItsAddress(t *testing.T) {
	s := signedIn(t)
	p := s.Get(webPath+"/edit").Form("main form[action='"+webPath+"/edit']").Set("name", "Not Valid").Submit()
	p.WantStatus(http.StatusUnprocessableEntity).WantSound().WantText("h1", "web")
	if got := typedIn(p, webPath+"/edit").Get("name"); got != "Not Valid" {
		t.Errorf("the form shows the name %q", got)
	}
}

func TestEditWithoutAVersion(t *testing.T) {
	s := signedIn(t)
	s.Post(webPath+"/edit", url.Values{"name": {"web"}, "command": {"./x"}}).WantStatus(http.StatusSeeOther)
	s.Post(webPath+"/edit", url.Values{"name": {"web"}, "command": {"./y"}, "version": {"7"}}).WantStatus(http.StatusConflict)
	s.Post(webPath+"/edit", url.Values{"name": {"web"}, "command": {"./y"}, "version": {"-2"}}).WantStatus(http.StatusConflict)
}

// Markup in every field, through the whole chain and back onto every page.
func TestMarkupStaysText(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "`{{7*7}}"
	s := signedIn(t)
	p := newForm(s).Set("name", "evil").Set("command", "./evil "+evil).Set("directory", evil).
		Set("environment", "A="+evil).Set("annotation", evil).Submit().WantStatus(http.StatusSeeOther)
	svc, err := s.store.Service(t.Context(), s.own.ID, "evil")
	if err != nil {
		t.Fatal(err)
	}
	s.run(svc, 77)
	s.engine.output[svc.ID] = evil + "\n"
	s.engine.processes = []panel.Process{{PID: 77, Service: svc.ID, Main: true, Command: evil, State: evil}}
	s.engine.ports[svc.ID] = panel.PortUse{State: panel.PortListening, Name: evil, Address: evil}
	s.engine.warnings = []panel.Finding{{ID: "D01", Field: "command", Text: evil, Fix: evil}}
	s.engine.outcome = panel.RestartOutcome{Result: panel.Failed, Exit: &panel.Exit{Kind: panel.EndNotRun, Detail: evil}}
	pages := []*htmltest.Page{
		p.Follow(),
		s.Get(servicesURL), s.Get(servicesURL + "?text=" + url.QueryEscape(evil)),
		s.Get(servicesURL + "/evil"), s.Get(servicesURL + "/evil/edit"), s.Get(servicesURL + "/evil/logs"),
		s.Get(servicesURL + "/evil/delete"),
		s.Get("/accounts/alice/processes/services"),
		s.Get("/accounts/alice/processes/services?text=" + url.QueryEscape(evil)),
		s.Post(servicesURL+"/evil/restart", nil).Follow(),
		s.Post(servicesURL+"/evil/delete", url.Values{"confirm": {evil}}),
		s.Post(servicesURL, url.Values{
			"name": {evil}, "command": {evil}, "directory": {evil}, "environment": {evil}, "port": {evil}, "annotation": {evil},
		}),
		s.Get("/nothing" + url.PathEscape(evil)), s.Get("/signin?next=/" + url.QueryEscape(evil)),
		s.Another().Post("/signin", url.Values{"email": {evil}, "password": {evil}, "next": {"/" + evil}}),
		s.Another().Get("/welcome/" + url.PathEscape(evil)),
	}
	seen := 0
	for _, p := range pages {
		if p.Redirect != "" {
			p = p.Follow()
		}
		p.WantSound()
		if p.Has("script:not([src])") || p.Has("img[onerror]") || p.Has("img[src=x]") {
			t.Errorf("markup came through on %q", p.Title())
		}
		if strings.Contains(p.Doc.Text(), "alert(1)") || strings.Contains(p.Body, "alert(1)") {
			seen++
		}
	}
	if seen < 10 {
		t.Errorf("only %d pages show the text at all, so little was tested", seen)
	}
}
