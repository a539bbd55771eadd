package exchange

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"upkeep/internal/panel"
)

// maxInstances is how many services one program may become.
const maxInstances = 20

// readSupervisord reads a configuration of supervisord: each program becomes one service, or several.
func readSupervisord(r *reading) {
	sections := r.sections(supervisordDialect)
	if len(r.problems) > 0 {
		return
	}
	for _, s := range sections {
		if r.full() {
			return
		}
		kind, name, _ := strings.Cut(s.name, ":")
		switch kind {
		case "program", "fcgi-program":
			r.program(s, name)
		case "eventlistener":
			r.remark(panel.RemarkIgnored, s.line, "[%s]: event listeners talk to supervisord; upkeep has no such events.", clip(s.name))
		case "group":
			r.remark(panel.RemarkIgnored, s.line, "[%s]: there are no groups; each program is a service of its own.", clip(s.name))
		case "include":
			r.remark(panel.RemarkIgnored, s.line, "[include]: other files are not read. Import them one by one.")
		case "supervisord", "supervisorctl", "unix_http_server", "inet_http_server", "rpcinterface":
			r.remark(panel.RemarkIgnored, s.line, "[%s] is about supervisord itself.", clip(s.name))
		default:
			r.remark(panel.RemarkIgnored, s.line, "[%s] is not known.", clip(s.name))
		}
	}
}

// program makes the services of one section.
func (r *reading) program(s section, name string) {
	count, first := instances(s)
	for i := range max(1, min(count, maxInstances)) {
		p := &programReader{draft: r.draft(s.line), name: strings.TrimSpace(name), number: first + i, count: count}
		p.read(s)
		if count > 1 {
			p.Name = numbered(p.Name, i+1)
			p.AnyPort, p.Port = p.AnyPort || p.Port != 0, 0 // two programs cannot have the same
		}
		if count > maxInstances {
			p.refused(s.line, "numprocs=%d: at most %d services can be made of one program.", count, maxInstances)
		}
		r.add(p.draft)
	}
}

// instances returns how many processes a section asks for, and the number of the first.
func instances(s section) (count, first int) {
	text, _ := s.value("numprocs")
	count, err := strconv.Atoi(text)
	if err != nil || count < 1 {
		count = 1
	}
	text, _ = s.value("numprocs_start")
	first, err = strconv.Atoi(text)
	if err != nil {
		first = 0
	}
	return count, first
}

// numbered is the name of one of several services.
func numbered(name string, n int) string {
	tail := fmt.Sprintf("-%d", n)
	return name[:min(len(name), panel.MaxNameBytes-len(tail))] + tail
}

// programReader is one process of a program being read.
type programReader struct {
	*draft
	name   string
	number int
	count  int
	own    bool // upkeep wrote the section
	extra  string
}

func (p *programReader) read(s section) {
	p.setName(s.line, p.name)
	if strings.HasPrefix(s.name, "fcgi-program:") {
		p.refused(s.line, "FastCGI programs get their socket from supervisord; services open theirs themselves.")
	}
	for _, e := range s.entries {
		p.key(e)
	}
	p.environment(s)
	if _, line := s.value("command"); line == 0 {
		p.refused(s.line, "There is no command.")
	}
	if p.count > 1 {
		_, line := s.value("numprocs")
		p.mapped(line, "numprocs=%d becomes %d services; this is process %d.", p.count, min(p.count, maxInstances), p.number)
	}
}

// key reads everything but the environment, for which the others must be known.
func (p *programReader) key(e entry) {
	switch e.key {
	case "command":
		p.command(e)
	case "directory":
		if dir, ok := p.expand(e); ok {
			p.setDirectory(e.line, dir)
		}
	case "environment", "numprocs", "numprocs_start", "process_name":
	case "upkeep_port":
		p.own, p.Port = true, portOf(e.value)
	case "upkeep_note":
		p.Annotation = fromJSON(e.value)
	case "upkeep_directory":
		p.setDirectory(e.line, fromJSON(e.value))
	case "upkeep_environment":
		p.extra = fromJSON(e.value)
	case "user":
		if e.value != p.acct.UnixUser {
			p.ignored(e.line, "user=%s: services run as the user of their account, %s.", clip(e.value), p.acct.UnixUser)
		}
	case "autorestart":
		p.autorestart(e)
	default:
		p.other(e)
	}
}

func (p *programReader) command(e entry) {
	text, ok := p.expand(e)
	if !ok {
		return
	}
	words, err := splitWords(text)
	if err != nil {
		p.refused(e.line, "The command cannot be read: %v.", err)
		return
	}
	p.setWords(e.line, words)
}

func (p *programReader) autorestart(e entry) {
	switch strings.ToLower(e.value) {
	case "true", "yes", "on", "1":
	case "unexpected":
		p.ignored(e.line, "autorestart=unexpected: upkeep starts every program again, whatever its exit status. Exit status 0 after a minute or more is no failure; before that it is one.")
	default:
		p.ignored(e.line, "autorestart=%s: a service is a program that stays; upkeep always starts it again.", clip(e.value))
	}
}

// programReasons say why keys of a program are ignored.
var programReasons = map[string]string{
	"priority":        "services of upkeep do not wait for one another.",
	"autostart":       "what is imported is paused until somebody resumes it.",
	"startsecs":       "a program counts as running once it has stayed for a second.",
	"startretries":    "the failure budget of the host holds.",
	"exitcodes":       "upkeep starts every program again, whatever its exit status.",
	"stopsignal":      "upkeep stops with SIGTERM, and kills what is left after a while.",
	"stopwaitsecs":    "the host’s stop timeout holds, 10 s unless it was changed.",
	"redirect_stderr": "both outputs go to the log of the service.",
	"umask":           "the umask is 027.",
	"serverurl":       "there is no supervisord to talk to.",
	"socket":          "services open their sockets themselves.",
}

// programSilent are keys that say what upkeep does anyway, beside those that are about log files.
var programSilent = map[string]string{"stopsignal": "TERM", "stopwaitsecs": "10", "startsecs": "1", "redirect_stderr": "true",
	"stopasgroup": "true", "killasgroup": "true", "autostart": "true"}

func (p *programReader) other(e entry) {
	if programSilent[e.key] == e.value || e.key == "stopasgroup" || e.key == "killasgroup" {
		return
	}
	reason := programReasons[e.key]
	switch {
	case reason != "":
	case strings.HasPrefix(e.key, "stdout_"), strings.HasPrefix(e.key, "stderr_"):
		reason = "output goes to the log of the service."
	default:
		reason = "this is not known."
	}
	p.ignored(e.line, "%s=%s: %s", clip(e.key), clip(e.value), reason)
}

var expansion = regexp.MustCompile(`%%|%\(([^)]*)\)(0?\d*[ds])|%`)

// expand replaces %(name)s and the like. What is not known here refuses the draft.
func (p *programReader) expand(e entry) (string, bool) {
	ok := true
	text := expansion.ReplaceAllStringFunc(e.value, func(found string) string {
		if found == "%%" {
			return "%"
		}
		m := expansion.FindStringSubmatch(found)
		value, known := p.expansion(m[1], m[2])
		if !known && ok {
			p.refused(e.line, "%s: %s stands for something that only supervisord knows. Write its value into the file and look again.", e.key, found)
		}
		ok = ok && known
		return value
	})
	return text, ok
}

func (p *programReader) expansion(name, verb string) (string, bool) {
	switch name {
	case "program_name", "group_name":
		return p.name, true
	case "process_num":
		if strings.HasSuffix(verb, "s") {
			return strconv.Itoa(p.number), true
		}
		return fmt.Sprintf("%"+verb, p.number), true
	case "numprocs":
		return strconv.Itoa(p.count), true
	case "ENV_HOME":
		return strings.TrimSuffix(p.acct.Home, "/"), true
	case "ENV_USER", "ENV_LOGNAME":
		return p.acct.UnixUser, true
	}
	return "", false
}
