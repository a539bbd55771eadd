package journey

import (
	"strings"
	"testing"

	"upkeep/internal/panel"
)

// TestCrash: a program that fails waits for its next try, is disabled when it fails too often, and is enabled again
// by a person who has repaired it.
func TestCrash(t *testing.T) {
	t.Parallel()
	h := startHost(t, "--backoff", "1h", "--budget-failures", "2", "--budget-window", "1h")
	h.write("broken.sh", brokenProgram)
	h.add(h.client(), panel.Definition{Name: "worker", Command: "sh broken.sh"}, false, panel.Backoff)
	b := newTab(t, h)
	b.signIn()
	b.waitsForNextTry()
	b.isDisabled()
	b.isEnabledAgain()
	b.startsNow()
}

func (b *tab) waitsForNextTry() {
	b.t.Helper()
	row := b.text("tr[data-service=worker][data-state=backoff]")
	for _, want := range []string{"Crashed", "exit 3 · 1 of 2", "next try in ", "Start now"} {
		if !strings.Contains(row, want) {
			b.t.Errorf("the row %q does not say %q", row, want)
		}
	}
	b.follow("tr[data-service=worker] a", "worker")
	b.wantWhy("Why it is not running", "exit status 3", "the next try is in ")
}

// wantWhy checks the box that explains, and the lines that the program left.
func (b *tab) wantWhy(parts ...string) {
	b.t.Helper()
	why := b.text(".why")
	for _, want := range parts {
		if !strings.Contains(why, want) {
			b.t.Errorf("the page explains %q, without %q", why, want)
		}
	}
	if lines := b.text("#service-lines"); !strings.Contains(lines, "database: connection refused") {
		b.t.Errorf("the last lines are %q", lines)
	}
}

// isDisabled: the second failure uses the budget up.
func (b *tab) isDisabled() {
	b.t.Helper()
	b.follow("#service-head button", "Start now")
	b.until(`document.querySelector("#service-head[data-state=disabled]")`)
	b.wantFlash("^Started worker without waiting\\. It ended again at once: exit status 3")
	b.wantWhy("Why it stopped", "2 failures in 1 h", "exit status 3", "Edit")
	b.follow(".crumbs a", "Services")
	if got := b.text("#services-summary"); !strings.Contains(got, "Failing 1") {
		b.t.Errorf("the summary does not count it: %s", got)
	}
	b.follow("tr[data-service=worker][data-state=disabled] a", "worker")
}

func (b *tab) isEnabledAgain() {
	b.t.Helper()
	b.host.write("repaired", "")
	b.follow("#service-head button", "Enable again")
	b.wantFlash("^Enabled worker again\\.")
	b.until(`document.querySelector("#service-head[data-state=running]")`)
	b.until(`document.querySelector("#service-lines").innerText.includes("connected")`)
}

// startsNow: after another failure a person does not wait for the next try.
func (b *tab) startsNow() {
	b.t.Helper()
	for _, pid := range b.host.living() {
		kill(b.t, pid)
	}
	b.until(`document.querySelector("#service-head[data-state=backoff]")`)
	b.wantWhy("Why it is not running", "SIGKILL")
	b.follow("#service-head button", "Start now")
	b.wantFlash("^Started worker without waiting\\.$")
	b.until(`document.querySelector("#service-head[data-state=running]")`)
	if len(b.host.living()) != 1 {
		b.t.Errorf("processes %v live, want one", b.host.living())
	}
}
