package control

import (
	"context"
	"fmt"
	"time"

	"upkeep/internal/command"
	"upkeep/internal/panel"
)

// span is a time or a number that a definition may leave to the host by being zero.
type span struct {
	field    string
	value    time.Duration
	min, max time.Duration
}

// checkOptions refuses what is out of range in monitoring and budget.
func (c *Control) checkOptions(def panel.Definition, wrong *panel.ValidationError) {
	m, b := def.Monitoring, def.Budget
	if message := checkMonitoring(m.Command); message != "" {
		wrong.Set("monitoring", message)
	}
	for _, s := range []span{
		{"monitoring_interval", m.Interval, c.minInterval, panel.MaxInterval},
		{"monitoring_timeout", m.Timeout, time.Second, panel.MaxCheckTime},
		{"monitoring_grace", m.Grace, time.Second, panel.MaxGrace},
		{"budget_window", b.Window, panel.MinBudgetWindow, panel.MaxBudgetWindow},
		{"budget_probation", b.Probation, panel.MinProbation, panel.MaxProbation},
	} {
		if s.value != 0 && (s.value < s.min || s.value > s.max) {
			wrong.Set(s.field, fmt.Sprintf("Type a time such as 30s, 5m or 2h, from %s to %s, or nothing for the usual one.",
				short(s.min), short(s.max)))
		}
	}
	for field, n := range map[string]struct{ value, max int }{
		"monitoring_failures": {m.Failures, panel.MaxCheckFailures},
		"budget_failures":     {b.Failures, panel.MaxBudgetFailures},
	} {
		if n.value < 0 || n.value > n.max {
			wrong.Set(field, fmt.Sprintf("Type a number from 1 to %d, or nothing for the usual one.", n.max))
		}
	}
	if m.Interval > 0 && m.Timeout > m.Interval {
		wrong.Set("monitoring_timeout", "One check must end before the next one begins: give less time than the interval.")
	}
}

// short writes a time as one would type it.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

func checkMonitoring(text string) string {
	if text == "" {
		return ""
	}
	if len(text) > panel.MaxCommandBytes {
		return fmt.Sprintf("The command has %d bytes; at most %d are possible. Put it into a script and check with that.",
			len(text), panel.MaxCommandBytes)
	}
	if _, err := command.Parse(text); err != nil {
		return sentence(err)
	}
	return ""
}

// Try runs the monitoring command of a definition once, whether it is stored or not, and changes nothing. A
// definition that cannot be run is a [*panel.ValidationError].
func (c *Control) Try(ctx context.Context, acct panel.Account, def panel.Definition) (panel.Check, error) {
	def = clean(def)
	wrong := &panel.ValidationError{}
	if def.Monitoring.Command == "" {
		wrong.Set("monitoring", "Type a command that checks the service first, such as one of the examples.")
	}
	for field, message := range map[string]string{
		"monitoring":  checkMonitoring(def.Monitoring.Command),
		"environment": checkEnvironment(def.Environment),
	} {
		if message != "" {
			wrong.Set(field, message)
		}
	}
	dir, message := checkDirectory(acct.Home, def.Directory)
	if message != "" {
		wrong.Set("directory", message)
	}
	def.Directory = dir
	if def.Monitoring.Timeout < 0 || def.Monitoring.Timeout > panel.MaxCheckTime {
		def.Monitoring.Timeout = 0
	}
	if err := wrong.Err(); err != nil {
		return panel.Check{}, err
	}
	return c.engine.Check(ctx, panel.Service{Account: acct.ID, Definition: def}, acct)
}
