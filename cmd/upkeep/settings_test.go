package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// read reads the settings as "upkeep serve" with these arguments would.
func read(t *testing.T, args ...string) (*settings, error) {
	t.Helper()
	serve, _, err := newRoot().Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return readSettings(serve.Flags())
}

// emptyConfig keeps a test from the settings of this machine, and returns the path of a file to write its own to.
func emptyConfig(t *testing.T) string {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "UPKEEP_") {
			t.Setenv(name, "")
		}
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("UPKEEP_CONFIG", path)
	return path
}

// everySetting gives each setting a value in the file, another in the environment, and a third by a flag.
var everySetting = []struct {
	key             string
	file, env, flag string
	get             func(*settings) any
	fallback        any
	ofFile          any
	ofEnv           any
	ofFlag          any
}{
	{"data", `"/file"`, "/env", "/flag", func(s *settings) any { return s.Data },
		nil, "/file", "/env", "/flag"},
	{"homes", `"/file"`, "/env", "/flag", func(s *settings) any { return s.Homes },
		nil, "/file", "/env", "/flag"},
	{"listen", `"file:1"`, "env:2", "flag:3", func(s *settings) any { return s.Listen },
		"localhost:8080", "file:1", "env:2", "flag:3"},
	{"domain", `"file.example"`, "env.example", "flag.example", func(s *settings) any { return s.Domain },
		"localhost", "file.example", "env.example", "flag.example"},
	{"secure", `true`, "false", "true", func(s *settings) any { return s.Secure },
		false, true, false, true},
	{"trusted_proxies", `["10.0.0.0/8"]`, "10.1.0.0/16,::1/128", "10.2.0.0/16", func(s *settings) any { return s.TrustedProxies },
		[]string{}, []string{"10.0.0.0/8"}, []string{"10.1.0.0/16", "::1/128"}, []string{"10.2.0.0/16"}},
	{"helper", `"/file"`, "/env", "/flag", func(s *settings) any { return s.Helper },
		nil, "/file", "/env", "/flag"},
	{"stop_timeout", `"1s"`, "2s", "3s", func(s *settings) any { return s.StopTimeout },
		10 * time.Second, time.Second, 2 * time.Second, 3 * time.Second},
	{"backoff", `["1s", "2s"]`, "3s,4s", "5s,6s", func(s *settings) any { return s.Backoff },
		panel.DefaultPolicy().Backoff, []time.Duration{time.Second, 2 * time.Second},
		[]time.Duration{3 * time.Second, 4 * time.Second}, []time.Duration{5 * time.Second, 6 * time.Second}},
	{"budget_failures", `1`, "2", "3", func(s *settings) any { return s.BudgetFailures },
		10, 1, 2, 3},
	{"budget_window", `"1m"`, "2m", "3m", func(s *settings) any { return s.BudgetWindow },
		5 * time.Minute, time.Minute, 2 * time.Minute, 3 * time.Minute},
	{"monitoring_interval_min", `"1s"`, "2s", "3s", func(s *settings) any { return s.MonitoringIntervalMin },
		10 * time.Second, time.Second, 2 * time.Second, 3 * time.Second},
	{"backup_keep", `1`, "2", "3", func(s *settings) any { return s.BackupKeep },
		14, 1, 2, 3},
	{"limit_account_memory", `"1GiB"`, "2GiB", "50%", func(s *settings) any { return s.LimitAccountMemory },
		"25%", "1GiB", "2GiB", "50%"},
	{"limit_account_processes", `1`, "2", "3", func(s *settings) any { return s.LimitAccountProcesses },
		1024, 1, 2, 3},
	{"limit_account_cpu_weight", `1`, "2", "3", func(s *settings) any { return s.LimitAccountCPUWeight },
		100, 1, 2, 3},
	{"limit_account_cpu_percent", `1`, "2", "3", func(s *settings) any { return s.LimitAccountCPUPercent },
		0, 1, 2, 3},
	{"limit_service_memory", `"1GiB"`, "2GiB", "50%", func(s *settings) any { return s.LimitServiceMemory },
		"0", "1GiB", "2GiB", "50%"},
	{"limit_service_processes", `1`, "2", "3", func(s *settings) any { return s.LimitServiceProcesses },
		512, 1, 2, 3},
	{"limit_service_cpu_weight", `1`, "2", "3", func(s *settings) any { return s.LimitServiceCPUWeight },
		100, 1, 2, 3},
	{"limit_service_cpu_percent", `1`, "2", "3", func(s *settings) any { return s.LimitServiceCPUPercent },
		0, 1, 2, 3},
	{"limit_service_open_files", `1`, "2", "3", func(s *settings) any { return s.LimitServiceOpenFiles },
		1 << 16, 1, 2, 3},
}

func TestSettingsComeFromTheStrongestSource(t *testing.T) {
	for _, c := range everySetting {
		t.Run(c.key, func(t *testing.T) {
			config := emptyConfig(t)
			want := func(source string, value any, args ...string) {
				t.Helper()
				s, err := read(t, args...)
				if err != nil {
					t.Fatal(err)
				}
				if got := c.get(s); value != nil && !reflect.DeepEqual(got, value) {
					t.Errorf("by %s: got %v, want %v", source, got, value)
				}
			}
			want("default", c.fallback)
			if err := os.WriteFile(config, []byte(c.key+" = "+c.file+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			want("file", c.ofFile)
			t.Setenv("UPKEEP_"+strings.ToUpper(c.key), c.env)
			want("environment", c.ofEnv)
			want("flag", c.ofFlag, "--"+strings.ReplaceAll(c.key, "_", "-")+"="+c.flag)
		})
	}
}

// TestSettingsAreAllTested keeps the table, the list of known keys and the fields of settings together.
func TestSettingsAreAllTested(t *testing.T) {
	var fields, tested []string
	for field := range reflect.TypeFor[settings]().Fields() {
		fields = append(fields, field.Tag.Get("koanf"))
	}
	for _, c := range everySetting {
		tested = append(tested, c.key)
		if !known(c.key) {
			t.Errorf("%s is not known", c.key)
		}
	}
	slices.Sort(fields)
	slices.Sort(tested)
	if !slices.Equal(fields, tested) {
		t.Errorf("the table tests %v, want %v", tested, fields)
	}
}

func TestSettingsAreCompleted(t *testing.T) {
	emptyConfig(t)
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s, err := read(t, "--data", "var", "--homes", "")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(here, "var"); s.Data != want {
		t.Errorf("data %q, want %q", s.Data, want)
	}
	if want := filepath.Join(here, "var", "homes"); s.Homes != want {
		t.Errorf("homes %q, want %q", s.Homes, want)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(self), "upkeep-helper"); s.Helper != want {
		t.Errorf("helper %q, want the one beside upkeep, %q", s.Helper, want)
	}
}

func TestDefaultPaths(t *testing.T) {
	emptyConfig(t)
	data, homes := "/var/lib/upkeep", "/home"
	if os.Geteuid() != 0 {
		t.Setenv("XDG_STATE_HOME", "/state")
		data, homes = "/state/upkeep", "/state/upkeep/homes"
	}
	s, err := read(t)
	if err != nil {
		t.Fatal(err)
	}
	if s.Data != data || s.Homes != homes {
		t.Errorf("data %q and homes %q, want %q and %q", s.Data, s.Homes, data, homes)
	}
}
