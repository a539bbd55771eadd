package journey

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp/kb"

	"upkeep/internal/panel"
)

// view is one page of the panel in one of its states.
type view struct {
	name string // of its picture
	path string
	says string // somewhere on it
}

// views are the pages of an account with services in every state.
var views = []view{
	{"accounts", "/accounts", "Choose an account"},
	{"services", services, "web"},
	{"services-no-match", services + "?text=zebra&state=paused", "No service matches"},
	{"service-running", services + "/web", "listens on ::."},
	{"service-crashed", services + "/crashed", "Why it is not running"},
	{"service-disabled", services + "/disabled", "Why it stopped"},
	{"service-paused", services + "/paused", "It has not been started yet"},
	{"service-unhealthy", services + "/sick", "connection refused"},
	{"history", services + "/web/history", "Versions of the definition"},
	{"new", services + "/new", "Add a service"},
	{"new-template", services + "/new?template=node", "Your program must"},
	{"import", services + "/import", "Text of the file"},
	{"edit", services + "/web/edit", "an edit applies at its next restart"},
	{"delete", services + "/web/delete", "It is running"},
	{"logs", services + "/web/logs", "<script>alert(1)</script>"},
	{"logs-empty", services + "/paused/logs", "Nothing printed yet"},
	{"processes", processes, "sleep 100000"},
	{"not-found", services + "/zebra", "Error 404"},
}

// TestPages visits every page in both themes, in wide and narrow windows, with scripts and without.
func TestPages(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, "--backoff", "1h", "--budget-failures", "2")
			b := newTab(t, h)
			if !scripts {
				b.withoutScripts()
			}
			b.visit(view{"sign-in", "/signin", "Sign in"})
			b.visit(view{"welcome", h.link("newcomer@example.net"), "Choose a password for"})
			b.signIn()
			b.visit(view{"services-empty", services, "No service yet"})
			b.visit(view{"processes-empty", processes, "Nothing runs"})
			h.fill()
			for _, v := range views {
				b.visit(v)
			}
		})
	}
}

// link makes a person and returns the path of the link for the first sign-in.
func (h *host) link(email string) string {
	h.t.Helper()
	out, err := h.upkeep("user", "create", email).CombinedOutput()
	path := regexp.MustCompile(`/welcome/\S+`).FindString(string(out))
	if err != nil || path == "" {
		h.t.Fatalf("make %s: %v: %s", email, err, out)
	}
	return path
}

// fill gives the account services in all the states that last.
func (h *host) fill() {
	h.t.Helper()
	h.write("web.pl", webProgram)
	h.write("broken.sh", brokenProgram)
	c := h.client()
	h.add(c, panel.Definition{Name: "web", Command: "perl web.pl", Port: freePort(h.t), Environment: "GREETING=hello\n",
		Monitoring: panel.Monitoring{Command: "true"},
		Annotation: "The shop, with a note that is rather long and goes on until it has to be cut somewhere"}, false, panel.Running)
	h.add(c, panel.Definition{Name: "paused", Command: "perl web.pl"}, true, panel.Paused)
	h.add(c, panel.Definition{Name: "crashed", Command: "sh broken.sh"}, false, panel.Backoff)
	h.add(c, panel.Definition{Name: "disabled", Command: "sh broken.sh"}, false, panel.Backoff)
	c.Post(services+"/disabled/start", nil).WantStatus(303)
	h.await(c, "disabled", panel.Disabled)
	h.add(c, panel.Definition{Name: "sick", Command: "perl web.pl", Monitoring: panel.Monitoring{
		Command: "sh -c 'echo connection refused; exit 7'", Grace: time.Second, Failures: 100}}, false, panel.Unhealthy)
	long := strings.Repeat("a-very-long-name-", 4)[:panel.MaxNameBytes-1] + "e"
	h.add(c, panel.Definition{Name: long, Command: "sleep 100000 # " + strings.Repeat("wide", 30)}, true, panel.Paused)
}

// visit looks at a page in every way. Colours and width change while the page is open.
func (b *tab) visit(v view) {
	b.t.Helper()
	b.arrive(v)
	b.look(v)
}

// look is visit for a page that is open already.
func (b *tab) look(v view) {
	b.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		b.prefer(theme)
		for _, width := range []int64{1280, 390, 320} {
			b.resize(width, 900)
			b.inspect(v, theme, width)
			b.picture(v, theme, width)
			if b.scripts && (theme == "light" && width == 1280 || theme == "dark" && width == 390) {
				b.tabThrough(v)
			}
		}
	}
	b.settle()
	for _, what := range b.troubles.take() {
		b.t.Errorf("%s (scripts %t): %s", v.name, b.scripts, what)
	}
}

// arrive opens a page and waits until it is all there.
func (b *tab) arrive(v view) {
	b.t.Helper()
	b.troubles.allow()
	if v.name == "not-found" {
		b.troubles.allow("status 404")
	}
	b.resize(1280, 900)
	b.open(v.path)
	b.see(`document.querySelector("main").innerText.includes(` + quote(v.says) + `)`)
	if b.scripts {
		b.until(`!document.body.dataset.events || document.querySelector(".age-state").textContent === "Live"`)
	}
}

// inspection lists what is wrong with a page whatever it is about.
const inspection = `((theme, width) => {
	const found = [], note = (what) => found.push(what);
	const headings = document.querySelectorAll("h1").length;
	if (headings !== 1) note(headings + " elements h1");
	if (!document.title.endsWith(" · upkeep")) note("title " + document.title);
	if (innerWidth !== width) note("the window is " + innerWidth + " wide");
	const wide = document.documentElement.scrollWidth;
	if (wide > width) {
		const outside = [...document.querySelectorAll("body *")].filter((el) => el.getBoundingClientRect().right > width + 1);
		note(wide + " wide because of " + outside.slice(0, 3).map((el) => el.outerHTML.slice(0, 150)).join(" and "));
	}
	const [red] = getComputedStyle(document.body).color.match(/[\d.]+/g);
	if ((red > 128) !== (theme === "dark")) note("the text has the colour " + getComputedStyle(document.body).color);
	return found;
})`

func (b *tab) inspect(v view, theme string, width int64) {
	b.t.Helper()
	for _, what := range get[[]string](b, fmt.Sprintf("%s(%q, %d)", inspection, theme, width)) {
		b.t.Errorf("%s (%s, %d wide, scripts %t): %s", v.name, theme, width, b.scripts, what)
	}
}

// focused describes the element that has the focus: which it is, and what is wrong with how that can be seen.
const focused = `(() => {
	const el = document.activeElement;
	if (el === document.body) return {name: ""};
	window.stops ??= [];
	const again = window.stops.includes(el);
	window.stops.push(el);
	const name = el.outerHTML.slice(0, 150);
	if (again) return {name: ""};
	const ringed = (e) => e && getComputedStyle(e).outlineStyle !== "none" && parseFloat(getComputedStyle(e).outlineWidth) > 0;
	if (!ringed(el) && !ringed(el.closest("label")) && !ringed(el.parentElement)) return {name, problem: "no ring around it"};
	const r = el.getClientRects()[0];
	if (!r) return {name, problem: "it has no size"};
	const seen = [[0.5, 0.5], [0.1, 0.2], [0.9, 0.2], [0.1, 0.8], [0.9, 0.8]].some(([x, y]) => {
		const hit = document.elementFromPoint(r.left + r.width * x, r.top + r.height * y);
		return hit && (hit === el || el.contains(hit) || hit.contains(el));
	});
	return seen ? {name} : {name, problem: "it is covered, or outside of the window"};
})()`

// tabThrough goes through everything that takes the focus. Each stop must be seen.
func (b *tab) tabThrough(v view) {
	b.t.Helper()
	const most = 100
	b.run(`document.activeElement.blur(), window.stops = []`)
	for stops := range most {
		b.press(kb.Tab)
		stop := get[struct{ Name, Problem string }](b, focused)
		if stop.Problem != "" {
			b.t.Errorf("%s: the focus is not seen: %s: %s", v.name, stop.Problem, stop.Name)
		}
		if stop.Name != "" {
			continue
		}
		if stops < 3 {
			b.t.Errorf("%s: only %d elements take the focus", v.name, stops)
		}
		return
	}
	b.t.Errorf("%s: the focus is caught, or more than %d elements take it", v.name, most)
}

// picture keeps how a whole page looks, when somebody asks for that: the window grows to the height of the page.
func (b *tab) picture(v view, theme string, width int64) {
	b.t.Helper()
	dir := os.Getenv("UPKEEP_SCREENSHOTS")
	if dir == "" || !b.scripts || width == 320 {
		return
	}
	b.resize(width, get[int64](b, `Math.max(900, document.documentElement.scrollHeight)`))
	b.run(`document.activeElement.blur(), scrollTo({top: 0, behavior: "instant"})`)
	shot := call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	b.resize(width, 900)
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", v.name, theme, width))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, shot.Data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
