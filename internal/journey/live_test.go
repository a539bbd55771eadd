package journey

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// kill ends a process as something else than upkeep.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// live says that the page's data is fresh.
const live = `document.querySelector(".age-state").textContent === "Live"`

// TestLive: a page keeps itself up to date, says how old its data is, and leaves alone what the reader is doing.
func TestLive(t *testing.T) {
	t.Parallel()
	panelPort, port := freePort(t), freePort(t)
	h := startHost(t, "--backoff", "0s", "--listen", fmt.Sprintf("127.0.0.1:%d", panelPort))
	h.write("web.pl", webProgram)
	h.add(h.client(), panel.Definition{Name: "web", Command: "perl web.pl", Port: port}, false, panel.Running)
	b := newTab(t, h)
	b.signIn()
	b.keepsListWhileTyping()
	b.showsNewLines(port)
	b.showsNewProcess()
	b.saysHowOld()
	b.copiesAddress(port)
	b.switchesTheme()
}

// keepsListWhileTyping: an open menu and a filter that is being typed outlive an update of the list.
func (b *tab) keepsListWhileTyping() {
	b.t.Helper()
	b.until(live)
	b.mark()
	b.pressSlash()
	b.until(`document.activeElement.matches("[data-filter]")`)
	b.write("we")
	b.click("tr[data-service=web] summary", "")
	b.until(`document.querySelector("tr[data-service=web] details").open`)
	b.run(`document.querySelector("[data-filter]").focus()`)
	before := b.text("tr[data-service=web] .c-restarts")
	for _, pid := range b.host.living() {
		if commandLine(pid) == "perl web.pl" {
			kill(b.t, pid)
		}
	}
	b.until(`document.querySelector("tr[data-service=web] .c-restarts").innerText.trim() !== ` + quote(before))
	b.until(`document.querySelector("tr[data-service=web][data-state=running]")`)
	if !b.marked() {
		b.t.Error("the list was loaded anew")
	}
	if got := b.value("text"); got != "we" {
		b.t.Errorf("the filter holds %q after an update, want what was typed", got)
	}
	if !get[bool](b, `document.activeElement.matches("[data-filter]")`) {
		b.t.Error("the filter lost the focus")
	}
	if !get[bool](b, `document.querySelector("tr[data-service=web] details").open`) {
		b.t.Error("an update closed the menu")
	}
	b.mark()
	b.press("\r")
	b.next()
	if got := b.path(); got != services+"?text=we" {
		b.t.Errorf("the filter leads to %s", got)
	}
}

// pressSlash presses the key as a person does: what it types depends on what the page makes of the key.
func (b *tab) pressSlash() {
	b.t.Helper()
	call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{
		Type: input.DispatchKeyEventTypeKeyDown, Key: "/", Code: "Slash", Text: "/", WindowsVirtualKeyCode: 191})
	call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{
		Type: input.DispatchKeyEventTypeKeyUp, Key: "/", Code: "Slash", WindowsVirtualKeyCode: 191})
}

func (b *tab) showsNewLines(port int) {
	b.t.Helper()
	b.open(services + "/web")
	b.until(live)
	b.mark()
	ask(b.t, port, "/seen-live")
	b.until(`document.querySelector("#service-lines").innerText.includes("GET /seen-live")`)
	if !b.marked() {
		b.t.Error("the page was loaded anew")
	}
}

// showsNewProcess: the program is killed by somebody else and started again by upkeep, while the page is open.
func (b *tab) showsNewProcess() {
	b.t.Helper()
	before := b.mainProcess()
	kill(b.t, before)
	b.until(`document.querySelector("#service-facts [data-pid]")?.dataset.pid > 0 &&
		document.querySelector("#service-facts [data-pid]").dataset.pid != ` + strconv.Itoa(before))
	b.mainProcess()
	if got := b.text("#service-runs"); !strings.Contains(got, "Ended by signal SIGKILL") {
		b.t.Errorf("the history does not say what happened: %s", got)
	}
	if !b.marked() {
		b.t.Error("the page was loaded anew")
	}
}

// saysHowOld: when upkeep is killed the page says that its data gets old, and when upkeep is back, that it is fresh.
// The program does not notice any of it.
func (b *tab) saysHowOld() {
	b.t.Helper()
	pid := b.mainProcess()
	b.troubles.allow("net::ERR_")
	b.host.crash()
	b.until(`document.querySelector(".age-state").textContent.startsWith("Reconnecting")`)
	if got := b.text(".age"); !strings.Contains(got, "data from ") {
		b.t.Errorf("the age of the data is not told: %s", got)
	}
	b.host.start()
	b.until(live)
	b.settle()
	b.troubles.allow()
	if got := b.mainProcess(); got != pid || !b.marked() {
		b.t.Errorf("PID %d after upkeep came back, want %d; same page: %t", got, pid, b.marked())
	}
}

func (b *tab) copiesAddress(port int) {
	b.t.Helper()
	profile := chromedp.FromContext(b.ctx).BrowserContextID
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(b.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted,
			BrowserContextID: profile})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	b.click("[data-copy]", "Copy the address")
	b.until(`document.querySelector("#announce")?.textContent === "Copied."`)
	want := fmt.Sprintf("services-%s.localhost:%d", accountName, port)
	if got := get[string](b, `navigator.clipboard.readText()`); got != want {
		b.t.Errorf("copied %q, want %q", got, want)
	}
}

// switchesTheme: the choice is there at once, and on the next page from its first moment.
func (b *tab) switchesTheme() {
	b.t.Helper()
	b.prefer("light")
	for _, theme := range []string{"dark", "light"} {
		b.mark()
		b.click("[data-theme-form] button[value="+theme+"]", "")
		b.until(`document.documentElement.dataset.theme === ` + quote(theme))
		b.until(`document.querySelector("[data-theme-form] [aria-pressed=true]").value === ` + quote(theme))
		if !b.marked() {
			b.t.Error("choosing colours loads the page anew")
		}
		b.themeOfNextPage(theme)
	}
}

// themeOfNextPage waits until the server knows the choice: it was sent in the background.
func (b *tab) themeOfNextPage(theme string) {
	b.t.Helper()
	eventually(b.t, "the next page is "+theme, func() bool {
		b.open(services)
		return b.attr("html", "data-theme") == theme
	}, b.where)
}
