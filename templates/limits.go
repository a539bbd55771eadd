package templates

import (
	"strings"

	"upkeep/internal/panel"
)

// limitsText says in one line what a service may use.
func limitsText(l panel.HostLimits) string {
	var parts []string
	add := func(whose, what string) {
		if what != "" {
			parts = append(parts, whose+what)
		}
	}
	add("", kept(l.Service, l.Enforcement))
	account := l.Enforcement
	account.Processes = account.Processes || account.PerUser // the account's Unix user is counted
	add("the account ", kept(l.Account, account))
	if l.Service.OpenFiles > 0 {
		add("each process ", count(l.Service.OpenFiles, "open file"))
	}
	if len(parts) == 0 {
		return "None"
	}
	return sentence(strings.Join(parts, "; "))
}

// keptBy says by which means, or what is missing.
func keptBy(e panel.Enforcement) string {
	if !e.Memory || !e.CPU || !e.Processes {
		return e.Sentence()
	}
	if e.Rung == panel.RungV2 {
		return "Kept by control groups (v2)."
	}
	return "Kept by control groups (v1)."
}

// kept lists the limits that are kept.
func kept(l panel.Limits, e panel.Enforcement) string {
	var parts []string
	if l.Memory > 0 && e.Memory {
		parts = append(parts, Bytes(l.Memory)+" of memory")
	}
	if l.CPUPercent > 0 && e.CPU {
		parts = append(parts, Percent(float64(l.CPUPercent)/100)+" of a processor")
	}
	if l.Processes > 0 && e.Processes {
		parts = append(parts, count(l.Processes, "process"))
	}
	return strings.Join(parts, ", ")
}

// memoryText explains an end for memory to whoever has to do something about it.
func memoryText(l panel.HostLimits) string {
	var bounds []string
	if l.Memory && l.Service.Memory > 0 {
		bounds = append(bounds, "This service may use "+Bytes(l.Service.Memory)+".")
	}
	if l.Memory && l.Account.Memory > 0 {
		bounds = append(bounds, "All services of the account together may use "+Bytes(l.Account.Memory)+".")
	}
	if len(bounds) == 0 {
		bounds = append(bounds, "The machine itself had no memory left.")
	}
	return strings.Join(bounds, " ")
}
