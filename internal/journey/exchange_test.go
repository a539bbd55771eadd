package journey

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"upkeep/internal/catalogue"
	"upkeep/internal/htmltest"
	"upkeep/internal/panel"
)

// conf is a configuration of supervisord in which something is used, ignored and not possible.
const conf = `[supervisord]
nodaemon=true

[program:web]
command=perl web.pl
environment=PORT="3000",GREETING="good morning, 100%%"
user=www-data
priority=5
stdout_logfile=/var/log/web.log

[program:queue-worker-with-a-rather-long-name]
command=sh -c 'while true; do date; sleep 1; done | cat'
numprocs=2

[program:legacy]
command=/usr/sbin/legacyd --foreground
directory=/srv/legacy
`

// TestImport moves services from another supervisor, through pages in both themes and in wide and narrow windows.
func TestImport(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t)
			h.write("web.pl", webProgram)
			b := newTab(t, h)
			if !scripts {
				b.withoutScripts()
			}
			b.signIn()
			b.follow("main .empty a", "Import")
			b.importMistake()
			b.importServices()
			b.exportService()
		})
	}
}

// importMistake: a file that cannot be read is answered with the line.
func (b *tab) importMistake() {
	b.t.Helper()
	b.fill("text", "web: node server.js\nworker php bin/worker\n")
	b.run(`document.querySelector("[name=format]").value = "procfile"`)
	b.troubles.allow("status 422")
	b.follow("main button", "Show what it would be")
	b.look(view{"import-mistake", "", ""})
	b.troubles.allow()
	if got := b.text(".summary"); !strings.Contains(got, "Line 2:") {
		b.t.Errorf("the mistake is described as %q", got)
	}
	b.run(`document.querySelector("[name=format]").value = ""`)
}

// importServices: what would be created is seen first, and is paused then.
func (b *tab) importServices() {
	b.t.Helper()
	b.fill("text", conf)
	b.follow("main button", "Show what it would be")
	b.look(view{"import-preview", "", ""})
	for draft, says := range map[string]string{
		"web": "Ignored line 8 priority=5", "queue-worker-with-a-rather-long-name-2": "numprocs=2 becomes 2 services", "legacy": "lies outside",
	} {
		if got := b.text("[data-draft=" + draft + "]"); !strings.Contains(got, says) {
			b.t.Errorf("about %s: %q, want %q in it", draft, got, says)
		}
	}
	b.click("[name=use-1]", "")
	b.fill("name-2", "queue")
	b.follow("main button", "Create what is chosen")
	b.wantFlash(`2 services were created: web, queue\.`)
	for _, name := range []string{"web", "queue"} {
		b.see(`document.querySelector("tr[data-service=` + name + `][data-state=paused]")`)
	}
	b.open(services + "/web")
	b.follow("main button", "Resume")
	b.see(`document.querySelector("main [data-service=web]").dataset.state === "running"`)
}

// exportService: what comes out goes in again.
func (b *tab) exportService() {
	b.t.Helper()
	c := b.host.client()
	if !strings.Contains(b.attr(".pop a[href*='export?format=systemd']", "href"), services+"/web/export") {
		b.t.Errorf("no link to the export%s", b.where())
	}
	for _, format := range []string{"systemd", "supervisord", "json"} {
		text := c.Get(services + "/web/export?format=" + format).WantStatus(200).Body
		form := c.Get(services+"/import").Form("main form").Set("text", text).Press("button[value=look]").WantStatus(200).Form("main form")
		if got := form.Values.Get("name-0"); got != "web-2" {
			b.t.Errorf("%s: the name %q is proposed, want web-2", format, got)
		}
		form.Set("name-0", "web-"+format).Press("button[value=create]").WantStatus(303)
		page := c.Get(services + "/web-" + format + "/edit").Form("main form").Values
		if page.Get("command") != "perl web.pl" || !strings.Contains(page.Get("environment"), "GREETING='good morning, 100%'") {
			b.t.Errorf("%s: imported as %v", format, page)
		}
	}
}

// TestTemplates starts a service from every template, as it fills the form, with a program as the template asks for.
func TestTemplates(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	c := h.client()
	for _, tpl := range catalogue.All() {
		t.Run(tpl.ID, func(t *testing.T) { h.startFrom(t, c, tpl) })
	}
}

// examples make the program that a template asks for, or say what this machine lacks for it.
var examples = map[string]func(t *testing.T, h *host) (lacks string){
	"node": func(_ *testing.T, h *host) string {
		h.write("app/server.js", `require("http").createServer((q, a) => a.end("hello")).listen(process.env.PORT, "::")`)
		return lacking("node")
	},
	"python": func(t *testing.T, h *host) string {
		h.write("app/app.py", "import time\nwhile True:\n    print('tick')\n    time.sleep(1)\n")
		return virtual(t, h)
	},
	"python-web": func(t *testing.T, h *host) string {
		if lacks := virtual(t, h); lacks != "" {
			return lacks
		}
		if exec.Command(filepath.Join(h.home, "app/venv/bin/python"), "-c", "import uvicorn").Run() != nil {
			return "uvicorn is not installed"
		}
		h.write("app/app.py", "async def app(scope, receive, send): pass\n")
		return ""
	},
	"go": func(t *testing.T, h *host) string {
		if _, err := exec.LookPath("go"); err != nil {
			return "go is not installed"
		}
		source := filepath.Join(t.TempDir(), "main.go")
		program := "package main\n\nimport (\n\t\"net/http\"\n\t\"os\"\n)\n\nfunc main() { http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil) }\n"
		if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
			t.Fatal(err)
		}
		h.write("app/app", "")
		path := filepath.Join(h.home, "app/app")
		if out, err := exec.Command("go", "build", "-o", path, source).CombinedOutput(); err != nil {
			t.Fatalf("go build: %v: %s", err, out)
		}
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return ""
	},
	"ruby": func(_ *testing.T, h *host) string {
		h.write("app/config.ru", "run ->(env) { [200, {}, ['hello']] }\n")
		h.write("app/Gemfile", "source 'https://rubygems.org'\ngem 'puma'\n")
		return lacking("bundle")
	},
	"php": func(_ *testing.T, h *host) string {
		h.write("app/bin/console", "<?php while (true) { sleep(1); }\n")
		return lacking("php")
	},
	"redis":   func(*testing.T, *host) string { return lacking("redis-server") },
	"generic": func(*testing.T, *host) string { return "" },
}

// lacking says that a program is missing where services look for it.
func lacking(program string) string {
	for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/bin"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
			return ""
		}
	}
	return program + " is not installed where services look for it"
}

// virtual makes a virtual environment, which has to be usable by the account's user.
func virtual(t *testing.T, h *host) string {
	t.Helper()
	if lacks := lacking("python3"); lacks != "" {
		return lacks
	}
	venv := filepath.Join(h.home, "app/venv")
	out, err := exec.Command("/usr/bin/python3", "-m", "venv", "--without-pip", "--clear", venv).CombinedOutput()
	if err != nil {
		return "python3 cannot make a virtual environment: " + string(out)
	}
	return ""
}

func (h *host) startFrom(t *testing.T, c *htmltest.Client, tpl panel.Template) {
	t.Helper()
	example := examples[tpl.ID]
	if example == nil {
		t.Fatal("this template is not tried")
	}
	if lacks := example(t, h); lacks != "" {
		t.Skip(lacks)
	}
	form := c.Get(services+"/new?template="+tpl.ID).WantStatus(200).Form("main form").Set("name", tpl.ID)
	if tpl.ID == "generic" {
		form.Set("command", "sleep 100000")
	}
	if proposed := form.Values.Get("port") != ""; proposed != tpl.Listens {
		t.Errorf("a port is proposed: %v, want %v", proposed, tpl.Listens)
	}
	if tpl.Listens { // another one: tests that run at the same time are proposed the same
		form.Set("port", strconv.Itoa(freePort(t)))
	}
	form.Submit().WantStatus(303)
	h.await(c, tpl.ID, panel.Running)
	if tpl.Listens {
		says := ""
		eventually(t, tpl.ID+" listens on ::", func() bool {
			says = c.Get(services + "/" + tpl.ID).Text("#service-facts")
			return strings.Contains(says, "listens on ::.")
		}, func() string { return says })
	}
	if slices.Contains([]string{"node", "python", "go"}, tpl.ID) && strings.Contains(h.log(tpl.ID), "rror") {
		t.Errorf("it printed %s", h.log(tpl.ID))
	}
	c.Post(services+"/"+tpl.ID+"/pause", nil).WantStatus(303)
	h.await(c, tpl.ID, panel.Paused)
}
