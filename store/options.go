package store

import (
	"time"

	"upkeep/internal/panel"
)

// optionColumns are what a definition may leave to the host, in services and in service_versions alike.
const (
	optionColumns = `monitoring, check_interval_ms, check_timeout_ms, check_failures, check_grace_ms, ` +
		`budget_failures, budget_window_ms, probation_ms`
	optionMarks = `?, ?, ?, ?, ?, ?, ?, ?`
)

func optionValues(d panel.Definition) []any {
	m, b := d.Monitoring, d.Budget
	return []any{m.Command, m.Interval.Milliseconds(), m.Timeout.Milliseconds(), m.Failures, m.Grace.Milliseconds(),
		b.Failures, b.Window.Milliseconds(), b.Probation.Milliseconds()}
}

// options are the columns as they are read.
type options struct {
	panel.Monitoring
	panel.Budget
	interval, timeout, grace, window, probation int64
}

func (o *options) targets() []any {
	return []any{&o.Monitoring.Command, &o.interval, &o.timeout, &o.Monitoring.Failures, &o.grace,
		&o.Budget.Failures, &o.window, &o.probation}
}

func (o *options) into(d *panel.Definition) {
	d.Monitoring, d.Budget = o.Monitoring, o.Budget
	for _, x := range []struct {
		ms int64
		to *time.Duration
	}{
		{o.interval, &d.Monitoring.Interval}, {o.timeout, &d.Monitoring.Timeout}, {o.grace, &d.Monitoring.Grace},
		{o.window, &d.Budget.Window}, {o.probation, &d.Budget.Probation},
	} {
		*x.to = time.Duration(x.ms) * time.Millisecond
	}
}
