package exchange

import (
	"regexp"
	"strings"

	"upkeep/internal/environment"
)

// service reads one key of the section [Service].
func (u *unitReader) service(e entry) {
	d := u.draft
	switch e.key {
	case "ExecStart":
		u.commands = append(u.commands, e)
		if e.value == "" {
			u.commands = nil // an empty one takes the former ones back
		}
	case "Environment":
		u.environment(e)
	case "WorkingDirectory":
		u.directory(e)
	case "Type":
		u.kind(e)
	case "User":
		if e.value != d.acct.UnixUser {
			d.ignored(e.line, "User=%s: services run as the user of their account, %s.", clip(e.value), d.acct.UnixUser)
		}
	case "Restart":
		if e.value != "always" {
			d.ignored(e.line, "Restart=%s: upkeep starts every program again, whatever its exit status. Exit status 0 after a minute or more is no failure.", clip(e.value))
		}
	case "KillSignal":
		if e.value != "SIGTERM" && e.value != "TERM" {
			d.ignored(e.line, "KillSignal=%s: upkeep stops with SIGTERM, and kills what is left after a while.", clip(e.value))
		}
	case "ExecReload":
		if !hangUp.MatchString(e.value) {
			d.ignored(e.line, "ExecReload: “Restart” sends SIGHUP to the program and runs nothing.")
		}
	default:
		u.other(e)
	}
}

var hangUp = regexp.MustCompile(`^\S*kill\s+(-s\s+|-)(SIG)?(HUP|1)\s+\$(MAINPID|\{MAINPID\})$`)

// reasons say why keys of [Service] are ignored.
var reasons = map[string]string{
	"EnvironmentFile":  "the file is not read here. Paste its lines into the environment of the service.",
	"ExecStartPre":     "nothing runs before the program. Put both into the command: first && second.",
	"ExecStartPost":    "nothing runs after the start.",
	"ExecCondition":    "nothing runs before the program.",
	"ExecStop":         "upkeep stops with SIGTERM, and kills what is left after a while.",
	"ExecStopPost":     "nothing runs after the end of the program.",
	"RestartSec":       "the host’s delays hold: 0, 1, 2, 4 … 30 s.",
	"TimeoutStopSec":   "the host’s stop timeout holds, 10 s unless it was changed.",
	"TimeoutStartSec":  "a program counts as running once it has stayed for a second.",
	"TimeoutSec":       "the host’s stop timeout holds, 10 s unless it was changed.",
	"PIDFile":          "the program stays in the foreground, so its PID is known.",
	"RemainAfterExit":  "a service is a program that stays.",
	"StandardOutput":   "output goes to the log of the service.",
	"StandardError":    "output goes to the log of the service.",
	"SyslogIdentifier": "output goes to the log of the service.",
	"WatchdogSec":      "upkeep does not listen to READY=1 and WATCHDOG=1 yet.",
	"NotifyAccess":     "upkeep does not listen to READY=1 and WATCHDOG=1 yet.",
	"Group":            "services run with the groups of their account’s user.",
	"UMask":            "the umask is 027.",
}

// silent are keys that say what upkeep does anyway.
var silent = map[string]string{"KillMode": "control-group", "SendSIGKILL": "yes", "NoNewPrivileges": "yes"}

var truth = map[string]string{"true": "yes", "on": "yes", "1": "yes"}

func (u *unitReader) other(e entry) {
	value := strings.ToLower(e.value)
	if yes, ok := truth[value]; ok {
		value = yes
	}
	reason, known := reasons[e.key]
	switch {
	case strings.HasPrefix(e.key, "X-") || silent[e.key] == value:
	case known:
		u.draft.ignored(e.line, "%s: %s", e.key, reason)
	default:
		u.draft.ignored(e.line, "%s: limits, privileges and isolation are the host’s business.", clip(e.key))
	}
}

// kind is about how a program says that it has started.
func (u *unitReader) kind(e entry) {
	d := u.draft
	switch e.value {
	case "", "simple", "exec":
	case "notify", "notify-reload", "idle", "dbus":
		d.ignored(e.line, "Type=%s: upkeep does not wait for the program to say that it is ready; it counts as running once it has stayed for a second.", e.value)
	case "forking":
		d.refused(e.line, "Type=forking: this program leaves the foreground, and its main process ends at once. Services must stay in front: look for its option to do so (-f, --foreground, --no-daemon …), and change it and the type in the file.")
	case "oneshot":
		d.refused(e.line, "Type=oneshot: this program does its work and ends. That is a scheduled task, not a service.")
	default:
		d.refused(e.line, "Type=%s is not known.", clip(e.value))
	}
}

func (u *unitReader) environment(e entry) {
	if e.value == "" {
		u.vars = nil
		return
	}
	words, err := splitUnit(e.value)
	if err != nil {
		u.draft.refused(e.line, "Environment cannot be read: %v.", err)
		return
	}
	for _, w := range words {
		text, ok := u.specifiers(e.line, w.text)
		name, value, found := strings.Cut(text, "=")
		if !found && ok {
			u.draft.ignored(e.line, "%q has no = behind the name.", clip(text))
		}
		if found && ok {
			u.vars = append(u.vars, environment.Variable{Name: name, Value: value, Line: e.line})
		}
	}
}

func (u *unitReader) directory(e entry) {
	text := strings.TrimPrefix(e.value, "-")
	if len(text) > 1 && (text[0] == '"' || text[0] == '\'') {
		if words, err := splitUnit(text); err == nil && len(words) == 1 {
			text = words[0].text
		}
	}
	if dir, ok := u.specifiers(e.line, text); ok {
		u.draft.setDirectory(e.line, dir)
	}
}

// specifiers replaces %h and the like. What is not known here refuses the draft.
func (u *unitReader) specifiers(line int, text string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		i++
		letter := text[min(i, len(text)-1):][:1]
		value, ok := u.specifier(letter)
		if !ok {
			u.draft.refused(line, "%%%s stands for something that only systemd knows. Write its value into the file and look again.", letter)
			return "", false
		}
		b.WriteString(value)
	}
	return b.String(), true
}

func (u *unitReader) specifier(letter string) (string, bool) {
	prefix, instance, templated := strings.Cut(strings.TrimSuffix(u.file, ".service"), "@")
	switch letter {
	case "%":
		return "%", true
	case "h":
		return strings.TrimSuffix(u.draft.acct.Home, "/"), true
	case "u":
		return u.draft.acct.UnixUser, true
	case "n", "N", "p":
		value := map[string]string{"n": u.file, "N": strings.TrimSuffix(u.file, ".service"), "p": prefix}[letter]
		return value, value != ""
	case "i", "I":
		return instance, templated && instance != ""
	}
	return "", false
}
