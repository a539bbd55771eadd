package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"upkeep/internal/htmltest"
)

func try(c *htmltest.Client, email, password string) *htmltest.Page {
	return c.Post("/signin", url.Values{"email": {email}, "password": {password}})
}

func TestSignInRefusesInOneWay(t *testing.T) {
	s := newSite(t)
	want := try(s.Client, "alice@example.net", "wrong").WantStatus(http.StatusUnprocessableEntity).WantSound()
	if got := want.Attr("input[name=email]", "value"); got != "alice@example.net" {
		t.Errorf("the typed address became %q", got)
	}
	for name, typed := range map[string][2]string{
		"unknown person":             {"nobody@example.net", "wrong"},
		"person without a password":  {"bob@example.net", ""},
		"without a password, other":  {"bob@example.net", "wrong"},
		"no password":                {"alice@example.net", ""},
		"password with a blank":      {"alice@example.net", alicePassword + " "},
		"password of a huge size":    {"alice@example.net", alicePassword + strings.Repeat("x", 10_000)},
		"nothing at all":             {"", ""},
		"address that is no address": {"' OR 1=1 --", "x"},
	} {
		p := try(s.Another(), typed[0], typed[1])
		if p.Status != want.Status || p.Text("[role=alert]") != want.Text("[role=alert]") {
			t.Errorf("%s: %d %q, want %d %q", name, p.Status, p.Text("[role=alert]"), want.Status, want.Text("[role=alert]"))
		}
		if p.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: sets a cookie", name)
		}
	}
}

func TestSignInForgivesCaseAndSpaceOfTheAddress(t *testing.T) {
	s := newSite(t)
	try(s.Client, " Alice@Example.NET ", alicePassword).WantStatus(http.StatusSeeOther)
}

func TestSignInForSomebodySignedIn(t *testing.T) {
	s := signedIn(t)
	if p := s.Get("/signin?next=/accounts"); p.Redirect != "/accounts" {
		t.Errorf("leads to %q, want /accounts", p.Redirect)
	}
}

func TestAttemptsPerPersonAreLimited(t *testing.T) {
	s := newSite(t)
	for range burstPerPerson {
		try(s.Another(), "alice@example.net", "wrong").WantStatus(http.StatusUnprocessableEntity)
	}
	p := try(s.Client, "ALICE@example.net", alicePassword).WantStatus(http.StatusTooManyRequests).WantSound()
	wait, err := strconv.Atoi(p.Header.Get("Retry-After"))
	if err != nil || wait < 1 || wait > int(attemptPerPerson/time.Second) {
		t.Errorf("Retry-After = %q", p.Header.Get("Retry-After"))
	}
	p.WantText("[role=alert]", fmt.Sprintf("Wait %d seconds", wait))
	if got := p.Attr("input[name=email]", "value"); got != "ALICE@example.net" {
		t.Errorf("the typed address became %q", got)
	}
	try(s.Client, "carol@example.net", "x").WantStatus(http.StatusUnprocessableEntity) // others are not affected
	s.clock.pass(time.Duration(wait) * time.Second)
	try(s.Client, "alice@example.net", alicePassword).WantStatus(http.StatusSeeOther)
	for range burstPerPerson { // success clears the record
		try(s.Another(), "alice@example.net", "wrong").WantStatus(http.StatusUnprocessableEntity)
		s.clock.pass(attemptPerAddress)
	}
}

func TestAttemptsPerAddressAreLimited(t *testing.T) {
	s := newSite(t)
	for i := range burstPerAddress {
		try(s.Client, fmt.Sprintf("p%d@example.net", i), "wrong").WantStatus(http.StatusUnprocessableEntity)
	}
	try(s.Client, "alice@example.net", alicePassword).WantStatus(http.StatusTooManyRequests)
	r := s.PostRequest("/signin", url.Values{"email": {"alice@example.net"}, "password": {alicePassword}})
	r.Header.Set("X-Forwarded-For", "192.0.2.1") // from somebody who is no proxy of ours
	r.Header.Set("X-Real-Ip", "192.0.2.1")
	s.Do(r).WantStatus(http.StatusTooManyRequests)
	s.clock.pass(attemptPerAddress)
	try(s.Client, "alice@example.net", alicePassword).WantStatus(http.StatusSeeOther)
}

func TestLimitsKeepABoundedNumberOfKeys(t *testing.T) {
	l := newLimits(time.Hour, 1, 10)
	now := time.Now()
	for i := range 100 {
		now = now.Add(time.Millisecond)
		if wait := l.take(strconv.Itoa(i), now); wait > 0 {
			t.Fatalf("first attempt of %d has to wait %v", i, wait)
		}
		if wait := l.take(strconv.Itoa(i), now); wait <= 0 {
			t.Fatalf("second attempt of %d need not wait", i)
		}
		if len(l.keys) > 10 {
			t.Fatalf("%d keys, want at most 10", len(l.keys))
		}
	}
	if wait := l.take("99", now); wait <= 0 {
		t.Error("the newest key was forgotten")
	}
}

func TestNetwork(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.7":           "192.0.2.7",
		"::ffff:192.0.2.7":    "192.0.2.7",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::": "2001:db8:1:2::/64",
		"fe80::1%eth0":        "fe80::/64",
		"":                    "",
	} {
		if got := network(ip); got != want {
			t.Errorf("network(%q) = %q, want %q", ip, got, want)
		}
	}
}

func TestLocalPath(t *testing.T) {
	for path, want := range map[string]string{
		"/accounts/alice/services?state=paused": "/accounts/alice/services?state=paused",
		"/":                                     "/",
		"/a#b":                                  "/a",
		"":                                      "/",
		"accounts":                              "/",
		"//evil.example":                        "/",
		"///evil.example":                       "/",
		`/\evil.example`:                        "/",
		`/a\..\evil`:                            "/",
		"/\t/evil.example":                      "/",
		"/\n/evil.example":                      "/",
		"\x00//evil.example":                    "/",
		"/%2f/evil.example":                     "/",
		"/%5cevil.example":                      "/%5cevil.example",
		"https://evil.example":                  "/",
		"javascript:alert(1)":                   "/",
		"/javascript:alert(1)":                  "/javascript:alert(1)",
		"//user@evil.example/path":              "/",
		"/%zz":                                  "/",
	} {
		if got := localPath(path); got != want {
			t.Errorf("localPath(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestSignInGoesToLocalPathsOnly(t *testing.T) {
	for _, next := range []string{"//evil.example", `/\evil.example`, "https://evil.example/", "/\t/evil.example"} {
		s := newSite(t)
		p := s.Get("/signin?" + url.Values{"next": {next}}.Encode()).WantStatus(http.StatusOK)
		if got := p.Attr("input[name=next]", "value"); got != "/" {
			t.Errorf("next %q became %q in the form", next, got)
		}
		p = s.Post("/signin", url.Values{"email": {"alice@example.net"}, "password": {alicePassword}, "next": {next}})
		if p.Redirect != "/" {
			t.Errorf("next %q leads to %q", next, p.Redirect)
		}
	}
}

func TestWelcomeLinkWorksOnce(t *testing.T) {
	s := newSite(t)
	path := "/welcome/" + s.newLink(s.bob, time.Hour)
	const password = "four unrelated words"
	s.Get(path).WantStatus(http.StatusOK) // a mail program looks at it
	p := s.Get(path).WantStatus(http.StatusOK).WantSound().WantText("main", "bob@example.net")
	p = p.Form("form[action='"+path+"']").Set("password", password).Set("again", password).Submit()
	p.WantStatus(http.StatusSeeOther).Follow().WantStatus(http.StatusOK).WantText("h1", "Services")
	for _, p := range []*htmltest.Page{
		s.Another().Get(path),
		s.Another().Post(path, url.Values{"password": {"another password"}, "again": {"another password"}}),
	} {
		p.WantStatus(http.StatusGone).WantSound().WantText("main", "works once")
	}
	s.Another().SignIn("bob@example.net", password)
	try(s.Another(), "bob@example.net", "another password").WantStatus(http.StatusUnprocessableEntity)
}

func TestWelcomeLinkExpires(t *testing.T) {
	s := newSite(t)
	path := "/welcome/" + s.newLink(s.bob, time.Hour)
	s.clock.pass(time.Hour + time.Second)
	s.Get(path).WantStatus(http.StatusGone).WantText("main", "limited time")
	s.Post(path, url.Values{"password": {alicePassword}, "again": {alicePassword}}).WantStatus(http.StatusGone)
}

func TestWelcomeChecksThePassword(t *testing.T) {
	s := newSite(t)
	path := "/welcome/" + s.newLink(s.bob, time.Hour)
	for name, typed := range map[string][2]string{
		"too short":  {"123456789", "123456789"},
		"too long":   {strings.Repeat("x", 201), strings.Repeat("x", 201)},
		"different":  {"one password", "another password"},
		"only once":  {"one password", ""},
		"nothing":    {"", ""},
		"NUL":        {"one\x00password", "one\x00password"},
		"not UTF-8":  {"one\xffpassword", "one\xffpassword"},
		"whitespace": {"     ", "     "},
	} {
		p := s.Post(path, url.Values{"password": {typed[0]}, "again": {typed[1]}})
		p.WantStatus(http.StatusUnprocessableEntity).WantSound()
		if p.Text("[role=alert]") == "" {
			t.Errorf("%s: no word about what is wrong", name)
		}
		if strings.Contains(p.Body, "one password") {
			t.Errorf("%s: the page repeats the password", name)
		}
	}
	s.Get(path).WantStatus(http.StatusOK) // still unused
}

func TestTheme(t *testing.T) {
	s := signedIn(t)
	p := s.Get("/accounts/alice/services?state=paused").Form("header form[action='/theme']").Press("button[value=dark]")
	if p.Redirect != "/accounts/alice/services?state=paused" {
		t.Errorf("leads to %q", p.Redirect)
	}
	if got := p.Follow().Attr("html", "data-theme"); got != "dark" {
		t.Errorf("theme = %q, want dark", got)
	}
	s.Post("/theme", url.Values{"theme": {"system"}, "back": {"//evil.example"}}).WantStatus(http.StatusSeeOther)
	if p := s.Get("/accounts"); p.Attr("html", "data-theme") != "" || s.Cookie(themeCookie) != "" {
		t.Error("the system's choice is not taken")
	}
	s.SetCookie(themeCookie, "pink")
	if got := s.Get("/accounts").Attr("html", "data-theme"); got != "" {
		t.Errorf("theme = %q for a cookie that nobody set", got)
	}
}
