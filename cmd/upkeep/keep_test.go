package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"upkeep/internal/htmltest"
	"upkeep/internal/keeper"
	"upkeep/internal/panel"
	"upkeep/internal/rig"
	"upkeep/store"
)

// numbering writes numbered lines without an end, some hundred at a time.
const numbering = `sh -c 'n=0; while :; do seq $n $((n+299)); n=$((n+300)); sleep 0.01; done'`

// running is an upkeep with an account and services that count.
type running struct {
	*daemon
	b        *htmltest.Client
	account  string
	services []string
	pids     map[string]int
}

// startServices starts upkeep and services in it, by name and command.
func (in *installation) startServices(serve func(...string) *daemon, tag string, services map[string]string) *running {
	in.t.Helper()
	r := &running{account: "upkeep-" + tag + "-" + strconv.Itoa(os.Getpid()), pids: map[string]int{}}
	in.newAccounts(r.account)
	in.run(testPassword, "user", "create", "--password-stdin", "--admin", "alice@example.net")
	r.daemon = serve()
	r.b = r.browser()
	r.b.SignIn("alice@example.net", testPassword)
	for name, command := range services {
		addService(r.b, r.account, name, command)
		r.services = append(r.services, name)
	}
	r.pids = mainProcesses(in.t, r.b, r.account, r.services...)
	return r
}

// state is a value that the keeper tells about itself.
func (d *daemon) state(key string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	values, err := keeper.Status(ctx, d.in.data)
	if err != nil {
		return err.Error()
	}
	return values[key]
}

// another waits until a daemon has taken over that is not the former one.
func (d *daemon) another(former int) (pid int) {
	d.t.Helper()
	eventually(d.t, "another daemon has taken over", func() bool {
		pid, _ = strconv.Atoi(d.state("daemon"))
		return pid != 0 && pid != former && d.state("state") == "ready"
	})
	return pid
}

// wantSame checks that every service has the process it had.
func (r *running) wantSame(after string) {
	r.t.Helper()
	for name, pid := range r.pids {
		if got := mainProcess(r.t, r.b, r.account, name); got != pid {
			r.t.Errorf("after %s, %s has the process %d, want still %d", after, name, got, pid)
		}
	}
}

// wantCounted checks that the log of a service that counts has every number once and in order.
func (r *running) wantCounted(service string) {
	r.t.Helper()
	path := filepath.Join(r.in.home(r.account), "admin/logs/services", service+".log")
	before, err := os.Stat(path)
	if err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, "output still comes", func() bool {
		now, err := os.Stat(path)
		return err == nil && now.Size() > before.Size()+4096
	})
	text, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	next := 0
	lines := strings.Split(string(text), "\n")
	for _, line := range lines[:len(lines)-1] { // the last one may be half there
		if strings.HasPrefix(line, "upkeep: ") {
			continue
		}
		if line != strconv.Itoa(next) {
			r.t.Fatalf("%s: after %d lines comes %.60q", service, next, line)
		}
		next++
	}
	if next == 0 {
		r.t.Errorf("%s has written nothing", service)
	}
}

// hammer asks for pages, again and again, on new connections and on one that is kept.
type hammer struct {
	t       *testing.T
	address string
	tries   int // for a request; a browser tries once more when a connection breaks off
	done    chan struct{}
	group   sync.WaitGroup
	asked   [4]atomic.Int64 // requests of each client
}

// hammerAt begins; the test's end, or stop, ends it.
func hammerAt(t *testing.T, address string, tries int) *hammer {
	h := &hammer{t: t, address: address, tries: tries, done: make(chan struct{})}
	for i, path := range []string{"/livez", "/readyz", "/signin", "/livez"} {
		client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		h.group.Go(func() {
			defer client.CloseIdleConnections()
			pace := time.NewTicker(3 * time.Millisecond) // something is left for others
			defer pace.Stop()
			for {
				select {
				case <-h.done:
					return
				case <-pace.C:
					h.ask(client, path)
					h.asked[i].Add(1)
				}
			}
		})
	}
	return h
}

func (h *hammer) ask(client *http.Client, path string) {
	for try := 1; ; try++ {
		err := fetch(client, h.address+path)
		if err == nil {
			break
		}
		if try == h.tries || errors.Is(err, syscall.ECONNREFUSED) {
			h.t.Errorf("%s, try %d: %v", path, try, err)
			break
		}
	}
}

// round waits until every client has had an answer to a request that it made after this call.
func (h *hammer) round() {
	h.t.Helper()
	for i := range h.asked {
		before := h.asked[i].Load()
		eventually(h.t, "a client is answered again", func() bool { return h.asked[i].Load() > before+1 })
	}
}

func fetch(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

func (h *hammer) stop() {
	h.t.Helper()
	close(h.done)
	h.group.Wait()
	if h.asked[0].Load() == 0 {
		h.t.Error("no page was asked for")
	}
}

// The daemon alone is killed again and again: services do not notice, and nobody who asks for a page is refused. A
// request that the killed daemon was answering is lost with it, and comes again from any browser.
func TestDaemonIsKilled(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	r := in.startServices(in.serve, "killed", map[string]string{"one": numbering, "two": numbering})
	h := hammerAt(t, r.address, 2)
	pid := rig.Daemon(in.data)
	for range 20 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		pid = r.another(pid)
		h.round() // nobody meets two kills with one request
	}
	h.stop()
	r.wantSame("20 kills of the daemon")
	for _, name := range r.services {
		r.wantCounted(name)
	}
	if got, want := r.state("keeper"), strconv.Itoa(r.cmd.Process.Pid); got != want {
		t.Errorf("keeper %s, want still %s", got, want)
	}
	r.terminate()
}

// The keeper alone is killed: the daemon goes on, with another one, which is as good when the daemon dies in turn.
func TestKeeperIsKilled(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	r := in.startServices(in.serve, "keeper", map[string]string{"one": numbering})
	h := hammerAt(t, r.address, 1)
	pid, held := rig.Daemon(in.data), r.state("held")
	for range 3 {
		former := rig.Keeper(in.data)
		if err := syscall.Kill(former, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another keeper holds what the former one held", func() bool {
			return r.state("held") == held && r.state("state") == "ready" && r.state("keeper") != strconv.Itoa(former)
		})
		if got := r.another(0); got != pid {
			t.Fatalf("daemon %d, want still %d", got, pid)
		}
	}
	h.stop()
	r.wantSame("3 kills of the keeper")

	h = hammerAt(t, r.address, 2)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.another(pid)
	h.stop()
	r.wantSame("a kill of keeper and daemon, one after the other")
	r.wantCounted("one")
	if err := syscall.Kill(rig.Keeper(in.data), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.expect("upkeep stops; services run on")
	<-r.ended
	if !alive(r.pids["one"]) {
		t.Error("the service has ended with upkeep")
	}
}

// replaceable makes a folder with an upkeep that can be replaced, and a function that puts a script in its place, or
// the real one when the script is empty.
func (in *installation) replaceable(name string) (path string, replace func(script string)) {
	in.t.Helper()
	dir := filepath.Join(in.dir, name)
	path = filepath.Join(dir, "upkeep")
	if err := os.Mkdir(dir, 0o755); err != nil {
		in.t.Fatal(err)
	}
	replace = func(script string) {
		in.t.Helper()
		err := os.Remove(path)
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		if script == "" {
			err = errors.Join(err, linkOrCopy(watched, path))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
		}
		if err != nil {
			in.t.Fatal(err)
		}
	}
	replace("")
	return path, replace
}

// A service ends while the daemon does not come up. The next one that does knows how and when.
func TestExitWhileTheDaemonDoesNotStart(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	path, replace := in.replaceable("broken")
	gate := filepath.Join(in.dir, "gate")
	serve := func(args ...string) *daemon {
		cmd := in.serving(args)
		cmd.Path, cmd.Args[0] = path, path
		return in.start(cmd, nil)
	}
	command := `sh -c 'while [ ! -e ` + gate + ` ]; do sleep 0.01; done; exit 42'`
	r := in.startServices(serve, "away", map[string]string{"ends": command})
	pid := rig.Daemon(in.data)
	replace("exit 3")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is no daemon", func() bool { return r.state("state") == "down" })
	begin := time.Now()
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the service has ended", func() bool { return !alive(r.pids["ends"]) })
	end := time.Now()
	replace("")
	r.another(pid)

	s, err := store.Open(t.Context(), in.database())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var exit *panel.Exit
	eventually(t, "the end of the first run is known", func() bool {
		runs, err := s.Runs(t.Context(), 1, 100)
		if err != nil || len(runs) == 0 {
			return false
		}
		exit = runs[len(runs)-1].End // the oldest
		return exit != nil
	})
	if exit.Kind != panel.EndExited || exit.Code != 42 || exit.Host {
		t.Errorf("exit %+v, want status 42", *exit)
	}
	const slack = time.Second // of the clock that is stored
	if exit.At.Before(begin.Add(-slack)) || exit.At.After(end.Add(slack)) {
		t.Errorf("exit at %v, want between %v and %v", exit.At, begin, end)
	}
}

// Another binary takes over while people ask and services write. No request fails, also of those that are not
// repeated; and a binary that is no good changes nothing.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.refuses("upgrade")
	r := in.startServices(in.serve, "upgraded", map[string]string{"one": numbering})
	h := hammerAt(t, r.address, 1)
	pid := rig.Daemon(in.data)
	path, replace := in.replaceable("next")
	for range 3 {
		if got, want := in.run("", "upgrade", path), path+" runs now.\n"; got != want {
			t.Errorf("upgrade printed %q, want %q", got, want)
		}
		now := r.another(0)
		if now == pid || rig.Daemon(in.data) != now {
			t.Errorf("daemon %d, want another than %d", now, pid)
		}
		pid = now
	}
	for script, want := range map[string]string{
		`[ "$1" = --version ] && exit 0; exit 3`: "did not become ready (exit status 3)",
		`echo "bad magic" >&2; exit 9`:           "bad magic",
	} {
		bad, replaceBad := in.replaceable("bad" + strconv.Itoa(len(script)))
		replaceBad(script)
		if said := in.refuses("upgrade", bad); !strings.Contains(said, want) || !strings.Contains(said, "not upgraded") {
			t.Errorf("upgrade to a bad binary says %q, want %q", said, want)
		}
	}
	if said := in.refuses("upgrade", "/does/not/exist"); !strings.Contains(said, "not upgraded") {
		t.Errorf("upgrade to nothing says %q", said)
	}
	h.stop()
	r.another(0)
	if got := r.state("binary"); got != path {
		t.Errorf("running: %s, want %s", got, path)
	}
	r.wantSame("upgrades")
	r.wantCounted("one")

	// A database that a newer upkeep wrote: neither this binary nor the former one opens it. Services run on, and so
	// does upkeep as soon as it can.
	newer := in.sql(`INSERT INTO schema_migrations (version_id, is_applied) VALUES (9999, 1)`)
	if newer != nil {
		t.Fatal(newer)
	}
	if said := in.refuses("upgrade", path); !strings.Contains(said, "it is tried again") {
		t.Errorf("upgrade with a newer database says %q, want that it is tried again", said)
	}
	replace("") // as whoever puts things right would do
	if err := in.sql(`DELETE FROM schema_migrations WHERE version_id = 9999`); err != nil {
		t.Fatal(err)
	}
	r.another(0)
	r.wantSame("an upgrade with a newer database")
	r.terminate()
}

func (in *installation) sql(statement string) error {
	db, err := sql.Open("sqlite", "file:"+in.database()+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statement)
	return err
}

func TestStopAll(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	if said := in.refuses("stop-all"); !strings.Contains(said, "no upkeep runs") {
		t.Errorf("stop-all without upkeep says %q", said)
	}
	r := in.startServices(in.serve, "stopped", map[string]string{"one": numbering, "two": numbering})
	if got, want := in.run("", "stop-all"), "upkeep has ended.\n"; got != want {
		t.Errorf("stop-all printed %q, want %q", got, want)
	}
	r.end("All services are stopped.")
	for name, pid := range r.pids {
		if alive(pid) {
			t.Errorf("%s still has its process %d", name, pid)
		}
	}
	d := in.serve()
	b := d.browser()
	b.SignIn("alice@example.net", testPassword)
	for name, pid := range mainProcesses(t, b, r.account, r.services...) {
		if pid == r.pids[name] {
			t.Errorf("%s has the process %d again", name, pid)
		}
	}
}

// When its terminal is closed, upkeep ends and services run on.
func TestTerminalIsClosed(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	r := in.startServices(in.serveInTerminal, "hangup", map[string]string{"one": numbering})
	if err := r.terminal.Close(); err != nil {
		t.Fatal(err)
	}
	r.end("upkeep stops; services run on")
	if !alive(r.pids["one"]) {
		t.Error("the service has ended with its terminal")
	}
	d := in.serve()
	r.b = d.browser()
	r.b.SignIn("alice@example.net", testPassword)
	r.wantSame("the end of the terminal")
	r.wantCounted("one")
}
