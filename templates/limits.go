package templates

import (
	"strings"

	"upkeep/internal/panel"
)

// limitsText says in one line what a service may use.
func limitsText(l panel.HostLimits) string {
	var parts []string
	add := func(before, what, behind string) {
		if what != "" {
			parts = append(parts, before+what+behind)
		}
	}
	add("up to ", kept(l.Service, l.Enforcement), "")
	account := l.Enforcement
	account.Processes = account.Processes || account.PerUser // the account's Unix user is counted
	add("together with the account's other services up to ", kept(l.Account, account), "")
	if l.Service.OpenFiles > 0 {
		add("", count(l.Service.OpenFiles, "open file"), " per process")
	}
	if len(parts) == 0 {
		return "None"
	}
	return sentence(strings.Join(parts, "; "))
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
