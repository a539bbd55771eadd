package main

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
