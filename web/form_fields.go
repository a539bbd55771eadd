package web

import (
	"fmt"
	"strconv"
	"strings"
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
	return def
}

// formOf is the form for a service as it is stored.
func formOf(svc panel.Service) templates.ServiceForm {
	f := templates.ServiceForm{
		Name: svc.Name, Command: svc.Command, Directory: svc.Directory, Environment: svc.Environment,
		Annotation: svc.Annotation, Paused: svc.Wanted == panel.WantedPaused,
		Version: svc.Version, Existing: svc.Name,
	}
	if svc.Port != 0 {
		f.Port = strconv.Itoa(svc.Port)
	}
	return f
}
