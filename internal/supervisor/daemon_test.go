package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
	"upkeep/store"
)

// daemonVariable makes the test binary an upkeep without a panel: a process of its own that can be killed.
const daemonVariable = "UPKEEP_TEST_DAEMON"

// orders are what such a daemon is told.
type orders struct {
	Dir      string // of the site
	Policy   panel.Policy
	NoCgroup bool
	Helper   string
	Join     string // control group that it enters first; empty for none
}

// beDaemon serves a site until its standard input ends; then it stops everything.
func beDaemon(text string) int {
	if err := serveSite(text); err != nil {
		fmt.Fprintln(os.Stderr, "daemon:", err)
		return 1
	}
	return 0
}

func serveSite(text string) error {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	if o.Join != "" {
		if err := os.WriteFile(filepath.Join(o.Join, "cgroup.procs"), []byte("0"), 0); err != nil {
			return err
		}
	}
	st, err := store.Open(context.Background(), filepath.Join(o.Dir, "upkeep.db"))
	if err != nil {
		return err
	}
	engine, leave, err := open(o.Dir, plan{policy: o.Policy, noCgroup: o.NoCgroup, helper: o.Helper}, st)
	if err != nil {
		return err
	}
	<-engine.Ready()
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	if err := engine.StopAll(context.Background()); err != nil {
		return err
	}
	if err := leave(); err != nil {
		return err
	}
	return st.Close()
}

// daemon is such a process, as the test holds it.
type daemon struct {
	*exec.Cmd
	t     *testing.T
	stdin io.WriteCloser
	out   *bufio.Reader
}

func (s *site) startDaemon(join string) *daemon {
	s.t.Helper()
	text, err := json.Marshal(orders{s.dir, s.plan.policy, s.plan.noCgroup, s.plan.helper, join})
	check(s.t, err)
	d := &daemon{Cmd: exec.Command("/proc/self/exe"), t: s.t}
	d.Env = append(os.Environ(), daemonVariable+"="+string(text))
	d.Stderr = os.Stderr
	d.stdin, err = d.StdinPipe()
	check(s.t, err)
	stdout, err := d.StdoutPipe()
	check(s.t, err)
	d.out = bufio.NewReader(stdout)
	check(s.t, d.Start())
	s.t.Cleanup(func() {
		if d.ProcessState == nil { // the test has failed
			d.kill()
		}
	})
	return d
}

func (d *daemon) awaitReady() {
	d.t.Helper()
	if line, err := d.out.ReadString('\n'); err != nil || line != "ready\n" {
		d.t.Fatalf("the daemon says %q, %v", line, err)
	}
}

// kill is kill -9.
func (d *daemon) kill() {
	d.t.Helper()
	check(d.t, d.Process.Kill())
	_ = d.Wait() // of the signal
}

// stop lets the daemon stop everything and end.
func (d *daemon) stop() {
	d.t.Helper()
	d.stdin.Close()
	if err := d.Wait(); err != nil {
		d.t.Errorf("end of the daemon: %v", err)
	}
}

// adoptOrphans makes this process the parent of what a killed daemon leaves, as PID 1 is elsewhere. Other than PID 1
// it reaps when the test says so.
func adoptOrphans(t *testing.T) {
	t.Helper()
	check(t, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	t.Cleanup(reapAll)
}

// reapAll reaps every child that has ended. No other child of this process may be waited for meanwhile.
func reapAll() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}

// unique makes a program prove that no other copy of its service lives, helpers included: they all hold one lock.
const unique = `exec 9>> "$SERVICE_NAME.lock"
flock -n 9 || echo "$RUN_ID" >> doubles
echo "$RUN_ID $$" >> "$SERVICE_NAME.runs"
`

// upkeep is killed again and again, at any moment of its start and of its work. Programs do not notice, none ever runs
// twice, and no line is lost.
func TestKilledDaemon(t *testing.T) {
	t.Run("control groups", func(t *testing.T) {
		needGroups(t)
		testKilledDaemon(t, false)
	})
	t.Run("no control groups", func(t *testing.T) { testKilledDaemon(t, true) })
}

func testKilledDaemon(t *testing.T, noCgroup bool) {
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("needs flock of util-linux: ", err)
	}
	adoptOrphans(t)
	policy := quick()
	policy.BudgetLimit, policy.BudgetWindow = 1_000_000, time.Second
	s := prepareSite(t, plan{policy: policy, noCgroup: noCgroup})
	s.declare("steady", s.script("steady", unique+"exec sleep 1000"))
	s.declare("ticker", s.script("ticker", unique+"i=0; while :; do i=$((i+1)); echo line $i; sleep 0.003; done"))
	first := s.startDaemon("")
	first.awaitReady()
	s.awaitRuns(1, "steady", "ticker")
	first.kill()
	s.declare("crash", s.script("crash", unique+"exit 3"))
	s.declare("flaky", s.script("flaky", unique+"sleep 0.03; exit 0"))
	s.declare("strays", s.script("strays", unique+"setsid sleep 1000 & sleep 0.02; exit 0"))
	for round := range 9 {
		d := s.startDaemon("")
		if round%2 == 0 {
			d.awaitReady() // else it is killed while it takes over, or even before
		}
		// Any moment will do.
		time.Sleep(rand.N(200 * time.Millisecond))
		d.kill()
		if round%3 == 0 {
			reapAll() // else the next one finds zombies
		}
		s.expectSingles()
	}
	last := s.startDaemon("")
	last.awaitReady()
	for _, name := range []string{"crash", "flaky", "strays"} {
		s.awaitRuns(len(s.runs(name))+1, name)
	}
	s.expectSingles()
	last.stop()
	s.expectNothing()
	s.expectNothingLives()
	if got := s.read("doubles"); got != "" {
		t.Errorf("started while another copy lived: %s", got)
	}
	for _, name := range []string{"steady", "ticker"} {
		if got := s.runs(name); len(got) != 1 {
			t.Errorf("runs of %s: %v, want one", name, got)
		}
	}
	s.expectEveryLine("ticker")
}

// runs are the runs that have begun, as the program itself says.
func (s *site) runs(name string) []string {
	return strings.Split(strings.TrimSpace(s.read(name+".runs")), "\n")
}

// awaitRuns waits until each of the programs has begun so many runs.
func (s *site) awaitRuns(count int, names ...string) {
	s.t.Helper()
	for _, name := range names {
		eventually(s.t, name+" runs", func() bool { return strings.Count(s.read(name+".runs"), "\n") >= count })
	}
}

// expectSingles looks that the processes of a service are all of one run.
func (s *site) expectSingles() {
	s.t.Helper()
	runs := map[string]string{}
	for _, pid := range s.processes() {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			continue // ended meanwhile
		}
		_, rest, _ := strings.Cut(string(env), "RUN_ID=")
		marker, _, _ := strings.Cut(rest, "\x00")
		service := marker[:max(strings.LastIndex(marker, "-"), 0)]
		if other := runs[service]; other != "" && other != marker {
			s.t.Errorf("runs %s and %s at one time", other, marker)
		}
		runs[service] = marker
	}
}

// expectNothingLives looks that the store takes every run for ended.
func (s *site) expectNothingLives() {
	s.t.Helper()
	all, err := s.store.Recoveries(s.t.Context())
	check(s.t, err)
	for _, rec := range all {
		if rec.Live {
			s.t.Errorf("run %d of service %d lives, says the store", rec.Number, rec.Service)
		}
	}
}

// expectEveryLine looks that the numbered lines of a program stand in its log, each once and in order.
func (s *site) expectEveryLine(name string) {
	s.t.Helper()
	want := 1
	for line := range strings.Lines(s.log(name)) {
		number, ok := strings.CutPrefix(strings.TrimSpace(line), "line ")
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(number); err != nil || n != want {
			s.t.Fatalf("line %q of the log, want number %d", line, want)
		}
		want++
	}
	if want < 100 {
		s.t.Errorf("only %d lines", want-1)
	}
}

// How a program ended is known although its parent, the daemon, is dead: by the zombie, or by the pidfd.
func TestExitStatusAcrossDaemons(t *testing.T) {
	for _, c := range []struct {
		name  string
		away  bool // it ends while upkeep is away
		reap  bool // its new parent reaps it at once
		known bool
	}{
		{"while upkeep was away", true, false, true},
		{"while upkeep was away, and reaped", true, true, false},
		{"after the take-over", false, false, true},
		{"after the take-over, and reaped", false, true, reapedTell},
	} {
		t.Run(c.name, func(t *testing.T) {
			adoptOrphans(t)
			s := prepareSite(t, plan{policy: once()})
			svc := s.declare("main", s.script("main", `trap 'exit 9' USR1
echo "$RUN_ID $$" >> main.runs
while :; do sleep 0.01; done`))
			d := s.startDaemon("")
			d.awaitReady()
			s.awaitRuns(1, "main")
			d.kill()
			if !c.away {
				d = s.startDaemon("")
				d.awaitReady()
			}
			_, number, _ := strings.Cut(s.runs("main")[0], " ")
			pid, err := strconv.Atoi(number)
			check(t, err)
			send(t, pid, unix.SIGUSR1)
			eventually(t, "it is a zombie", func() bool { return stateOf(pid) == "Z" || stateOf(pid) == "" })
			if c.reap {
				_, err := unix.Wait4(pid, nil, 0, nil)
				check(t, err)
			}
			if c.away {
				d = s.startDaemon("")
				d.awaitReady()
			}
			exit := s.awaitEnd(svc.ID)
			d.stop()
			if want := (panel.EndExited); c.known && (exit.Kind != want || exit.Code != 9 || exit.Host) {
				t.Errorf("exit %+v, want status 9", exit)
			}
			if !c.known && (exit.Kind != panel.EndUnknown || !exit.Host) {
				t.Errorf("exit %+v, want an unknown status", exit)
			}
		})
	}
}

// awaitEnd waits until the end of the first run is stored.
func (s *site) awaitEnd(id panel.ServiceID) panel.Exit {
	s.t.Helper()
	var exit panel.Exit
	eventually(s.t, "the end of the first run is stored", func() bool {
		runs, err := s.store.Runs(s.t.Context(), id, 10)
		check(s.t, err)
		i := slices.IndexFunc(runs, func(r panel.Run) bool { return r.Number == 1 && r.End != nil })
		if i >= 0 {
			exit = *runs[i].End
		}
		return i >= 0
	})
	return exit
}

// A control group that was killed once makes the kernel kill whatever is cloned out of it into another one. upkeep may
// find itself in such a group, and works.
func TestDaemonInKilledGroup(t *testing.T) {
	group, err := needGroups(t).Create("scratch", "scratch", 1)
	check(t, err)
	t.Cleanup(func() { check(t, cgroup.Remove(group)) })
	check(t, cgroup.Kill(group))
	adoptOrphans(t)
	s := prepareSite(t, plan{})
	s.declare("steady", s.script("steady", `echo "$RUN_ID $$" >> steady.runs; exec sleep 1000`))
	s.declare("crash", s.script("crash", `echo "$RUN_ID $$" >> crash.runs; exit 1`))
	d := s.startDaemon(group)
	d.awaitReady()
	s.awaitRuns(1, "steady")
	s.awaitRuns(10, "crash")
	d.stop()
	if got := s.runs("steady"); len(got) != 1 {
		t.Errorf("runs %v, want one", got)
	}
	s.expectNothing()
}
