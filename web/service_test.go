package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"upkeep/internal/htmltest"
	"upkeep/internal/panel"
)

const webPath = "/accounts/alice/services/web"

func TestServicePage(t *testing.T) {
	s := signedIn(t)
	s.run(s.web, 4242)
	s.engine.processes = []panel.Process{{PID: 4242, Service: s.web.ID, Main: true, Command: "python3 app.py"}}
	s.engine.output[s.web.ID] = strings.Repeat("old line\n", 30) + "ready\n"
	p := s.Get(webPath).WantStatus(http.StatusOK).WantSound()
	p.WantText("h1", "web")
	if got := p.Attr("[data-service][data-state]", "data-state"); got != "running" {
		t.Errorf("data-state = %q", got)
	}
	if got := p.Attr("[data-pid]", "data-pid"); got != "4242" {
		t.Errorf("data-pid = %q", got)
	}
	if got := p.Doc.Find("[data-pos]").Length(); got != linesShown {
		t.Errorf("%d lines of the log, want %d", got, linesShown)
	}
	p.WantText("[data-pos]", "ready")
	if got := p.Attr("body", "data-events"); got != "/accounts/alice/events?topics=service%3Aweb" {
		t.Errorf("events = %q", got)
	}
	if !strings.HasPrefix(p.Title(), "web – Services") {
		t.Errorf("title = %q", p.Title())
	}
}

func TestServicePageSaysWhatIsLimited(t *testing.T) {
	s := signedIn(t)
	s.Get(webPath).WantStatus(http.StatusOK).WantText("#limits", "The account 2.0 GB of memory. Kept by control groups (v1).")
}

func TestServicePageWhileTheEngineKnowsNothing(t *testing.T) {
	s := signedIn(t)
	delete(s.engine.statuses, s.web.ID)
	p := s.Get(webPath).WantStatus(http.StatusOK).WantSound()
	if got := p.Attr("[data-service][data-state]", "data-state"); got != "unknown" {
		t.Errorf("data-state = %q, want unknown", got)
	}
}

// press finds the form of an action on the service's page and submits it.
func press(s *site, action string) *htmltest.Page {
	s.t.Helper()
	return s.Post(webPath+"/"+action, url.Values{})
}

func TestActions(t *testing.T) {
	exit := &panel.Exit{Kind: panel.EndExited, Code: 3, Uptime: 100 * time.Millisecond}
	tests := []struct {
		action, call string
		status       panel.Status
		outcome      panel.RestartOutcome
		kind, text   string
	}{
		{action: "pause", call: "pause web", status: panel.Status{State: panel.Paused}, kind: "ok", text: "Paused web."},
		{action: "pause", call: "pause web", status: panel.Status{State: panel.Stopping}, kind: "ok", text: "Pausing web."},
		{action: "resume", call: "resume web", status: panel.Status{State: panel.Running}, kind: "ok", text: "Resumed web."},
		{action: "resume", call: "resume web", status: panel.Status{State: panel.Backoff, LastExit: exit}, kind: "bad",
			text: "exit status 3"},
		{action: "start", call: "start web", status: panel.Status{State: panel.Disabled, LastExit: exit}, kind: "bad",
			text: "It ended again at once: exit status 3"},
		{action: "start", call: "start web", status: panel.Status{State: panel.Starting}, kind: "ok", text: "Started web"},
		{action: "restart", call: "restart hard=false web", kind: "ok", text: "PID 43 replaced 42",
			outcome: panel.RestartOutcome{Result: panel.Replaced, OldPID: 42, PID: 43, After: time.Second}},
		{action: "restart", call: "restart hard=false web", kind: "info", text: "still the same process (PID 42)",
			outcome: panel.RestartOutcome{Result: panel.Reloaded, OldPID: 42, PID: 42}},
		{action: "restart", call: "restart hard=false web", kind: "bad", text: "exit status 3",
			outcome: panel.RestartOutcome{Result: panel.Failed, OldPID: 42, Exit: exit}},
		{action: "restart", call: "restart hard=false web", kind: "ok", text: "Started",
			outcome: panel.RestartOutcome{Result: panel.Started, PID: 43}},
		{action: "restart", call: "restart hard=false web", kind: "warn", text: "another request",
			outcome: panel.RestartOutcome{Result: panel.Superseded}},
		{action: "restart-hard", call: "restart hard=true web", kind: "ok", text: "PID 43",
			outcome: panel.RestartOutcome{Result: panel.Replaced, Hard: true, OldPID: 42, PID: 43}},
	}
	for _, tt := range tests {
		t.Run(tt.action+" "+tt.text, func(t *testing.T) {
			s := signedIn(t)
			s.engine.set(s.web.ID, tt.status)
			s.engine.outcome = tt.outcome
			s.engine.output[s.web.ID] = "it broke\n"
			p := press(s, tt.action).WantStatus(http.StatusSeeOther)
			if p.Redirect != webPath {
				t.Errorf("leads to %q, want %q", p.Redirect, webPath)
			}
			if got := s.engine.called(); !slices.Equal(got, []string{tt.call}) {
				t.Errorf("calls = %q, want %q", got, tt.call)
			}
			p = p.Follow().WantStatus(http.StatusOK).WantSound().WantText("#flash", tt.text)
			if !p.Has("#flash ." + tt.kind) {
				t.Errorf("the message is not of the kind %q", tt.kind)
			}
			if tt.outcome.Result == panel.Failed {
				p.WantText("#flash", "it broke")
			}
			if tt.outcome.Result == panel.Reloaded && !p.Has("#flash form[action='"+webPath+"/restart-hard']") {
				t.Error("restart harder is not offered")
			}
			if again := s.Get(webPath).Text("#flash"); again != "" {
				t.Errorf("the message comes again: %q", again)
			}
		})
	}
}

func TestActionsThatDoNotFit(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		code int
		text string
	}{
		{"paused meanwhile", fmt.Errorf("restart: %w", panel.ErrConflict), 303, "does not fit the state"},
		{"restart under way", fmt.Errorf("restart: %w", panel.ErrBusy), 303, "already under way"},
		{"takes too long", fmt.Errorf("restart: %w", context.DeadlineExceeded), 303, "takes longer"},
		{"deleted meanwhile", fmt.Errorf("restart: %w", panel.ErrNotFound), 404, ""},
		{"not allowed", fmt.Errorf("restart: %w", panel.ErrForbidden), 403, ""},
		{"fault of ours", fmt.Errorf("secret detail"), 500, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := signedIn(t)
			s.engine.fail = tt.err
			p := press(s, "restart").WantStatus(tt.code)
			if tt.code != http.StatusSeeOther {
				if strings.Contains(p.Body, "secret detail") {
					t.Error("the page holds the error's own words")
				}
				p.WantSound()
				return
			}
			p.Follow().WantStatus(http.StatusOK).WantSound().WantText("#flash", tt.text)
		})
	}
}

func TestActionsComeBackToTheList(t *testing.T) {
	s := signedIn(t)
	for from, want := range map[string]string{
		s.URL("/accounts/alice/services?state=paused&page=2"): "/accounts/alice/services?state=paused&page=2",
		s.URL(webPath): webPath,
		s.URL("/accounts/alice/services/web/logs"):     webPath,
		"https://evil.example/accounts/alice/services": webPath,
		s.URL("//accounts/alice/services"):             webPath,
		"%zz":                                          webPath,
		"":                                             webPath,
	} {
		r := s.PostRequest(webPath+"/pause", nil)
		r.Header.Set("Referer", from)
		if p := s.Do(r).WantStatus(http.StatusSeeOther); p.Redirect != want {
			t.Errorf("from %q: leads to %q, want %q", from, p.Redirect, want)
		}
	}
}

func TestDelete(t *testing.T) {
	s := signedIn(t)
	form := func() *htmltest.Form {
		p := s.Get(webPath + "/delete").WantStatus(http.StatusOK).WantSound()
		p.WantText("main", "~/admin/logs/services/web.log")
		return p.Form("form[action='" + webPath + "/delete']")
	}
	for _, typed := range []string{"", "we", "Web", "web\x00", "secret", strings.Repeat("web", 1000)} {
		if p := form().Set("confirm", typed).Submit(); p.Status != 422 && p.Status != 400 {
			t.Errorf("typed %.20q: status %d", typed, p.Status)
		}
	}
	if calls := s.engine.called(); len(calls) > 0 {
		t.Fatalf("did %q without the name being typed", calls)
	}
	p := form().Set("confirm", " web ").Submit()
	if p.Redirect != "/accounts/alice/services" {
		t.Errorf("leads to %q", p.Redirect)
	}
	p.Follow().WantSound().WantText("#flash", "Deleted web").WantText("#flash", "~/admin/logs/services/web.log")
	s.Get(webPath).WantStatus(http.StatusNotFound)
}

func TestLogs(t *testing.T) {
	s := signedIn(t)
	empty := s.Get(webPath + "/logs").WantStatus(http.StatusOK).WantSound()
	empty.WantText("main", "~/admin/logs/services/web.log")
	if p := s.Get(webPath + "/logs.txt").WantStatus(http.StatusOK); p.Body != "" {
		t.Errorf("download before the first line = %q", p.Body)
	}
	text := strings.Repeat("line\n", 700) + "\x1b[31m<b>last</b>\x00\xff\n"
	s.engine.output[s.web.ID] = text
	p := s.Get(webPath + "/logs").WantStatus(http.StatusOK).WantSound()
	if got := p.Doc.Find("[data-pos]").Length(); got != linesPerPage {
		t.Errorf("%d lines, want %d", got, linesPerPage)
	}
	if p.Has("[data-pos] b") {
		t.Error("the output became markup")
	}
	p = s.Get(webPath + "/logs.txt").WantStatus(http.StatusOK)
	if p.Body != text {
		t.Errorf("download has %d bytes, want the %d as they are", len(p.Body), len(text))
	}
	for name, want := range map[string]string{
		"Content-Type":           "text/plain; charset=utf-8",
		"Content-Disposition":    `attachment; filename="web.log"`,
		"X-Content-Type-Options": "nosniff",
	} {
		if got := p.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestReadLogQuery(t *testing.T) {
	newest := panel.LogQuery{Lines: linesPerPage}
	for query, want := range map[string]panel.LogQuery{
		"":                              newest,
		"before=100":                    {Lines: linesPerPage, Before: 100},
		"after=100":                     {Lines: linesPerPage, After: 100, HasAfter: true},
		"after=0":                       {Lines: linesPerPage, HasAfter: true},
		"before=100&after=5":            {Lines: linesPerPage, Before: 100},
		"before=0":                      newest,
		"before=-1":                     newest,
		"after=-1":                      newest,
		"before=x":                      newest,
		"after=99999999999999999999999": newest,
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := readLogQuery(q); got != want {
			t.Errorf("%q: %+v, want %+v", query, got, want)
		}
	}
}

func TestProcesses(t *testing.T) {
	s := signedIn(t)
	s.engine.processes = []panel.Process{
		{PID: 50, Parent: 1, StartTime: 7, Service: s.web.ID, Main: true, Command: "main", StartedAt: s.clock.Now()},
		{PID: 51, Parent: 50, StartTime: 8, Service: s.web.ID, Command: "<i>child</i>", StartedAt: s.clock.Now()},
		{PID: 66, Parent: 1, StartTime: 9, Service: s.secret.ID, Main: true, Command: "bob's"},
	}
	const path = "/accounts/alice/processes/services"
	p := s.Get(path).WantStatus(http.StatusOK).WantSound()
	if p.Doc.Find("tr[data-pid]").Length() != 2 || !p.Has("tr[data-pid='51'][data-service=web]") {
		t.Errorf("rows:\n%s", p.Text("table"))
	}
	if p.Has("td i") {
		t.Error("a command line became markup")
	}
	if strings.Contains(p.Body, "bob") {
		t.Error("alice sees bob's processes")
	}
	filtered := s.Get(path + "?text=child").WantSound()
	if got := filtered.Attr("body", "data-events"); got != "/accounts/alice/events?text=child&topics=processes" {
		t.Errorf("events = %q", got)
	}
	end := filtered.Form("tr[data-pid='51'] form[action='" + path + "/end']").Press("button[value=KILL]")
	if end.Redirect != path+"?text=child" {
		t.Errorf("leads to %q", end.Redirect)
	}
	end.Follow().WantText("#flash", "SIGKILL was sent to process 51 of web")
	p.Form("tr[data-pid='50'] form[action='" + path + "/end']").Press("button[value=TERM]").WantStatus(http.StatusSeeOther)
	if got := s.engine.called(); !slices.Equal(got, []string{"end 51 8 kill=true", "end 50 7 kill=false"}) {
		t.Errorf("calls = %q", got)
	}
}

func TestEndingProcessesRefusesNonsense(t *testing.T) {
	s := signedIn(t)
	for _, typed := range []string{
		"", "pid=1", "pid=1&start=2", "pid=x&start=2&signal=TERM", "pid=-1&start=2&signal=TERM",
		"pid=0&start=2&signal=TERM", "pid=1&start=-2&signal=TERM", "pid=1&start=x&signal=TERM",
		"pid=1&start=2&signal=STOP", "pid=1&start=2&signal=", "pid=99999999999999999999&start=2&signal=TERM",
	} {
		values, err := url.ParseQuery(typed)
		if err != nil {
			t.Fatal(err)
		}
		s.Post("/accounts/alice/processes/services/end", values).WantStatus(http.StatusBadRequest)
	}
	if calls := s.engine.called(); len(calls) > 0 {
		t.Errorf("did %q", calls)
	}
	s.engine.fail = panel.ErrGone
	p := s.Post("/accounts/alice/processes/services/end", url.Values{"pid": {"5"}, "start": {"6"}, "signal": {"TERM"}})
	p.Follow().WantText("#flash", "ended already")
	s.engine.fail = panel.ErrNotFound
	s.Post("/accounts/alice/processes/services/end", url.Values{"pid": {"5"}, "start": {"6"}, "signal": {"TERM"}}).
		WantStatus(http.StatusNotFound)
}
