package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// pm2 runs programs in fork mode, as another user than its own where it can.
type pm2 struct{ *site }

func openPM2(s *site) supervisor { return pm2{s} }

func (v pm2) start(services []service) error {
	var apps []map[string]any
	for _, s := range services {
		app := map[string]any{"name": s.name, "script": s.argv[0], "args": s.argv[1:], "interpreter": "none",
			"cwd": s.workingDirectory(), "uid": s.user, "out_file": v.logFile(s), "error_file": v.logFile(s), "merge_logs": true}
		if u, err := user.Lookup(s.user); err == nil {
			app["gid"], _ = strconv.Atoi(u.Gid) // a number
		}
		apps = append(apps, app)
	}
	text, err := json.Marshal(map[string]any{"apps": apps})
	if err != nil {
		return err
	}
	if err := v.write("ecosystem.config.json", string(text), 0o644); err != nil {
		return err
	}
	if _, err := v.ask("pm2", "start", filepath.Join(v.dir, "ecosystem.config.json")); err != nil {
		return err
	}
	_, err = v.ask("pm2", "save")
	return err
}

func (v pm2) stop(name string) error {
	_, err := v.ask("pm2", "stop", name)
	return err
}

func (v pm2) status(name string) string {
	text, err := v.ask("pm2", "jlist")
	if err != nil {
		return err.Error()
	}
	var list []struct {
		Name string
		Env  struct {
			Status   string
			Restarts int `json:"restart_time"`
		} `json:"pm2_env"`
	}
	_, text, _ = strings.Cut(text, "[{") // what comes before is about the daemon
	if err := json.Unmarshal([]byte("[{"+text), &list); err != nil {
		return "no list"
	}
	for _, p := range list {
		if p.Name == name {
			return fmt.Sprintf("%s, %d restarts", p.Env.Status, p.Env.Restarts)
		}
	}
	return "not listed"
}

func (v pm2) pid(string) (int, error) {
	text, err := os.ReadFile(filepath.Join(v.dir, "pm2", "pm2.pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil && !alive(pid) {
		err = errGone
	}
	return pid, err
}

// again is what its handbook names for a start of the machine.
func (v pm2) again() error {
	_, err := v.ask("pm2", "resurrect")
	return err
}

func (v pm2) logFile(s service) string { return filepath.Join(s.home, "logs", s.name+".log") }
func (v pm2) kept(s service) []string  { return together(v.logFile(s)) }
func (v pm2) close() error             { return nil }
