package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"upkeep/internal/catalogue"
	"upkeep/internal/panel"
	"upkeep/templates"
)

// noNumber is the port of a form whose port is no number.
const noNumber = -1

// readServiceForm returns what was posted, as it is and as the form shows it again.
func readServiceForm(c echo.Context) (form, templates.ServiceForm, error) {
	f, err := readForm(c)
	if err != nil {
		return nil, templates.ServiceForm{}, err
	}
	version, err := strconv.Atoi(f.get("version"))
	if err != nil {
		version = 0
	}
	paused := f.get("paused")
	return f, templates.ServiceForm{
		Chosen: startedFrom(f.get("template")),
		Name:   f.get("name"), Command: f.get("command"), Directory: f.get("directory"),
		Environment: f.get("environment"), Port: f.get("port"), Annotation: f.get("annotation"),
		Monitoring: f.get("monitoring"), MonitoringInterval: f.get("monitoring_interval"),
		MonitoringTimeout: f.get("monitoring_timeout"), MonitoringFailures: f.get("monitoring_failures"),
		MonitoringGrace: f.get("monitoring_grace"), BudgetFailures: f.get("budget_failures"),
		BudgetWindow: f.get("budget_window"), BudgetProbation: f.get("budget_probation"),
		Paused:  paused != "" && paused != "0" && paused != "false" && paused != "off",
		Version: version,
	}, nil
}

// startedFrom is the template whose advice goes on standing above the form; nil for none.
func startedFrom(id string) *panel.Template {
	t, ok := catalogue.Find(id)
	if !ok {
		return nil
	}
	return &t
}

// serviceFields are the fields of the form that a person types, with their names on the page and their limits.
var serviceFields = []struct {
	field, label string
	maxBytes     int
	value        func(*templates.ServiceForm) *string
}{
	{"name", "name", panel.MaxNameBytes, func(f *templates.ServiceForm) *string { return &f.Name }},
	{"command", "command", panel.MaxCommandBytes, func(f *templates.ServiceForm) *string { return &f.Command }},
	{"directory", "working directory", panel.MaxDirectoryBytes,
		func(f *templates.ServiceForm) *string { return &f.Directory }},
	{"environment", "environment", panel.MaxEnvironmentBytes,
		func(f *templates.ServiceForm) *string { return &f.Environment }},
	{"port", "port", 20, func(f *templates.ServiceForm) *string { return &f.Port }},
	{"annotation", "annotation", panel.MaxAnnotationRunes * utf8.UTFMax,
		func(f *templates.ServiceForm) *string { return &f.Annotation }},
	{"monitoring", "monitoring command", panel.MaxCommandBytes,
		func(f *templates.ServiceForm) *string { return &f.Monitoring }},
	{"monitoring_interval", "interval", 20, func(f *templates.ServiceForm) *string { return &f.MonitoringInterval }},
	{"monitoring_timeout", "time limit", 20, func(f *templates.ServiceForm) *string { return &f.MonitoringTimeout }},
	{"monitoring_failures", "number of failures", 20,
		func(f *templates.ServiceForm) *string { return &f.MonitoringFailures }},
	{"monitoring_grace", "time before the first check", 20,
		func(f *templates.ServiceForm) *string { return &f.MonitoringGrace }},
	{"budget_failures", "number of failures", 20, func(f *templates.ServiceForm) *string { return &f.BudgetFailures }},
	{"budget_window", "window", 20, func(f *templates.ServiceForm) *string { return &f.BudgetWindow }},
	{"budget_probation", "time between tries", 20,
		func(f *templates.ServiceForm) *string { return &f.BudgetProbation }},
}

// flaws says which fields hold what no keyboard types. Such text must not even reach a message.
func (f form) flaws() error {
	var wrong panel.ValidationError
	for _, name := range f.flawed() {
		wrong.Set(name, "This holds a NUL byte, or bytes that are not UTF-8 text. Type it again.")
	}
	return wrong.Err()
}

// shorten cuts fields that are far too long: nobody typed them, and the page would carry them back and forth.
// Fields that are merely too long stay whole, to be shortened by whoever typed them.
func shorten(form *templates.ServiceForm) {
	for _, s := range serviceFields {
		value := s.value(form)
		*value = strings.ReplaceAll(strings.ToValidUTF8(*value, "\ufffd"), "\x00", "\ufffd")
		if n := len(*value); n > 2*s.maxBytes {
			*value = clip(*value, s.maxBytes)
			form.Errors[s.field] = fmt.Sprintf(
				"The %s is %d bytes long; at most %d are possible. Only its beginning was kept.", s.label, n, s.maxBytes)
		}
	}
}

// definition is what the form asks for.
func definition(f templates.ServiceForm) panel.Definition {
	def := panel.Definition{
		Name: f.Name, Command: f.Command, Directory: f.Directory, Environment: f.Environment, Annotation: f.Annotation,
	}
	if text := strings.TrimSpace(f.Port); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil || port == 0 {
			port = noNumber
		}
		def.Port = port
	}
	def.Monitoring = panel.Monitoring{Command: f.Monitoring, Interval: duration(f.MonitoringInterval),
		Timeout: duration(f.MonitoringTimeout), Failures: number(f.MonitoringFailures), Grace: duration(f.MonitoringGrace)}
	def.Budget = panel.Budget{Failures: number(f.BudgetFailures), Window: duration(f.BudgetWindow),
		Probation: duration(f.BudgetProbation)}
	return def
}

// duration reads a time as people type it: seconds, or a number with a unit such as 30s, 5m or 1h30m. Nothing is
// zero, and what is no time, or none that lasts, is noNumber.
func duration(text string) time.Duration {
	text = strings.ReplaceAll(text, " ", "")
	if text == "" {
		return 0
	}
	if seconds, err := strconv.Atoi(text); err == nil {
		text = strconv.Itoa(seconds) + "s"
	}
	d, err := time.ParseDuration(strings.Replace(text, "min", "m", 1))
	if err != nil || d <= 0 {
		return noNumber
	}
	return d.Round(time.Millisecond)
}

// number reads a number above zero; nothing is zero, and everything else noNumber.
func number(text string) int {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n == 0 {
		return noNumber
	}
	return n
}

// durationText is how the form shows a time: as it would be typed.
func durationText(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return d.String()
}

func numberText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// formOf is the form for a service as it is stored.
func formOf(svc panel.Service) templates.ServiceForm {
	f := templates.ServiceForm{
		Name: svc.Name, Command: svc.Command, Directory: svc.Directory, Environment: svc.Environment,
		Annotation: svc.Annotation, Paused: svc.Wanted == panel.WantedPaused,
		Version: svc.Version, Existing: svc.Name,
	}
	f.Port = numberText(svc.Port)
	m, b := svc.Monitoring, svc.Budget
	f.Monitoring, f.MonitoringInterval, f.MonitoringTimeout = m.Command, durationText(m.Interval), durationText(m.Timeout)
	f.MonitoringFailures, f.MonitoringGrace = numberText(m.Failures), durationText(m.Grace)
	f.BudgetFailures, f.BudgetWindow = numberText(b.Failures), durationText(b.Window)
	f.BudgetProbation = durationText(b.Probation)
	return f
}
