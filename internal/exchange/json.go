package exchange

import (
	"strconv"
	"strings"

	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

// version of upkeep's own format.
const version = 1

// ownFile is upkeep's own format: definitions as they were typed.
type ownFile struct {
	Upkeep   int          `json:"upkeep"`
	Services []ownService `json:"services"`
}

type ownService struct {
	Name        string `json:"name"`
	Command     string `json:"command"`
	Directory   string `json:"directory,omitempty"`
	Environment string `json:"environment,omitempty"`
	Port        int    `json:"port,omitempty"`
	Annotation  string `json:"annotation,omitempty"`
}

// readJSON reads upkeep's own format.
func readJSON(r *reading) {
	root, ok := r.json()
	if !ok {
		return
	}
	n := root.get("upkeep")
	switch v, err := strconv.Atoi(n.scalar()); {
	case root.kind() != '{' || n.raw == nil:
		r.problem(root.line, "This is no export of upkeep: it has no “upkeep” with the version of its format.")
	case err != nil || v != version:
		r.problem(n.line, "The format has the version %s; this upkeep reads version %d.", clip(string(n.raw)), version)
	case root.get("services").kind() != '[':
		r.problem(root.line, "There is no list “services”.")
	default:
		for _, item := range root.get("services").items() {
			if r.full() {
				return
			}
			r.own(item)
		}
	}
}

// own reads one service as it was typed.
func (r *reading) own(n node) {
	if n.kind() != '{' {
		r.problem(n.line, "This is no service in braces.")
		return
	}
	d := r.draft(n.line)
	for _, m := range n.members() {
		switch text := m.scalar(); m.name {
		case "name":
			d.setName(m.line, text)
		case "command":
			d.setCommand(m.line, text)
		case "directory":
			d.setDirectory(m.line, text)
		case "environment":
			d.Environment = text
			if _, err := environment.Parse(text); err != nil {
				d.refused(m.line, "The environment cannot be used: %s.", strings.ReplaceAll(err.Error(), "\n", "; "))
			}
		case "port":
			d.ownPort(m)
		case "annotation":
			d.Annotation = text
		default:
			d.ignored(m.line, "%s: this is not known.", clip(m.name))
		}
	}
	if d.Command == "" {
		d.refused(n.line, "There is no command.")
	}
	if d.Name == "" {
		d.setName(n.line, "service")
	}
	r.add(d)
}

func (d *draft) ownPort(n node) {
	d.Port = portOf(n.scalar())
	if d.Port == 0 && n.scalar() != "0" {
		d.AnyPort = true
		d.mapped(n.line, "%s is no port from %d to %d, so another one is proposed.", clip(string(n.raw)), panel.MinPort, panel.MaxPort)
	}
}

// portOf reads a port that a service can have; 0 for anything else.
func portOf(text string) int {
	port, err := strconv.Atoi(text)
	if err != nil || port < panel.MinPort || port > panel.MaxPort {
		return 0
	}
	return port
}
