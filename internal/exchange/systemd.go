package exchange

import (
	"path"
	"strings"

	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

// ownSection of a unit holds what only upkeep knows. systemd skips sections whose names begin so.
const ownSection = "X-Upkeep"

// readSystemd reads one unit of a service.
func readSystemd(r *reading) {
	sections := r.sections(systemdDialect)
	if len(r.problems) > 0 {
		return
	}
	u := &unitReader{reading: r}
	for _, s := range sections {
		u.section(s)
	}
	if u.draft == nil {
		return
	}
	u.finish()
	r.add(u.draft)
}

// unitReader is a unit being read.
type unitReader struct {
	*reading
	*draft
	commands    []entry
	vars        []environment.Variable
	description string
	own         section
}

func (u *unitReader) section(s section) {
	switch {
	case s.name == "Service":
		u.draft = u.begin(s)
		for _, e := range s.entries {
			u.service(e)
		}
	case s.name == ownSection:
		u.own = s
	case s.name == "Unit":
		u.unit(s)
	case s.name == "Install" || strings.HasPrefix(s.name, "X-"):
	default:
		u.reading.remark(panel.RemarkIgnored, s.line, "[%s] is nothing that a service has; upkeep keeps programs up, and only that.", clip(s.name))
	}
}

// begin makes the draft; a second section of the name goes on with it.
func (u *unitReader) begin(s section) *draft {
	if u.draft != nil {
		return u.draft
	}
	return u.reading.draft(s.line)
}

func (u *unitReader) unit(s section) {
	for _, e := range s.entries {
		switch e.key {
		case "Description":
			u.description = strings.TrimSpace(e.value)
		case "After", "Before", "Wants", "Requires", "BindsTo", "PartOf", "Requisite", "Conflicts":
			u.reading.remark(panel.RemarkIgnored, e.line, "%s: services of upkeep do not wait for one another. A program has to try again until what it needs is there.", e.key)
		case "StartLimitIntervalSec", "StartLimitBurst":
			u.reading.remark(panel.RemarkIgnored, e.line, "%s: the failure budget of the host holds.", e.key)
		}
	}
}

// finish puts together what may stand anywhere in the section.
func (u *unitReader) finish() {
	d := u.draft
	port, portKnown := u.ownValues()
	d.Port = port
	switch len(u.commands) {
	case 0:
		d.refused(d.Line, "There is no ExecStart.")
	case 1:
		u.command(u.commands[0])
	default:
		d.refused(u.commands[1].line, "There are several commands. A service has one program that stays.")
	}
	d.setVariables(u.vars, portKnown)
	if d.Name == "" {
		d.setName(d.Line, u.name())
	}
	if d.Annotation == "" && u.own.line == 0 {
		d.Annotation = clipNote(strings.ReplaceAll(u.description, "%%", "%"))
	}
}

// ownValues reads what upkeep wrote into a unit of its own.
func (u *unitReader) ownValues() (port int, known bool) {
	if u.own.line == 0 {
		return 0, false
	}
	text := func(key string) string {
		value, _ := u.own.value(key)
		words, err := splitUnit(value)
		if err != nil || len(words) != 1 {
			return ""
		}
		return strings.ReplaceAll(words[0].text, "%%", "%")
	}
	if name := text("Name"); name != "" {
		u.draft.setName(u.own.line, name)
	}
	u.draft.Annotation = text("Note")
	return portOf(text("Port")), true
}

// name of a unit is that of its file, or else of its program.
func (u *unitReader) name() string {
	if name := strings.TrimSuffix(u.file, ".service"); name != "" && name != "." {
		return strings.TrimSuffix(name, "@")
	}
	words, err := splitWords(u.Command)
	if err != nil || len(words) == 0 {
		return "service"
	}
	name := path.Base(words[0])
	return strings.TrimSuffix(name, path.Ext(name))
}

// clipNote keeps what an annotation can hold.
func clipNote(text string) string {
	if r := []rune(text); len(r) > panel.MaxAnnotationRunes {
		return string(r[:panel.MaxAnnotationRunes])
	}
	return text
}
