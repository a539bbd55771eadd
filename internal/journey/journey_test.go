package journey

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

// TestJourney is what a customer does first and then again and again: register a real program, see it run, restart
// it, read its output, look at its processes, change it, pause it, and delete it.
func TestJourney(t *testing.T) {
	t.Parallel()
	t.Run("in a wide light window", func(t *testing.T) {
		t.Parallel()
		h := startHost(t)
		b := newTab(t, h)
		b.prefer("light")
		b.journey()
	})
	t.Run("in a narrow dark window without scripts", func(t *testing.T) {
		t.Parallel()
		h := startHost(t)
		b := newTab(t, h)
		b.prefer("dark")
		b.resize(390, 844)
		b.withoutScripts()
		b.journey()
	})
}

func (b *tab) journey() {
	b.t.Helper()
	b.host.write("web.pl", webProgram)
	port := freePort(b.t)
	b.open("/")
	if got := b.path(); got != "/signin" {
		b.t.Fatalf("the start leads to %s, want the sign-in", got)
	}
	b.signIn()
	b.meetEmptyList()
	b.typeWrongly()
	b.typeRightly(port)
	b.seeItRun(port)
	b.restart(port)
	b.readLog()
	b.endChild()
	b.changeEnvironment(port)
	b.pauseAndResume(port)
	b.deleteIt()
}

// meetEmptyList: a newcomer is told what a service is, and where to begin.
func (b *tab) meetEmptyList() {
	b.t.Helper()
	if got := b.text("main .empty"); !strings.Contains(got, "A service is a program of yours that has to run all the time") {
		b.t.Errorf("the empty list does not say what a service is: %s", got)
	}
	b.follow("main .empty a", "Add a service")
}

// typeWrongly: everything wrong is said in a summary and at its field, and everything typed is kept.
func (b *tab) typeWrongly() {
	b.t.Helper()
	typed := map[string]string{
		"name": "Web Shop", "command": `perl "web.pl`, "port": "8299", "directory": "../other",
		"annotation": "The <b>shop</b> & more", "environment": "GREETING='good morning'\nEMPTY=",
	}
	for name, value := range typed {
		b.fill(name, value)
	}
	b.troubles.allow("status 422")
	b.follow("main button", "Add the service")
	b.troubles.allow()
	if got := b.status(); got != 422 {
		b.t.Errorf("a form that is wrong is answered with status %d, want 422", got)
	}
	for name, message := range map[string]string{
		"name": "small letters", "command": "quote", "port": "Only ports 8300 to 8499", "directory": "must lie in the home",
	} {
		if got := b.text("#error-" + name); !strings.Contains(got, message) {
			b.t.Errorf("at the field %s: %q, want %q in it", name, got, message)
		}
		if got := b.text(".summary a[href='#field-" + name + "']"); !strings.Contains(got, message) {
			b.t.Errorf("in the summary about %s: %q, want %q in it", name, got, message)
		}
	}
	for name, value := range typed {
		if got := b.value(name); got != value {
			b.t.Errorf("field %s holds %q, want %q as typed", name, got, value)
		}
	}
	if title := get[string](b, "document.title"); !strings.HasPrefix(title, "Error: ") {
		b.t.Errorf("title %q, want it to begin with Error:", title)
	}
	if b.scripts && !get[bool](b, `document.activeElement.matches(".summary")`) {
		b.t.Error("the summary of errors does not have the focus")
	}
	b.click(".summary a[href='#field-command']", "")
	b.until(`document.activeElement.name === "command"`)
}

func (b *tab) typeRightly(port int) {
	b.t.Helper()
	b.fill("name", "web")
	b.fill("command", "perl web.pl")
	b.fill("directory", "")
	b.takeProposal()
	b.fill("port", strconv.Itoa(port))
	b.follow("main button", "Add the service")
	b.wantFlash("^Created web\\.")
}

// takeProposal: the next free port is one click away for who has scripts, and named for everybody.
func (b *tab) takeProposal() {
	b.t.Helper()
	proposed := regexp.MustCompile(`(\d+) is free`).FindStringSubmatch(b.text("#help-port"))
	if proposed == nil {
		b.t.Fatalf("no port is proposed: %s", b.text("#help-port"))
	}
	if !b.scripts {
		return
	}
	b.click("main button", "Use "+proposed[1])
	if got := b.value("port"); got != proposed[1] {
		b.t.Errorf("port %q after taking the proposal %s", got, proposed[1])
	}
}

// seeItRun: the panel says that it runs, and so it does.
func (b *tab) seeItRun(port int) {
	b.t.Helper()
	b.follow(".crumbs a", "Services")
	b.see(`document.querySelector("tr[data-service=web][data-state=running]")`)
	b.see(`document.querySelector("tr[data-service=web] .c-port").innerText.includes("OK, on ::")`)
	if got := ask(b.t, port, "/"); got != "hello from web" {
		b.t.Errorf("the program answers %q", got)
	}
	b.follow("tr[data-service=web] a", "web")
	b.mainProcess()
	if got := b.text(".annotation"); got != "The <b>shop</b> & more" {
		b.t.Errorf("annotation %q", got)
	}
	b.see(`document.querySelector("#service-facts").innerText.includes("listens on ::.")`)
}

// mainProcess returns the PID that the service's page shows, which must be the one of the program.
func (b *tab) mainProcess() int {
	b.t.Helper()
	b.see(`document.querySelector("#service-head[data-state=running]") && document.querySelector("#service-facts [data-pid]")`)
	pid, err := strconv.Atoi(b.attr("#service-facts [data-pid]", "data-pid"))
	if err != nil {
		b.t.Fatal(err)
	}
	if got := commandLine(pid); got != "perl web.pl" {
		b.t.Fatalf("process %d of the page is %q, want the program", pid, got)
	}
	return pid
}

// wantFlash checks what the page says about the action before, and returns the parts of the pattern.
func (b *tab) wantFlash(pattern string) []string {
	b.t.Helper()
	text := b.text("#flash")
	parts := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if parts == nil {
		b.t.Fatalf("the page says %q, want %s%s", text, pattern, b.where())
	}
	return parts
}

func (b *tab) restart(port int) {
	b.t.Helper()
	before := b.mainProcess()
	b.follow("#service-head button", "Restart")
	said := b.wantFlash(`^Restarted: PID (\d+) replaced (\d+) after [\d.]+ m?s\.`)
	after := b.mainProcess()
	if said[2] != strconv.Itoa(before) || said[1] != strconv.Itoa(after) || before == after {
		b.t.Errorf("%s; PID was %d and is %d", said[0], before, after)
	}
	awaitGone(b.t, before)
	if got := ask(b.t, port, "/after-restart"); got != "hello from web" {
		b.t.Errorf("the program answers %q", got)
	}
}

// readLog: what the program printed is shown, and does nothing else; the download is the file.
func (b *tab) readLog() {
	b.t.Helper()
	b.follow(".tabs a", "Logs")
	b.see(`document.querySelector(".log").innerText.includes("GET /after-restart HTTP/1.1")`)
	lines := get[[]string](b, `[...document.querySelectorAll(".log [data-pos]")].map((line) => line.innerText)`)
	for _, want := range []string{`<script>alert(1)</script><img src=x onerror=alert(2)>`, "listening"} {
		if !slices.Contains(lines, want) {
			b.t.Errorf("no line %q in the log:\n%s", want, strings.Join(lines, "\n"))
		}
	}
	hostile := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "red ") })
	if hostile < 0 || strings.ContainsAny(lines[hostile], "\x1b\x07\x00\x7f") || !strings.HasSuffix(lines[hostile], " end") {
		b.t.Errorf("the line with control characters, number %d, is shown as %q", hostile, lines)
	}
	if b.has(".log script, .log img") {
		b.t.Error("markup that the program printed became part of the page")
	}
	b.downloadLog()
}

func (b *tab) downloadLog() {
	b.t.Helper()
	dir := openDir(b.t)
	_, err := chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir,
		BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID})
	if err != nil {
		b.t.Fatal(err)
	}
	b.click("main a", "Download")
	got, want := "", b.host.log("web")
	eventually(b.t, "the download is the log", func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) != 1 {
			return false
		}
		text, err := os.ReadFile(files[0])
		got = string(text)
		return err == nil && got == want && !strings.HasSuffix(files[0], ".crdownload")
	}, func() string { return strconv.Quote(got) + ", want " + strconv.Quote(want) })
}

// endChild: every process is listed, and one of them can be ended.
func (b *tab) endChild() {
	b.t.Helper()
	b.follow("nav a[href='"+processes+"']", "")
	b.see(`document.querySelectorAll("tr[data-pid][data-service=web]").length === 2`)
	main, err1 := strconv.Atoi(b.attr("tr[data-pid].main", "data-pid"))
	child, err2 := strconv.Atoi(b.attr("tr[data-pid]:not(.main)", "data-pid"))
	if err1 != nil || err2 != nil || commandLine(main) != "perl web.pl" || commandLine(child) != "sleep 100000" {
		b.t.Fatalf("listed are %d (%s) and %d (%s)%s", main, commandLine(main), child, commandLine(child), b.where())
	}
	row := `tr[data-pid="` + strconv.Itoa(child) + `"]`
	b.click(row+" summary", "")
	b.follow(row+" button[value=TERM]", "")
	b.wantFlash("^SIGTERM was sent to process " + strconv.Itoa(child) + " of web\\.")
	awaitGone(b.t, child)
	b.see(`document.querySelectorAll("tr[data-pid]").length === 1`)
	if commandLine(main) == "" {
		b.t.Error("the main process ended as well")
	}
}

// changeEnvironment: an edit applies at the next restart, which the form offers.
func (b *tab) changeEnvironment(port int) {
	b.t.Helper()
	before := b.edit("GREETING=hello", "Save")
	b.wantFlash("^Saved web\\. The change applies at the next restart\\.")
	if got := b.text("#service-head"); !strings.Contains(got, "Edited since this run started") {
		b.t.Errorf("the page does not say that an edit waits: %s", got)
	}
	if b.mainProcess() != before || !slices.Contains(environ(before), "GREETING=good morning") {
		b.t.Error("the edit did something to the run that lives")
	}
	b.edit("GREETING='bonjour monde'", "Save and restart")
	b.wantFlash(`^Saved\. Restarted: PID \d+ replaced ` + strconv.Itoa(before) + ` after `)
	after := b.mainProcess()
	if env := environ(after); !slices.Contains(env, "GREETING=bonjour monde") || !slices.Contains(env, "PORT="+strconv.Itoa(port)) {
		b.t.Errorf("environment of process %d: %q", after, env)
	}
	if got := b.text("#service-head"); strings.Contains(got, "Edited since") {
		b.t.Errorf("the page still says that an edit waits: %s", got)
	}
}

// edit saves another environment and returns the PID of before.
func (b *tab) edit(environment, button string) int {
	b.t.Helper()
	b.open(services + "/web")
	pid := b.mainProcess()
	b.follow(".tabs a", "Edit")
	if got := b.text("main .submit"); !strings.Contains(got, "an edit applies at its next restart") {
		b.t.Errorf("the form does not say when an edit applies: %s", got)
	}
	b.fill("environment", environment)
	b.follow("main button", button)
	return pid
}

func (b *tab) pauseAndResume(port int) {
	b.t.Helper()
	pid := b.mainProcess()
	b.follow("#service-head button", "Pause")
	b.wantFlash("^Paused web\\.")
	b.see(`document.querySelector("#service-head[data-state=paused]")`)
	if left := b.host.living(); commandLine(pid) != "" || len(left) != 0 {
		b.t.Errorf("paused, but processes %v live", left)
	}
	b.follow("#service-head button", "Resume")
	b.wantFlash("^Resumed web\\.")
	b.mainProcess()
	if got := ask(b.t, port, "/after-pause"); got != "hello from web" {
		b.t.Errorf("the program answers %q", got)
	}
}

// deleteIt: only who types the name deletes, and then nothing is left but the log.
func (b *tab) deleteIt() {
	b.t.Helper()
	pid := b.mainProcess()
	b.click("#service-head summary", "")
	b.follow("#service-head a", "Delete…")
	b.fill("confirm", "wep")
	b.troubles.allow("status 422")
	b.follow("main button", "Delete web")
	b.troubles.allow()
	if got, said := b.status(), b.text("#error-confirm"); got != 422 || !strings.Contains(said, "This is not the name") {
		b.t.Errorf("a wrong name is answered with %d: %q", got, said)
	}
	if commandLine(pid) == "" {
		b.t.Error("a wrong name stopped the service")
	}
	b.fill("confirm", "web")
	b.follow("main button", "Delete web")
	b.wantFlash("^Deleted web\\. Its log file stays: ~/admin/logs/services/web\\.log")
	if left := b.host.living(); len(left) != 0 {
		b.t.Errorf("deleted, but processes %v live", left)
	}
	b.see(`document.querySelector("main .empty.first")`)
	if b.host.log("web") == "" {
		b.t.Error("the log is gone")
	}
}
