package journey

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp/kb"

	"upkeep/internal/panel"
)

// TestSignOut: after signing out the browser shows nothing of the account, not even with its button for the page
// before.
func TestSignOut(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	h.add(h.client(), panel.Definition{Name: "secret-name", Command: "sleep 100000"}, true, panel.Paused)
	b := newTab(t, h)
	b.refusesWrongPassword()
	b.signIn()
	b.follow("tr a", "secret-name")
	b.follow("form[action='/signout'] button", "Sign out")
	b.wantFlash("^You are signed out\\.")
	b.goBack()
	b.until(`document.readyState === "complete" && document.querySelector("h1")?.innerText === "Sign in"`)
	if text := get[string](b, `document.documentElement.outerHTML`); strings.Contains(text, "secret-name<") {
		b.t.Errorf("the page before is shown:\n%s", text)
	}
}

// refusesWrongPassword: who mistypes the password is not told which of the two was wrong, and keeps the address.
func (b *tab) refusesWrongPassword() {
	b.t.Helper()
	b.open("/signin")
	b.fill("email", email)
	b.fill("password", password+"!")
	b.troubles.allow("status 422")
	b.follow("main button", "Sign in")
	b.troubles.allow()
	if got := b.text("[role=alert]"); got != "E-mail address or password is wrong." || b.status() != 422 {
		b.t.Errorf("status %d: %q", b.status(), got)
	}
	if b.value("email") != email || b.value("password") != "" {
		b.t.Error("the form does not keep the address, or keeps the password")
	}
}

// goBack does what the browser's button does.
func (b *tab) goBack() {
	b.t.Helper()
	history := call(b, page.GetNavigationHistory, struct{}{})
	before := history.Entries[history.CurrentIndex-1]
	call(b, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: before.ID})
}

// TestKeyboard looks after a service without a pointer.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	h.write("web.pl", webProgram)
	h.add(h.client(), panel.Definition{Name: "web", Command: "perl web.pl", Port: freePort(t)}, false, panel.Running)
	b := newTab(t, h)
	b.open("/signin")
	b.tabTo(`el.name === "email"`)
	b.write(email)
	b.tabTo(`el.name === "password"`)
	b.write(password)
	b.enter()
	b.skipsNavigation()
	b.tabTo(`el.matches("tr[data-service=web] a.name")`)
	b.enter()
	before := b.mainProcess()
	b.opensMenu()
	b.tabTo(`el.matches("#service-head button") && el.innerText.trim() === "Restart"`)
	b.enter()
	b.wantFlash(fmt.Sprintf(`^Restarted: PID \d+ replaced %d after [\d.]+ m?s\.`, before))
	if after := b.mainProcess(); after == before {
		b.t.Error("the process is the one of before")
	}
}

// tabTo presses Tab until the element with the focus is the one.
func (b *tab) tabTo(which string) {
	b.t.Helper()
	for range 100 {
		b.press(kb.Tab)
		if get[bool](b, `((el) => `+which+`)(document.activeElement)`) {
			return
		}
	}
	b.t.Fatalf("Tab never leads to the element: %s%s", which, b.where())
}

// enter presses Enter and waits for the next page.
func (b *tab) enter() {
	b.t.Helper()
	b.mark()
	b.press(kb.Enter)
	b.next()
}

// skipsNavigation: the first stop of a page leads to its content.
func (b *tab) skipsNavigation() {
	b.t.Helper()
	b.press(kb.Tab)
	if got := get[string](b, `document.activeElement.innerText`); got != "Skip to the content" {
		b.t.Errorf("the first Tab leads to %q", got)
	}
	b.press(kb.Enter)
	b.until(`document.activeElement.id === "main"`)
}

// opensMenu: Enter opens a menu, Escape closes it, and the focus stays where it was.
func (b *tab) opensMenu() {
	b.t.Helper()
	b.tabTo(`el.matches("#head-more summary")`)
	b.press(kb.Enter)
	b.until(`document.querySelector("#head-more").open`)
	b.press(kb.Escape)
	b.until(`!document.querySelector("#head-more").open && document.activeElement.matches("#head-more summary")`)
}
