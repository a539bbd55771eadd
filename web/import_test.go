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

const importURL = servicesURL + "/import"

const sampleConf = `[supervisord]
nodaemon=true

[program:site]
command=node server.js
environment=PORT="8400",NODE_ENV="production"
priority=5

[program:worker]
command=php bin/worker "two words"
numprocs=2

[program:broken]
command=node 'unclosed
`

func look(s *site, text, format string) *htmltest.Page {
	s.t.Helper()
	return s.Get(importURL).WantStatus(http.StatusOK).WantSound().Form("main form").
		Set("text", text).Set("format", format).Press("button[value=look]")
}

func TestImportShowsBeforeItCreates(t *testing.T) {
	s := signedIn(t)
	p := look(s, sampleConf, "").WantStatus(http.StatusOK).WantSound()
	p.WantText("main", "This supervisord.conf asks for 4 services; 1 of them cannot be created.")
	p.WantText("[data-draft=site]", "line 4").WantText("[data-draft=site]", "Ignored line 7 priority=5")
	p.WantText("[data-draft=site]", "Used line 6 PORT=8400 becomes the declared port")
	p.WantText("[data-draft=broken]", "Not possible").WantText("[data-draft=broken]", "a quote is never closed")
	p.WantText(".import-rest", "[supervisord] is about supervisord itself.")
	if p.Has("[data-draft=broken] input") {
		t.Error("what is not possible can be chosen")
	}
	if got := servicesOf(t, s); !slices.Equal(got, []string{"web v1"}) {
		t.Errorf("services = %q", got)
	}
	form := p.Form("main form")
	if form.Values.Get("port-0") != "8400" || form.Values.Get("use-0") != "1" || form.Values.Get("text") != sampleConf {
		t.Errorf("the form holds %q", form.Values)
	}
	p = form.Check("use-2", false).Set("name-1", "mailer").Press("button[value=create]")
	if p.Redirect != servicesURL {
		t.Fatalf("status %d, leads to %q: %s", p.Status, p.Redirect, p.Text("main"))
	}
	p.Follow().WantSound().WantText("#flash", "2 services were created: site, mailer.")
	if calls := s.engine.called(); !slices.Equal(calls, []string{
		"create site paused=true by alice@example.net", "create mailer paused=true by alice@example.net"}) {
		t.Errorf("calls = %q", calls)
	}
	svc, err := s.store.Service(t.Context(), s.own.ID, "site")
	if err != nil {
		t.Fatal(err)
	}
	want := panel.Definition{Name: "site", Command: "node server.js", Environment: "NODE_ENV=production\n", Port: 8400}
	if svc.Definition != want || svc.Wanted != panel.WantedPaused {
		t.Errorf("stored %+v %s, want %+v paused", svc.Definition, svc.Wanted, want)
	}
}

// One that cannot be created keeps no other from it, and keeps what was typed.
func TestImportHasAResultForEachService(t *testing.T) {
	s := signedIn(t)
	p := look(s, "one: ./one\ntwo: ./two\n", "procfile").Form("main form").
		Set("name-0", "Not A Name").Set("port-1", "70").Set("port-0", "").Press("button[value=create]")
	p.WantStatus(http.StatusUnprocessableEntity).WantSound()
	p.WantText(".summary", "0 services were created, 2 could not be")
	if p.Attr("[name=name-0]", "aria-invalid") != "true" || p.Attr("[name=port-1]", "aria-invalid") != "true" {
		t.Error("the fields are not marked")
	}
	p = p.Form("main form").Set("port-1", "8301").Press("button[value=create]").WantStatus(http.StatusUnprocessableEntity).WantSound()
	p.WantText(".summary", "1 service was created, 1 could not be").WantText("[data-draft=two]", "Created")
	if !p.Has("[data-draft=two] a[href='" + servicesURL + "/two']") {
		t.Error("no link to what was created")
	}
	p.Form("main form").Set("name-0", "three").Press("button[value=create]").WantStatus(http.StatusSeeOther)
	if got := servicesOf(t, s); !slices.Equal(got, []string{"three v1", "two v1", "web v1"}) {
		t.Errorf("services = %q", got)
	}
}

func TestImportOfNothingChosen(t *testing.T) {
	s := signedIn(t)
	p := look(s, "one: ./one", "").Form("main form").Check("use-0", false).Press("button[value=create]")
	p.WantStatus(http.StatusUnprocessableEntity).WantText(".summary", "Choose at least one service")
}

// A .env does not say how the program is started, so the page asks.
func TestImportOfAnEnvironment(t *testing.T) {
	s := signedIn(t)
	form := look(s, "A=1\nB='x y'\n", "env").WantStatus(http.StatusOK).Form("main form")
	form.Press("button[value=create]").WantStatus(http.StatusUnprocessableEntity).WantText("[data-draft=app]", "empty")
	form.Set("command-0", "node x.js").Press("button[value=create]").WantStatus(http.StatusSeeOther)
	svc, err := s.store.Service(t.Context(), s.own.ID, "app")
	if err != nil || svc.Command != "node x.js" || svc.Environment != "A=1\nB='x y'\n" {
		t.Errorf("stored %+v, %v", svc.Definition, err)
	}
}

func TestMalformedFilesCreateNothing(t *testing.T) {
	s := signedIn(t)
	for _, tt := range []struct{ name, text, format, says string }{
		{"Procfile", "web: x\nnothing", "procfile", "Line 2:"},
		{"environment", "A=1\nB", "env", "Line 2:"},
		{"supervisord", "[program:x]\ncommand", "supervisord", "Line 2:"},
		{"systemd", "[Service\nExecStart=/x", "systemd", "Line 1:"},
		{"pm2", "{\n\"apps\": [\n}", "pm2", "Line 3:"},
		{"JSON", "{\n \"upkeep\": 1,,\n}", "json", "Line 2:"},
		{"NUL", "web: x\n\x00", "procfile", "Line 2:"},
		{"nothing", "  \n", "", "empty"},
		{"unknown kind", "hello", "", "cannot be told"},
		{"format that is none", "web: x", "docx", "cannot be told"},
		{"large", strings.Repeat("a", panel.MaxImportBytes+1), "procfile", "at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, then := range []string{"look", "create"} {
				p := s.Post(importURL, url.Values{"text": {tt.text}, "format": {tt.format}, "then": {then}, "use-0": {"1"}})
				p.WantStatus(http.StatusUnprocessableEntity).WantSound().WantText(".summary", tt.says)
				if !strings.HasPrefix(p.Title(), "Error:") {
					t.Errorf("title %q", p.Title())
				}
			}
		})
	}
	if calls := s.engine.called(); len(calls) > 0 {
		t.Errorf("did %q", calls)
	}
}

func TestUploads(t *testing.T) {
	s := signedIn(t)
	send := func(parts ...string) *htmltest.Page {
		r := s.Request(http.MethodPost, importURL, strings.NewReader(strings.Join(parts, "")+"--b--\r\n"))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		return s.Do(r)
	}
	file := func(field, name, content string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + field + "\"; filename=\"" + name + "\"\r\n\r\n" + content + "\r\n"
	}
	unit := "[Service]\nExecStart=/usr/bin/node server.js\n"
	send(part("text", ""), part("format", ""), file("file", "chat.service", unit)).WantStatus(http.StatusOK).
		WantSound().WantText("[data-draft=chat]", "/usr/bin/node server.js")
	send(part("text", "web: x"), file("file", "", "")).WantStatus(http.StatusOK).WantText("main", "This Procfile")
	send(file("file", "x", strings.Repeat("a", panel.MaxImportBytes+10))).WantStatus(422).WantText(".summary", "at most 262144")
	send(file("file", "x.json", "\x89PNG\x00")).WantStatus(422).WantText(".summary", "Line 1:")
	send(file("file", "../../x<b>.service", unit)).WantStatus(200).WantSound().WantText("[data-draft=x-b]", "x-b")
	send(file("other", "x", "x")).WantStatus(http.StatusBadRequest)
	send(file("file", "x", "x"), file("file", "y", "y")).WantStatus(http.StatusBadRequest)
	send(file("file", "x", strings.Repeat("a", 2<<20))).WantStatus(http.StatusRequestEntityTooLarge)
	send(part("text", "web: x"), part("directory", "\x00")).WantStatus(http.StatusBadRequest)
}

func TestMarkupInAFileStaysText(t *testing.T) {
	s := signedIn(t)
	const evil = `<script>alert(1)</script>`
	p := look(s, "[program:x"+evil+"]\ncommand=echo '"+evil+"'\n"+evil+"=1\n[x"+evil+"]\n", "supervisord").WantSound()
	if p.Has("main script") {
		t.Error("markup of the file is on the page")
	}
}

func TestExport(t *testing.T) {
	s := signedIn(t)
	s.newServiceOf(s.own, panel.Definition{Name: "shop", Command: "node 'a b.js'", Environment: "A='100% \"x\"'\n", Port: 8400, Directory: "shop"})
	page := s.Get(servicesURL + "/shop").WantSound()
	for format, file := range map[string]string{"systemd": "shop.service", "supervisord": "shop.conf", "json": "shop.json"} {
		link := servicesURL + "/shop/export?format=" + format
		if !page.Has("a[href='" + link + "']") {
			t.Errorf("no link to %s", link)
		}
		p := s.Get(link).WantStatus(http.StatusOK)
		if got := p.Header.Get("Content-Disposition"); got != `attachment; filename="`+file+`"` {
			t.Errorf("%s: %s", format, got)
		}
		if got := p.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
			t.Errorf("%s: type %s", format, got)
		}
		s.Post(importURL, url.Values{"text": {p.Body}}).WantStatus(http.StatusOK).
			WantText("[data-draft=shop]", "node 'a b.js'").WantText("[data-draft=shop]", "in ~/shop, 1 variable")
	}
	for _, format := range []string{"", "procfile", "x"} {
		s.Get(servicesURL + "/shop/export?format=" + format).WantStatus(http.StatusNotFound)
	}
	s.newServiceOf(s.own, panel.Definition{Name: "lines", Command: "first\nsecond"})
	p := s.Get(servicesURL + "/lines/export?format=supervisord").WantStatus(http.StatusUnprocessableEntity)
	if !strings.Contains(p.Body, "several lines") {
		t.Errorf("says %q", p.Body)
	}
}
