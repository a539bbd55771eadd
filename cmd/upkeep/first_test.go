package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"upkeep/internal/htmltest"
)

const testPassword = "four unrelated words"

// firstLink returns the path of the link in what upkeep prints at a first start.
func (d *daemon) firstLink() string {
	d.t.Helper()
	line := d.expect("First sign-in, as admin@localhost (the link works once, for 7 days): ")
	path, ok := strings.CutPrefix(line, d.address)
	if !ok || !regexp.MustCompile(`^/welcome/[A-Za-z0-9_-]{43}$`).MatchString(path) {
		d.t.Fatalf("first link %q, want a secret below %s/welcome/", line, d.address)
	}
	return path
}

// choosePassword opens a link and answers what its page asks.
func choosePassword(b *htmltest.Client, link string) *htmltest.Page {
	page := b.Get(link).WantStatus(http.StatusOK).WantSound()
	return page.Form("form[action='"+link+"']").Set("password", testPassword).Set("again", testPassword).Submit()
}

// noLink ends upkeep and checks that it never offered a link.
func (d *daemon) noLink() {
	d.t.Helper()
	d.browser().Get("/livez").WantStatus(http.StatusOK) // it answers after everything was printed
	d.terminate()
	for _, line := range d.printed {
		if strings.Contains(line, "/welcome/") {
			d.t.Errorf("upkeep printed %q although somebody can sign in", line)
		}
	}
}

func TestFirstStartPrintsALinkThatWorksOnce(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	d := in.serve()
	if !regexp.MustCompile(`^http://localhost:[0-9]+$`).MatchString(d.address) {
		t.Errorf("address %q, want one to type into a browser", d.address)
	}
	link := d.firstLink()
	b := d.browser()
	if p := b.Get("/accounts"); p.Redirect != "/signin?next=%2Faccounts" {
		t.Errorf("without a session: status %d, redirect to %q, want the sign-in page", p.Status, p.Redirect)
	}
	choosePassword(b, link).WantStatus(http.StatusSeeOther).Follow().WantStatus(http.StatusOK).WantSound()
	b.Get("/accounts").WantStatus(http.StatusOK)

	stranger := d.browser()
	stranger.Get(link).WantStatus(http.StatusGone).WantText("main", "works once")
	other := url.Values{"password": {"another password"}, "again": {"another password"}}
	stranger.Post(link, other).WantStatus(http.StatusGone)
	stranger.SignIn("admin@localhost", testPassword).WantStatus(http.StatusOK)
	d.terminate()
	in.serve().noLink()
}

func TestEveryStartPrintsANewLinkUntilSomebodyCanSignIn(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	d := in.serve()
	first := d.firstLink()
	d.terminate()

	d = in.serve()
	second := d.firstLink()
	d.browser().Get(first).WantStatus(http.StatusGone)
	choosePassword(d.browser(), second).WantStatus(http.StatusSeeOther)
	d.crash()

	in.serve().noLink()
}

func TestNoLinkWhenACommandMadeSomebody(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.run(testPassword, "user", "create", "--password-stdin", "--admin", "alice@example.net")
	in.serve().noLink()
}

func TestALinkOfACommandWorks(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	printed := in.run("", "user", "create", "bob@example.net")
	d := in.serve()
	link := regexp.MustCompile(`/welcome/\S+`)
	again := link.FindString(in.run("", "user", "link", "bob@example.net"))
	d.browser().Get(link.FindString(printed)).WantStatus(http.StatusGone) // a newer one replaces it
	choosePassword(d.browser(), again).WantStatus(http.StatusSeeOther)
	d.browser().SignIn("bob@example.net", testPassword).WantStatus(http.StatusOK)
}
