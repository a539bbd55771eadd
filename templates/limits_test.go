package templates

import (
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func sampleLimits() panel.HostLimits {
	return panel.HostLimits{
		Account:     panel.Limits{Memory: 6e9, Processes: 1024},
		Service:     panel.Limits{Memory: 512e6, CPUPercent: 150, Processes: 512, OpenFiles: 65536},
		Enforcement: panel.Enforcement{Rung: panel.RungV1, Memory: true, CPU: true, Processes: true},
	}
}

func TestLimitsText(t *testing.T) {
	none := panel.Enforcement{Rung: panel.RungProcess}
	perUser := panel.Enforcement{Rung: panel.RungProcess, PerUser: true}
	all := sampleLimits().Enforcement
	for want, l := range map[string]panel.HostLimits{
		"512 MB of memory, 150 % of a processor, 512 processes; the account 6.0 GB of memory, 1024 processes; " +
			"each process 65536 open files.": sampleLimits(),
		"None":                           {Enforcement: all},
		"The account 3 processes.":       {Account: panel.Limits{Processes: 3}, Enforcement: all},
		"Each process 65536 open files.": {Account: sampleLimits().Account, Service: sampleLimits().Service, Enforcement: none},
		"The account 1024 processes; each process 65536 open files.": {
			Account: sampleLimits().Account, Service: sampleLimits().Service, Enforcement: perUser},
	} {
		if got := limitsText(l); got != want {
			t.Errorf("%+v:\n got %q\nwant %q", l, got, want)
		}
	}
}

func TestMemoryText(t *testing.T) {
	all := sampleLimits()
	account := all
	account.Service.Memory = 0
	unkept := all
	unkept.Enforcement = panel.Enforcement{}
	for want, l := range map[string]panel.HostLimits{
		"This service may use 512 MB. All services of the account together may use 6.0 GB.": all,
		"All services of the account together may use 6.0 GB.":                              account,
		"The machine itself had no memory left.":                                            unkept,
	} {
		if got := memoryText(l); got != want {
			t.Errorf("%+v:\n got %q\nwant %q", l, got, want)
		}
	}
}

// A service that ended for memory says so at each place, and what may be used.
func TestOutOfMemoryIsShown(t *testing.T) {
	v := sampleService(1)
	v.Status.LastExit = &panel.Exit{Kind: panel.EndSignaled, Signal: 9, OutOfMemory: true, Uptime: time.Minute}
	doc := render(t, ServicePage(samplePage("preview", "services"), v))
	got := text(doc.Find(".why"))
	for _, want := range []string{"killed after 1 min: out of memory", "It ran out of memory. This service may use 512 MB. All services"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}
