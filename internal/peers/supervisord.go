package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// supervisord runs with its defaults, except that it restarts whatever ends.
type supervisord struct{ *site }

func openSupervisord(s *site) supervisor { return supervisord{s} }

func (v supervisord) config() string { return filepath.Join(v.dir, "supervisord.conf") }

func (v supervisord) start(services []service) error {
	text := fmt.Sprintf(`[unix_http_server]
file=%[1]s/socket
[supervisord]
logfile=%[1]s/supervisord.log
pidfile=%[1]s/pid
childlogdir=%[1]s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%[1]s/socket
`, v.dir)
	for _, s := range services {
		text += fmt.Sprintf("[program:%s]\ncommand=%s\ndirectory=%s\nuser=%s\nautorestart=true\nredirect_stderr=true\nstdout_logfile=%s\n",
			s.name, strings.Join(s.argv, " "), s.workingDirectory(), s.user, v.logFile(s))
	}
	if err := v.write("supervisord.conf", text, 0o644); err != nil {
		return err
	}
	return v.again()
}

// again removes nothing: supervisord takes over a socket that nobody serves.
func (v supervisord) again() error {
	if err := v.begin("supervisord", "-n", "-c", v.config()); err != nil {
		return err
	}
	if !v.within(10*time.Second, func() bool { _, err := v.pid(""); return err == nil }) {
		return errGone
	}
	return nil
}

func (v supervisord) stop(name string) error {
	_, err := v.ask("supervisorctl", "-c", v.config(), "stop", name)
	return err
}

func (v supervisord) status(name string) string {
	text, err := v.ask("supervisorctl", "-c", v.config(), "status", name)
	if err != nil && text == "" {
		return err.Error()
	}
	return text
}

func (v supervisord) pid(string) (int, error) {
	text, err := os.ReadFile(filepath.Join(v.dir, "pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil && !alive(pid) {
		err = errGone
	}
	return pid, err
}

func (v supervisord) logFile(s service) string { return filepath.Join(s.home, "logs", s.name+".log") }
func (v supervisord) kept(s service) []string  { return together(v.logFile(s)) }
func (v supervisord) close() error             { return nil }
