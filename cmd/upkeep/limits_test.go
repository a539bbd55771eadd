package main

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
)

func TestMemoryOf(t *testing.T) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	page := int64(os.Getpagesize())
	quarter := int64(info.Totalram) * int64(info.Unit) / 100 * 25 / page * page
	for text, want := range map[string]int64{
		"0": 0, "512MiB": 512 << 20, "1 GiB": 1 << 30, "8388608": 8 << 20, "25%": quarter, "0%": 0,
		"8388609": 8 << 20, // whole pages
	} {
		if got, err := memoryOf("limit_account_memory", text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "much", "-1", "101%", "-5%", "2.5%", "512", "1KiB", "20EiB"} {
		if got, err := memoryOf("limit_account_memory", text); err == nil || !strings.HasPrefix(err.Error(), "limit_account_memory: ") {
			t.Errorf("%q: %d, %v; want an error with the name", text, got, err)
		}
	}
}

func TestLimitsAreRefused(t *testing.T) {
	for _, flag := range []string{"--limit-account-processes=-1", "--limit-service-cpu-percent=-1",
		"--limit-service-open-files=-1", "--limit-account-cpu-weight=0", "--limit-service-cpu-weight=10001",
		"--limit-service-memory=lots"} {
		emptyConfig(t)
		if _, err := read(t, flag); err == nil || !strings.HasPrefix(err.Error(), "settings: limit") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestLimitsArePutTogether(t *testing.T) {
	emptyConfig(t)
	s, err := read(t, "--limit-account-memory=1GiB", "--limit-service-memory=64MiB", "--limit-account-cpu-percent=150")
	if err != nil {
		t.Fatal(err)
	}
	account, service, err := s.limits()
	if err != nil {
		t.Fatal(err)
	}
	if account.Memory != 1<<30 || account.CPUPercent != 150 || account.Processes != 1024 || account.CPUWeight != 100 {
		t.Errorf("account %+v", account)
	}
	if service.Memory != 64<<20 || service.CPUPercent != 0 || service.Processes != 512 || service.OpenFiles != 1<<16 {
		t.Errorf("service %+v", service)
	}
}

// What is set is kept, where the machine can, and the page says so. A service that takes too much says why it ended.
func TestLimitsOfTheHost(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, in *installation) {
		account := "upkeep-limits-" + strconv.Itoa(os.Getpid())
		d := in.serve("--limit-account-memory", "128MiB", "--limit-account-processes", "99", "--limit-service-open-files", "2048",
			"--budget-failures", "1")
		in.newAccounts(account)
		in.run(testPassword, "user", "create", "--password-stdin", "--account", account, "alice@example.net")
		b := d.browser()
		b.SignIn("alice@example.net", testPassword).WantStatus(http.StatusOK)
		addService(b, account, "sleeper", "sleep 1000")
		pid := mainProcess(t, b, account, "sleeper")
		kept := cgroup.Look(0)
		if in.uid != os.Geteuid() { // who may make no groups here
			kept = panel.Enforcement{}
		}
		page := b.Get("/accounts/"+account+"/services/sleeper").WantText("#limits", "ach process 2048 open files.")
		if kept.Memory && kept.Processes {
			page.WantText("#limits", "512 processes; the account 134 MB of memory, 99 processes")
			page.WantText("#limits", "Kept by control groups")
		} else {
			page.WantText("#limits", "Nothing limits memory")
		}
		limits, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits")
		if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max open files 1024 2048 files") {
			t.Errorf("limits of the process: %s, %v", limits, err)
		}
		if !kept.Memory {
			return
		}
		addService(b, account, "greedy", "head -c 1G /dev/zero | tail")
		eventually(t, "the service is disabled", func() bool { return states(b, account)["greedy"] == "disabled" })
		b.Get("/accounts/"+account+"/services/greedy").WantText(".why", "out of memory").
			WantText(".why", "All services of the account together may use 134 MB.")
		if !alive(pid) {
			t.Error("the modest service is gone")
		}
	})
}
