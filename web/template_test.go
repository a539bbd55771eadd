package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"upkeep/internal/catalogue"
)

func TestAddingBeginsWithAChoice(t *testing.T) {
	s := signedIn(t)
	p := s.Get(servicesURL + "/new").WantStatus(http.StatusOK).WantSound()
	for _, tpl := range catalogue.All() {
		if !p.Has("nav.starts a[href='" + servicesURL + "/new?template=" + tpl.ID + "']") {
			t.Errorf("no way to start from %s", tpl.ID)
		}
	}
	if !p.Has("nav.starts a[href='" + importURL + "']") {
		t.Error("no way to import a file")
	}
	if got := typedIn(p, servicesURL); got.Get("command") != "" || got.Get("port") != "" {
		t.Errorf("the form is filled already: %v", got)
	}
}

func TestTemplatesFillTheForm(t *testing.T) {
	s := signedIn(t)
	for _, tpl := range catalogue.All() {
		p := s.Get(servicesURL + "/new?template=" + tpl.ID).WantStatus(http.StatusOK).WantSound()
		got := typedIn(p, servicesURL)
		port := ""
		if tpl.Listens {
			port = "8317"
		}
		if got.Get("command") != tpl.Command || got.Get("directory") != tpl.Directory || got.Get("port") != port {
			t.Errorf("%s: the form holds %v", tpl.ID, got)
		}
		for _, sentence := range append(tpl.Sentences, tpl.Must...) {
			p.WantText("main .started", strings.Join(strings.Fields(sentence), " "))
		}
	}
	if p := s.Get(servicesURL + "/new?template=nothing").WantStatus(http.StatusOK); !p.Has("nav.starts") {
		t.Error("an unknown template offers no choice")
	}
}

// Each Redis gets a password of its own.
func TestTemplatesMakeSecrets(t *testing.T) {
	s := signedIn(t)
	seen := map[string]bool{}
	for range 3 {
		env := typedIn(s.Get(servicesURL+"/new?template=redis"), servicesURL).Get("environment")
		_, password, _ := strings.Cut(env, "REDIS_PASSWORD=")
		if password = strings.TrimSpace(password); len(password) < 20 || seen[password] {
			t.Errorf("password %q", password)
		}
		seen[password] = true
	}
}

// The advice of a template goes on standing above a form that was filled in wrongly.
func TestTemplateSurvivesAMistake(t *testing.T) {
	s := signedIn(t)
	form := s.Get(servicesURL + "/new?template=node").Form("main form")
	p := form.Set("name", "Bad Name").Submit().WantStatus(http.StatusUnprocessableEntity).WantSound()
	if !p.Has(".started[data-template=node]") || typedIn(p, servicesURL).Get("command") != "node server.js" {
		t.Error("the template is forgotten")
	}
	p = s.Post(servicesURL, url.Values{"name": {"x"}, "command": {""}, "template": {"nothing"}}).WantStatus(422)
	if p.Has(".started") {
		t.Error("a template that does not exist is shown")
	}
	form.Set("name", "good-name").Submit().WantStatus(http.StatusSeeOther)
}
