package journey

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// tab is a window of the browser on a host's panel.
type tab struct {
	t        *testing.T
	host     *host
	ctx      context.Context
	troubles *troubles
	scripts  bool // pages may run theirs
}

// newTab opens a window with no cookies, 1280 by 900 pixels. Whatever trouble its pages caused fails the test at the
// end.
func newTab(t *testing.T, h *host) *tab {
	t.Helper()
	all, err := theBrowser.start()
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	b := &tab{t: t, host: h, scripts: true}
	b.troubles = &troubles{address: h.address, urls: map[network.RequestID]string{}}
	ctx, cancel := chromedp.NewContext(all, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.troubles.hear))
	b.ctx = ctx
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		t.Fatalf("open a window: %v", err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			b.settle()
		}
		for _, what := range b.troubles.take() {
			t.Error(what)
		}
		cancel()
	})
	// Otherwise only one of the windows would have the focus, and pages of the others would rest.
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	b.resize(1280, 900)
	return b
}

// call sends a command of the protocol to the window.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.t.Fatalf("%s: %v%s", command.Method, err, b.where())
	}
	return result
}

// do runs actions in the window.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v%s", what, err, b.where())
	}
}

// try evaluates an expression in the page. It fails while a page gives way to another one.
func try[T any](b *tab, script string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// get evaluates an expression in the page.
func get[T any](b *tab, script string) T {
	b.t.Helper()
	value, err := try[T](b, script)
	if err != nil {
		b.t.Fatalf("%s: %v%s", script, err, b.where())
	}
	return value
}

// run runs a script in the page.
func (b *tab) run(script string) {
	b.t.Helper()
	get[bool](b, "("+script+", true)")
}

// settle returns when everything that the browser had to say was heard.
func (b *tab) settle() {
	b.t.Helper()
	b.run("0")
}

// where is appended to what fails: the page at the moment.
func (b *tab) where() string {
	text, err := try[string](b, `location.href + "\n" + document.body.innerText`)
	if err != nil {
		return ""
	}
	return "\non " + text
}

// until waits until an expression is true in the page.
func (b *tab) until(script string) {
	b.t.Helper()
	eventually(b.t, script, func() bool {
		ok, err := try[bool](b, "!!("+script+")")
		return err == nil && ok
	}, b.where)
}

// quote writes a value as JavaScript.
func quote(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// open goes to a page and waits until it is there.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do("open "+path, chromedp.Navigate(b.host.address+path))
}

// path is the address of the page without scheme and host.
func (b *tab) path() string {
	b.t.Helper()
	return get[string](b, `location.pathname + location.search`)
}

// status is the one of the page's own answer.
func (b *tab) status() int {
	b.t.Helper()
	return get[int](b, `performance.getEntriesByType("navigation")[0].responseStatus`)
}

// text is what a reader finds in an element; empty when there is no such element.
func (b *tab) text(css string) string {
	b.t.Helper()
	return get[string](b, fmt.Sprintf(`document.querySelector(%s)?.innerText.trim().replace(/\s+/g, " ") ?? ""`, quote(css)))
}

// attr is an attribute of an element; empty when there is no such element.
func (b *tab) attr(css, name string) string {
	b.t.Helper()
	return get[string](b, fmt.Sprintf(`document.querySelector(%s)?.getAttribute(%s) ?? ""`, quote(css), quote(name)))
}

// has reports whether the page has an element that can be seen.
func (b *tab) has(css string) bool {
	b.t.Helper()
	return get[bool](b, fmt.Sprintf(`!!document.querySelector(%s)?.checkVisibility()`, quote(css)))
}

// spot finds the middle of the one element that can be seen, fits a selector and, unless words are empty, says just
// them. It tells why there is none that could be clicked.
const spot = `((css, words) => {
	const says = (el) => [el.textContent, el.getAttribute("aria-label")].some(
		(text) => text && text.trim().replace(/\s+/g, " ") === words);
	const found = [...document.querySelectorAll(css)].filter(
		(el) => el.checkVisibility({visibilityProperty: true}) && (!words || says(el)));
	if (found.length !== 1) return {problem: found.length + " elements"};
	const el = found[0];
	el.scrollIntoView({block: "center", behavior: "instant"});
	const r = el.getClientRects()[0];
	if (!r || r.width < 1 || r.height < 1) return {problem: "it has no size"};
	const x = r.left + r.width / 2, y = r.top + r.height / 2, hit = document.elementFromPoint(x, y);
	if (!hit || (hit !== el && !el.contains(hit))) return {problem: "covered by " + (hit?.outerHTML.slice(0, 200) ?? "nothing")};
	return {x, y};
})`

type place struct {
	X, Y    float64
	Problem string
}

// click presses the left button on an element, once it can be seen and rests.
func (b *tab) click(css, words string) {
	b.t.Helper()
	var here place
	eventually(b.t, fmt.Sprintf("%s %q can be clicked", css, words), func() bool {
		before := here
		var err error
		here, err = try[place](b, fmt.Sprintf("%s(%s, %s)", spot, quote(css), quote(words)))
		return err == nil && here.Problem == "" && here == before
	}, func() string { return here.Problem + b.where() })
	b.do("click "+css, chromedp.MouseClickXY(here.X, here.Y))
}

// mark makes the present page known, so that another one is recognised.
func (b *tab) mark() { b.t.Helper(); b.run(`window.journey = true`) }

// marked reports whether the page is still the one that was marked.
func (b *tab) marked() bool { b.t.Helper(); return get[bool](b, `window.journey === true`) }

// next waits for the page after the marked one.
func (b *tab) next() {
	b.t.Helper()
	b.until(`window.journey !== true && document.readyState === "complete"`)
}

// follow clicks and waits for the page that it leads to.
func (b *tab) follow(css, words string) {
	b.t.Helper()
	b.mark()
	b.click(css, words)
	b.next()
}

// see waits until an expression is true: on a page that keeps itself up to date by just that, without scripts by
// fetching it again with its own link.
func (b *tab) see(script string) {
	b.t.Helper()
	if b.scripts {
		b.until(script)
		return
	}
	deadline := time.Now().Add(patience)
	for !get[bool](b, "!!("+script+")") {
		if time.Now().After(deadline) {
			b.t.Fatalf("after %v still not so: %s%s", patience, script, b.where())
		}
		b.follow(".age-link", "Refresh")
	}
}

// fill types a value into a field in the place of what is there.
func (b *tab) fill(name, value string) {
	b.t.Helper()
	css := fmt.Sprintf("[name=%s]", name)
	b.click(css, "")
	b.run(`document.activeElement.select()`)
	if value == "" {
		b.press("\b")
	} else {
		b.write(value)
	}
	if got := b.value(name); got != value {
		b.t.Fatalf("field %s: %q after typing %q", name, got, value)
	}
}

// write enters text where the focus is.
func (b *tab) write(text string) {
	b.t.Helper()
	call(b, input.InsertText, input.InsertTextParams{Text: text})
}

func (b *tab) value(name string) string {
	b.t.Helper()
	return get[string](b, fmt.Sprintf(`document.querySelector("[name=%s]").value`, name))
}

// press presses keys one after the other.
func (b *tab) press(keys string) { b.t.Helper(); b.do("press keys", chromedp.KeyEvent(keys)) }

// signIn signs in through the page.
func (b *tab) signIn() {
	b.t.Helper()
	b.open("/signin")
	b.fill("email", email)
	b.fill("password", password)
	b.follow("main button", "Sign in")
	if got := b.path(); got != services {
		b.t.Fatalf("after signing in on %s, want %s%s", got, services, b.where())
	}
}

// withoutScripts takes the pages' scripts away.
func (b *tab) withoutScripts() {
	b.t.Helper()
	b.scripts = false
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

func (b *tab) resize(width, height int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride,
		emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
}

// prefer makes the system's colours light or dark.
func (b *tab) prefer(theme string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
}
