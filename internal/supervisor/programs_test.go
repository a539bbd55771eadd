package supervisor

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// The programs that customers run, with what SIGHUP means to them.

// freePort is a port on the loopback that nobody listens on at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// patient is a policy for programs that SIGHUP ends: nothing but that answers a restart.
func patient() panel.Policy {
	p := quick()
	p.RestartWait = time.Hour
	return p
}

// needProgram skips where a program is not installed.
func needProgram(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Skip("needs a program that is not installed: ", err)
	}
}

// answers waits until something accepts connections.
func answers(t *testing.T, port int) {
	t.Helper()
	eventually(t, fmt.Sprintf("port %d is open", port), func() bool {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// restart restarts a service and compares what comes of it.
func (s *site) restart(id panel.ServiceID, hard bool, want panel.RestartResult) panel.RestartOutcome {
	s.t.Helper()
	before := s.status(id)
	got, err := s.Restart(s.t.Context(), id, hard, ann)
	check(s.t, err)
	after := s.status(id)
	if got.Result != want || got.OldPID != before.PID || got.PID != after.PID || after.State != panel.Running {
		s.t.Errorf("restart of process %d: %+v, want %s; status %+v", before.PID, got, want, after)
	}
	if same := got.PID == got.OldPID; same != (want == panel.Reloaded) {
		s.t.Errorf("%s from process %d to %d", got.Result, got.OldPID, got.PID)
	}
	if after.Failures != 0 {
		s.t.Errorf("%d failures by a restart", after.Failures)
	}
	return got
}

func TestRedis(t *testing.T) {
	needProgram(t, "/usr/bin/redis-server")
	s := newSite(t, plan{})
	port := freePort(t)
	id := s.add("redis", fmt.Sprintf("/usr/bin/redis-server --port %d --bind 127.0.0.1 --daemonize no --save ''", port))
	s.awaitState(id, panel.Running)
	answers(t, port)
	s.restart(id, false, panel.Reloaded) // it takes no notice of SIGHUP
	s.restart(id, true, panel.Replaced)
	answers(t, port)
	s.pause(id)
	if e := s.status(id).LastExit; e.Kind != panel.EndExited || e.Code != 0 || !e.Asked {
		t.Errorf("exit %+v", e) // it saves and ends by itself when it gets SIGTERM
	}
}

const nginxConfig = `
worker_processes 2;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 16; }
http {
	access_log off;
	client_body_temp_path tmp/body;
	proxy_temp_path tmp/proxy;
	fastcgi_temp_path tmp/fastcgi;
	uwsgi_temp_path tmp/uwsgi;
	scgi_temp_path tmp/scgi;
	server { listen 127.0.0.1:PORT; return 204; }
}
`

func TestNginx(t *testing.T) {
	needProgram(t, "/usr/sbin/nginx")
	s := newSite(t, plan{})
	port := freePort(t)
	home := s.account.Home
	check(t, os.Mkdir(filepath.Join(home, "tmp"), 0o777))
	check(t, os.Chmod(filepath.Join(home, "tmp"), 0o777)) // whoever it runs as
	config := strings.Replace(nginxConfig, "PORT", fmt.Sprint(port), 1)
	check(t, os.WriteFile(filepath.Join(home, "nginx.conf"), []byte(config), 0o644))
	id := s.add("nginx", fmt.Sprintf("/usr/sbin/nginx -p %s -c nginx.conf -e stderr -g 'daemon off;'", home))
	st := s.awaitState(id, panel.Running)
	answers(t, port)
	before := s.workers(id, st.PID)
	s.restart(id, false, panel.Reloaded)
	eventually(t, "it has other workers", func() bool {
		now := s.members(id)
		return len(now) == 3 && !slices.ContainsFunc(before, func(pid int) bool { return slices.Contains(now, pid) })
	})
	answers(t, port)
	s.restart(id, true, panel.Replaced)
	answers(t, port)
	s.pause(id)
	s.expectNothing()
}

// workers waits until nginx has made its two workers.
func (s *site) workers(id panel.ServiceID, main int) []int {
	s.t.Helper()
	var workers []int
	eventually(s.t, "nginx has two workers", func() bool {
		workers = slices.DeleteFunc(s.members(id), func(pid int) bool { return pid == main })
		return len(workers) == 2
	})
	return workers
}

func TestPython(t *testing.T) {
	needProgram(t, "/usr/bin/python3")
	s := newSite(t, plan{policy: patient()})
	port := freePort(t)
	id := s.add("python", fmt.Sprintf("/usr/bin/python3 -m http.server --bind 127.0.0.1 %d", port))
	s.awaitState(id, panel.Running)
	answers(t, port)
	o := s.restart(id, false, panel.Replaced) // SIGHUP ends it
	answers(t, port)
	if e := s.status(id).LastExit; e.Signal != 1 || !e.Asked || o.Run != 2 {
		t.Errorf("exit %+v, outcome %+v", e, o)
	}
	s.restart(id, true, panel.Replaced)
	answers(t, port)
	s.pause(id)
	if e := s.status(id).LastExit; e.Signal != 15 || !e.Asked {
		t.Errorf("exit %+v", e)
	}
}

// Through a shell SIGHUP and SIGTERM go to every process.
func TestShell(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = patient()
		s := newSite(t, p)
		id := s.add("pipe", "sleep 1000 | sleep 1000; echo over")
		if st := s.awaitState(id, panel.Running); !st.Shell {
			t.Errorf("status %+v, want a shell", st)
		}
		eventually(t, "both run", func() bool { return len(s.members(id)) == 3 })
		s.restart(id, false, panel.Replaced)
		eventually(t, "both run again", func() bool { return len(s.members(id)) == 3 })
		s.restart(id, true, panel.Replaced)
		s.pause(id)
		s.expectNothing()
	})
}
