package exchange

import (
	"strconv"
	"strings"
	"time"

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

	// Times such as "30s"; what is left out is the host's.
	Monitoring         string `json:"monitoring,omitempty"`
	MonitoringInterval string `json:"monitoring_interval,omitempty"`
	MonitoringTimeout  string `json:"monitoring_timeout,omitempty"`
	MonitoringFailures int    `json:"monitoring_failures,omitempty"`
	MonitoringGrace    string `json:"monitoring_grace,omitempty"`
	BudgetFailures     int    `json:"budget_failures,omitempty"`
	BudgetWindow       string `json:"budget_window,omitempty"`
	BudgetProbation    string `json:"budget_probation,omitempty"`
}

// ownOf is a definition in upkeep's own format.
func ownOf(def panel.Definition) ownService {
	m, b := def.Monitoring, def.Budget
	return ownService{
		Name: def.Name, Command: def.Command, Directory: def.Directory, Environment: def.Environment, Port: def.Port,
		Annotation: def.Annotation, Monitoring: m.Command, MonitoringInterval: span(m.Interval),
		MonitoringTimeout: span(m.Timeout), MonitoringFailures: m.Failures, MonitoringGrace: span(m.Grace),
		BudgetFailures: b.Failures, BudgetWindow: span(b.Window), BudgetProbation: span(b.Probation),
	}
}

// span writes a time; nothing for none.
func span(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
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
		case "monitoring":
			d.Monitoring.Command = text
		default:
			d.ownOption(m, text)
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

// ownOption reads a time or a number that may be left to the host.
func (d *draft) ownOption(n node, text string) {
	times := map[string]*time.Duration{
		"monitoring_interval": &d.Monitoring.Interval, "monitoring_timeout": &d.Monitoring.Timeout,
		"monitoring_grace": &d.Monitoring.Grace, "budget_window": &d.Budget.Window, "budget_probation": &d.Budget.Probation,
	}
	numbers := map[string]*int{"monitoring_failures": &d.Monitoring.Failures, "budget_failures": &d.Budget.Failures}
	var err error
	switch {
	case times[n.name] != nil:
		*times[n.name], err = time.ParseDuration(text)
	case numbers[n.name] != nil:
		*numbers[n.name], err = strconv.Atoi(text)
	default:
		d.ignored(n.line, "%s: this is not known.", clip(n.name))
	}
	if err != nil {
		d.refused(n.line, "%s: %s cannot be read.", clip(n.name), clip(string(n.raw)))
	}
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
