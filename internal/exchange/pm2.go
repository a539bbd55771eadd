package exchange

import (
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"

	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

// readPM2 reads an ecosystem file as JSON, or what "pm2 jlist" prints.
func readPM2(r *reading) {
	root, ok := r.json()
	if !ok {
		return
	}
	apps := []node{root}
	switch {
	case root.kind() == '[':
		apps = root.items()
	case root.get("apps").kind() == '[':
		apps = root.get("apps").items()
	case root.get("apps").kind() == '{':
		apps = []node{root.get("apps")}
	case root.get("script").raw == nil:
		r.problem(root.line, "This is no file of pm2: it has neither “apps” nor “script”.")
		return
	}
	for _, m := range root.members() {
		if m.name == "deploy" {
			r.remark(panel.RemarkIgnored, m.line, "deploy: upkeep does not copy programs.")
		}
	}
	for i, app := range apps {
		if r.full() {
			return
		}
		if app.kind() != '{' {
			r.problem(app.line, "Entry %d is no object in braces.", i+1)
			continue
		}
		r.app(app)
	}
}

// app makes the services of one entry.
func (r *reading) app(n node) {
	if inner := n.get("pm2_env"); inner.kind() == '{' { // of jlist: one entry a process
		a := &appReader{draft: r.draft(n.line), node: n, settings: inner, listed: true}
		a.read()
		r.add(a.draft)
		return
	}
	count := 1
	if text := n.get("instances").scalar(); text != "" {
		if number, err := strconv.Atoi(text); err == nil && number > 1 {
			count = number
		}
	}
	for i := range min(count, maxInstances) {
		a := &appReader{draft: r.draft(n.line), node: n, settings: n}
		a.read()
		if count > 1 {
			a.Name = numbered(a.Name, i+1)
			a.AnyPort, a.Port = a.AnyPort || a.Port != 0, 0
			a.mapped(n.get("instances").line, "instances: %d becomes %d services, each with a port of its own; this is number %d.", count, min(count, maxInstances), i+1)
		}
		if count > maxInstances {
			a.refused(n.get("instances").line, "instances: %d: at most %d services can be made of one program.", count, maxInstances)
		}
		r.add(a.draft)
	}
}

// appReader is one entry of pm2 being read.
type appReader struct {
	*draft
	node     node
	settings node // where most of it stands
	listed   bool // by jlist, which names things differently and shows a whole session's environment
}

func (a *appReader) read() {
	script := a.text("script", "pm_exec_path")
	name := a.text("name")
	if name == "" {
		name = strings.TrimSuffix(path.Base(script), path.Ext(script))
	}
	a.setName(a.line("name"), name)
	a.setDirectory(a.line("cwd", "pm_cwd"), a.text("cwd", "pm_cwd"))
	if script == "" {
		a.refused(a.Line, "There is no script.")
	} else if words, ok := a.words(script); ok {
		a.setWords(a.line("script", "pm_exec_path"), words)
	}
	a.variables()
	a.rest()
}

// field is the first of several names that the entry has.
func (a *appReader) field(names ...string) node {
	for _, name := range names {
		for _, n := range []node{a.settings, a.node} {
			if found := n.get(name); found.raw != nil && found.kind() != 'n' {
				return found
			}
		}
	}
	return node{}
}

func (a *appReader) text(names ...string) string { return a.field(names...).scalar() }

func (a *appReader) line(names ...string) int {
	if n := a.field(names...); n.line != 0 {
		return n.line
	}
	return a.Line
}

// interpreters by the ending of a script.
var interpreters = map[string]string{".js": "node", ".cjs": "node", ".mjs": "node", ".py": "python3", ".rb": "ruby",
	".php": "php", ".pl": "perl", ".sh": "bash"}

// words are interpreter, script and their arguments.
func (a *appReader) words(script string) ([]string, bool) {
	own, ok := a.list("args")
	before, fine := a.list("node_args", "interpreter_args", "interpreterArgs")
	if !ok || !fine {
		return nil, false
	}
	interpreter := a.text("interpreter", "exec_interpreter")
	if interpreter == "" {
		interpreter = interpreters[path.Ext(script)]
	}
	if interpreter == "" || interpreter == "none" {
		return append([]string{script}, own...), true
	}
	return slices.Concat([]string{interpreter}, before, []string{script}, own), true
}

// list is a field that holds words, as one text or several.
func (a *appReader) list(names ...string) ([]string, bool) {
	n := a.field(names...)
	if n.kind() != '[' {
		words, err := splitWords(n.scalar())
		if err != nil {
			a.refused(n.line, "%s cannot be read: %v.", names[0], err)
		}
		return words, err == nil
	}
	var words []string
	for _, item := range n.items() {
		words = append(words, item.scalar())
	}
	return words, true
}

// session are variables of whoever started pm2, by their beginnings; they say nothing about the program.
var session = []string{"HOME", "USER", "LOGNAME", "SHELL", "PATH", "PWD", "OLDPWD", "TERM", "LANG", "LC_", "LS_COLORS", "SSH_",
	"XDG_", "DBUS_", "MAIL", "SHLVL", "_", "PM2_", "pm_", "unique_id", "NODE_APP_INSTANCE", "name", "status", "version", "npm_"}

func (a *appReader) variables() {
	var vars []environment.Variable
	left := 0
	for _, m := range a.field("env").members() {
		if m.kind() == '{' || m.kind() == '[' {
			if !a.listed {
				a.ignored(m.line, "env: %s is no text.", clip(m.name))
			}
			continue
		}
		if a.listed && slices.ContainsFunc(session, func(s string) bool { return strings.HasPrefix(m.name, s) }) {
			left++
			continue
		}
		vars = append(vars, environment.Variable{Name: m.name, Value: m.scalar(), Line: m.line})
	}
	if left > 0 {
		a.ignored(a.line("env"), "%d variables of the session that pm2 was started from were left out.", left)
	}
	a.setVariables(vars, false)
}

// appReasons say why fields of an entry are ignored.
var appReasons = map[string]string{
	"watch":                     "upkeep does not watch files. Restart the service when a new version is there.",
	"max_memory_restart":        "limits of memory are the host’s business.",
	"kill_timeout":              "the host’s stop timeout holds, 10 s unless it was changed.",
	"cron_restart":              "upkeep restarts nothing by the clock.",
	"autorestart":               "a service is a program that stays; upkeep always starts it again.",
	"max_restarts":              "the failure budget of the host holds.",
	"min_uptime":                "a program counts as running once it has stayed for a second.",
	"restart_delay":             "the host’s delays hold: 0, 1, 2, 4 … 30 s.",
	"exp_backoff_restart_delay": "the host’s delays hold: 0, 1, 2, 4 … 30 s.",
	"wait_ready":                "upkeep does not wait for the program to say that it is ready.",
	"listen_timeout":            "upkeep does not wait for the program to say that it is ready.",
	"out_file":                  "output goes to the log of the service.",
	"error_file":                "output goes to the log of the service.",
	"log_file":                  "output goes to the log of the service.",
	"uid":                       "services run as the user of their account.",
	"gid":                       "services run as the user of their account.",
	"stop_exit_codes":           "upkeep starts every program again, whatever its exit status.",
	"post_update":               "nothing is executed beside the program.",
}

// understood are fields that are read, or that say nothing.
var understood = []string{"name", "script", "cwd", "args", "node_args", "interpreter", "interpreter_args", "interpreterArgs",
	"exec_interpreter", "env", "exec_mode", "instances", "namespace", "time", "merge_logs", "combine_logs", "source_map_support"}

// rest says what was not used of an entry. What jlist shows beside the definition is left alone.
func (a *appReader) rest() {
	if mode := a.text("exec_mode"); strings.HasPrefix(mode, "cluster") {
		a.ignored(a.line("exec_mode"), "Cluster mode: processes cannot share a port here; one process serves it.")
	}
	switch text := a.text("instances"); text {
	case "max", "0", "-1":
		a.ignored(a.line("instances"), "instances: %s: one service is made.", text)
	}
	for _, m := range a.settings.members() {
		reason, known := appReasons[m.name]
		off := m.scalar() == "false" || m.scalar() == "" && m.kind() != '[' && m.kind() != '{'
		switch {
		case off && m.name != "autorestart" || m.name == "autorestart" && !off:
		case a.listed && (m.name != "watch" && m.name != "cron_restart" && m.name != "max_memory_restart"):
		case known:
			a.ignored(m.line, "%s: %s", m.name, reason)
		case strings.HasPrefix(m.name, "env_"):
			a.ignored(m.line, "%s: only “env” is used. Choose its values by hand.", clip(m.name))
		case !slices.Contains(understood, m.name):
			a.ignored(m.line, "%s: this is not known.", clip(m.name))
		}
	}
}

// fromJSON reads a text that upkeep wrote; anything else is itself.
func fromJSON(text string) string {
	var s string
	if json.Unmarshal([]byte(text), &s) != nil {
		return text
	}
	return s
}
