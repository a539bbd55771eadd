package panel

import (
	"strconv"
	"time"
)

// Version is a definition as somebody once saved it.
type Version struct {
	Number int // from 1
	Definition
	By Actor
	At time.Time
}

// Change is one field in which two definitions differ.
type Change struct {
	Field     string // as the form calls it
	From, Now string
}

// Changes lists the fields in which b differs from a, in the order of the form.
func Changes(a, b Definition) []Change {
	var found []Change
	before, after := a.fields(), b.fields()
	for i, f := range after {
		if f.Now != before[i].Now {
			found = append(found, Change{Field: f.Field, From: before[i].Now, Now: f.Now})
		}
	}
	return found
}

// fields writes a definition down, field by field.
func (d Definition) fields() []Change {
	m, b := d.Monitoring, d.Budget
	return []Change{
		{Field: "name", Now: d.Name}, {Field: "command", Now: d.Command}, {Field: "port", Now: numberOrNone(d.Port)},
		{Field: "annotation", Now: d.Annotation}, {Field: "directory", Now: d.Directory},
		{Field: "environment", Now: d.Environment}, {Field: "monitoring", Now: m.Command},
		{Field: "monitoring_interval", Now: timeOrNone(m.Interval)}, {Field: "monitoring_timeout", Now: timeOrNone(m.Timeout)},
		{Field: "monitoring_failures", Now: numberOrNone(m.Failures)}, {Field: "monitoring_grace", Now: timeOrNone(m.Grace)},
		{Field: "budget_failures", Now: numberOrNone(b.Failures)}, {Field: "budget_window", Now: timeOrNone(b.Window)},
		{Field: "budget_probation", Now: timeOrNone(b.Probation)},
	}
}

func timeOrNone(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func numberOrNone(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
