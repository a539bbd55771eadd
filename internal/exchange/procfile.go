package exchange

import (
	"regexp"
	"strings"

	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

var scaling = regexp.MustCompile(`^[A-Za-z0-9_-]+=\d+(\s*,?\s*[A-Za-z0-9_-]+=\d+)*$`)

// readProcfile reads lines of the form "name: command". Every process gets a port, as foreman and Heroku do it; web
// comes first.
func readProcfile(r *reading) {
	number := 0
	for line := range strings.Lines(r.text) {
		if r.full() {
			return
		}
		number++
		line = strings.TrimSpace(line)
		m := procfileLine.FindStringSubmatch(line)
		switch {
		case line == "" || line[0] == '#':
		case scaling.MatchString(line):
			r.remark(panel.RemarkIgnored, number, "Numbers of processes are not kept: each line becomes one service.")
		case m == nil:
			r.problem(number, "%q is not of the form “name: command”.", clip(line))
		case m[1] == "release":
			r.remark(panel.RemarkIgnored, number, "“release” runs once with each new version; a service runs all the time.")
		default:
			r.process(number, m[1], m[2])
		}
	}
}

func (r *reading) process(line int, name, command string) {
	d := r.draft(line)
	d.setName(line, name)
	d.setCommand(line, command)
	d.AnyPort = true
	if d.Name == "web" {
		r.Drafts = append([]panel.Draft{d.Draft}, r.Drafts...)
		return
	}
	r.add(d)
}

// readDotenv reads the environment of one service. The file does not say how that is started: a person has to.
func readDotenv(r *reading) {
	vars, err := environment.Parse(r.text)
	if list, ok := err.(*environment.Error); ok {
		for _, p := range list.Problems {
			r.problem(p.Line, "This %s.", strings.TrimSuffix(p.Text, "."))
		}
		return
	}
	d := r.draft(1)
	d.Name = "app"
	d.mapped(0, "%d variables. The file does not say how the program is started: type its command.", len(vars))
	for _, v := range vars {
		if v.Reference {
			d.mapped(v.Line, "%s speaks of another variable. upkeep does not replace it: %s", v.Name, clip(v.Value))
		}
	}
	d.setVariables(vars, false)
	r.add(d)
}
