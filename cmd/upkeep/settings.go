package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"upkeep/internal/panel"
)

// configFile is read when it exists and no other is named.
const configFile = "/etc/upkeep/config.toml"

// settings are everything that can be set, from (strongest first) a flag, a variable UPKEEP_…, the file, or the
// default.
type settings struct {
	Data           string   `koanf:"data"`            // directory of upkeep's own
	Homes          string   `koanf:"homes"`           // where homes of new accounts are made
	Listen         string   `koanf:"listen"`          // address of the panel
	Domain         string   `koanf:"domain"`          // services are reached at services-<account>.<domain>
	Secure         bool     `koanf:"secure"`          // browsers speak TLS, to a proxy in front
	TrustedProxies []string `koanf:"trusted_proxies"` // networks whose X-Forwarded-For is believed
	Helper         string   `koanf:"helper"`          // path of upkeep-helper

	StopTimeout    time.Duration   `koanf:"stop_timeout"`
	Backoff        []time.Duration `koanf:"backoff"`
	BudgetFailures int             `koanf:"budget_failures"`
	BudgetWindow   time.Duration   `koanf:"budget_window"`

	MonitoringIntervalMin time.Duration `koanf:"monitoring_interval_min"`
	BackupKeep            int           `koanf:"backup_keep"` // nightly backups that stay; 0: none are made
	// Limits of an account, which are those of all its services together, and of each service. 0 is no limit.
	LimitAccountMemory     string `koanf:"limit_account_memory"` // "512MiB", or a share of the machine's: "25%"
	LimitAccountProcesses  int    `koanf:"limit_account_processes"`
	LimitAccountCPUWeight  int    `koanf:"limit_account_cpu_weight"`
	LimitAccountCPUPercent int    `koanf:"limit_account_cpu_percent"`
	LimitServiceMemory     string `koanf:"limit_service_memory"`
	LimitServiceProcesses  int    `koanf:"limit_service_processes"`
	LimitServiceCPUWeight  int    `koanf:"limit_service_cpu_weight"`
	LimitServiceCPUPercent int    `koanf:"limit_service_cpu_percent"`
	LimitServiceOpenFiles  int    `koanf:"limit_service_open_files"`
}

// addSettings declares the flags. Their defaults are the defaults of the settings.
func addSettings(f *pflag.FlagSet) {
	p := panel.DefaultPolicy()
	data, homes := defaultPaths()
	f.String("config", "", "settings file (default "+configFile+" when it exists)")
	f.String("data", data, "directory for the database and everything else of upkeep's own")
	f.String("homes", homes, "directory for the homes of accounts; DATA/homes without root")
	f.String("domain", "localhost", "services are reached at services-<account>.<domain>")
	f.String("helper", "", "path of upkeep-helper (default: beside upkeep)")
	f.Duration("stop-timeout", p.StopTimeout, "between SIGTERM and the kill of a service")
	f.DurationSlice("backoff", p.Backoff, "delays between the starts of a failing service")
	f.Int("budget-failures", p.BudgetLimit, "failures within the budget's window that disable a service")
	f.Int("backup-keep", 14, "nightly backups that are kept; 0 makes none")
	f.Duration("budget-window", p.BudgetWindow, "window of the failure budget")
	f.Duration("monitoring-interval-min", panel.MinInterval, "shortest time between two checks that a customer may choose")
	addLimits(f)
}

// defaultPaths are for a host when root, and for a person otherwise.
func defaultPaths() (data, homes string) {
	if os.Geteuid() == 0 {
		return "/var/lib/upkeep", "/home"
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "upkeep"), ""
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "."
	}
	return filepath.Join(home, ".local/state/upkeep"), ""
}

// notSettings are flags that only steer one command.
var notSettings = map[string]bool{"config": true, "help": true, "version": true, "demo": true,
	"password-stdin": true, "account": true, "admin": true, "unix-user": true, "force": true, "json": true}

// readSettings puts the sources together.
func readSettings(flags *pflag.FlagSet) (*settings, error) {
	k := koanf.New(".")
	if err := readFile(k, flags); err != nil {
		return nil, err
	}
	fromEnv := env.Provider(".", env.Opt{Prefix: "UPKEEP_", TransformFunc: envKey})
	if err := k.Load(fromEnv, nil); err != nil {
		return nil, fmt.Errorf("settings from the environment: %w", err)
	}
	fromFlags := posflag.ProviderWithFlag(flags, ".", k, func(f *pflag.Flag) (string, any) {
		if notSettings[f.Name] {
			return "", nil
		}
		return strings.ReplaceAll(f.Name, "-", "_"), posflag.FlagVal(flags, f)
	})
	if err := k.Load(fromFlags, nil); err != nil {
		return nil, fmt.Errorf("settings from flags: %w", err)
	}
	var s settings
	if err := k.Unmarshal("", &s); err != nil {
		return nil, &exitError{notDecoded(err), exitInvalid}
	}
	return &s, s.complete()
}

// notDecoded names the setting whose value is of the wrong kind; the decoder itself would say so in four lines.
func notDecoded(err error) error {
	var wrong *mapstructure.DecodeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("settings: %s: %w", wrong.Name(), wrong.Unwrap())
	}
	return fmt.Errorf("settings: %w", err)
}

func envKey(name, value string) (string, any) {
	key := strings.ToLower(strings.TrimPrefix(name, "UPKEEP_"))
	switch {
	case key == "config" || !known(key) || value == "": // a variable that is empty is as good as none
		return "", nil
	case key == "backoff" || key == "trusted_proxies":
		return key, strings.Split(value, ",")
	}
	return key, value
}

// readFile reads the settings file. A key that is not known is an error: it is a typing mistake, and silence
// would hide it.
func readFile(k *koanf.Koanf, flags *pflag.FlagSet) error {
	path, err := flags.GetString("config")
	if err != nil {
		return err
	}
	if path == "" {
		path = os.Getenv("UPKEEP_CONFIG")
	}
	if path == "" {
		if _, err := os.Stat(configFile); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		path = configFile
	}
	if err := k.Load(file.Provider(path), toml.Parser()); err != nil {
		return fmt.Errorf("settings file %s: %w", path, err)
	}
	for _, key := range k.Keys() {
		if !known(key) {
			return &exitError{fmt.Errorf("settings file %s: there is no setting %q", path, key), exitInvalid}
		}
	}
	return nil
}

// known reports whether a setting of that name exists.
func known(key string) bool {
	switch key {
	case "data", "homes", "listen", "domain", "secure", "trusted_proxies", "helper",
		"stop_timeout", "backoff", "budget_failures", "budget_window", "monitoring_interval_min", "backup_keep":
		return true
	}
	return knownLimit(key)
}

// complete makes paths absolute, fills in what depends on other settings, and refuses what cannot be.
func (s *settings) complete() (err error) {
	if s.Data == "" || s.Domain == "" {
		return &exitError{errors.New("settings: data and domain must not be empty"), exitInvalid}
	}
	if s.Data, err = filepath.Abs(s.Data); err != nil {
		return err
	}
	if s.Homes == "" {
		s.Homes = filepath.Join(s.Data, "homes")
	}
	if s.Homes, err = filepath.Abs(s.Homes); err != nil {
		return err
	}
	if s.Helper == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find upkeep-helper: %w", err)
		}
		s.Helper = filepath.Join(filepath.Dir(self), "upkeep-helper")
	}
	switch {
	case len(s.Backoff) == 0:
		err = errors.New("backoff needs at least one delay")
	case s.BudgetFailures < 1:
		err = errors.New("budget_failures must be at least 1")
	case s.BackupKeep < 0:
		err = errors.New("backup_keep must not be negative")
	case s.BudgetWindow <= 0 || s.StopTimeout <= 0:
		err = errors.New("budget_window and stop_timeout must be longer than nothing")
	case s.MonitoringIntervalMin <= 0 || s.MonitoringIntervalMin > panel.MaxInterval:
		err = errors.New("monitoring_interval_min must be longer than nothing and at most 24h")
	}
	if err == nil {
		_, err = s.proxies()
	}
	if err == nil {
		_, _, err = s.limits()
	}
	if err != nil {
		return &exitError{fmt.Errorf("settings: %w", err), exitInvalid}
	}
	return nil
}

// policy is the host's restart policy.
func (s *settings) policy() panel.Policy {
	p := panel.DefaultPolicy()
	p.StopTimeout, p.Backoff = s.StopTimeout, s.Backoff
	p.BudgetLimit, p.BudgetWindow = s.BudgetFailures, s.BudgetWindow
	return p
}

// proxies reads the trusted networks.
func (s *settings) proxies() ([]netip.Prefix, error) {
	var nets []netip.Prefix
	for _, text := range s.TrustedProxies {
		n, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %w", err)
		}
		nets = append(nets, n)
	}
	return nets, nil
}

func (s *settings) database() string { return filepath.Join(s.Data, "upkeep.db") }
