package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/fault"
	"upkeep/internal/htmltest"
	"upkeep/internal/panel"
	"upkeep/internal/rig"
	"upkeep/store"
)

// sick is an upkeep on a machine where something is wrong, with one account and somebody who may do everything.
type sick struct {
	*installation
	d       *daemon
	b       *htmltest.Client
	account string
}

// newSick makes an installation with an account; nothing runs yet.
func newSick(t *testing.T, name string) *sick {
	t.Helper()
	s := &sick{installation: newInstallation(t), account: fmt.Sprintf("upkeep-%s-%d", name, os.Getpid())}
	s.newAccounts(s.account)
	s.run(testPassword, "user", "create", "--password-stdin", "--admin", "alice@example.net")
	return s
}

// serveUnder starts upkeep where c holds, and signs in.
func (s *sick) serveUnder(c fault.Confinement, args ...string) {
	s.t.Helper()
	// As it is shipped: with cgo, which the race detector needs, threads are made in another way.
	cmd := s.program(filepath.Join(bin, "upkeep"), append([]string{"serve", "--helper", filepath.Join(bin, "upkeep-helper")}, args...)...)
	fault.Confine(s.t, cmd, c)
	s.d = s.start(cmd, nil)
	s.b = s.d.browser()
	s.b.SignIn("alice@example.net", testPassword)
}

func (s *sick) add(name, command string) (pid int) {
	s.t.Helper()
	addService(s.b, s.account, name, command)
	return mainProcess(s.t, s.b, s.account, name)
}

// awaitNext waits until a service has another main process than it had.
func (s *sick) awaitNext(name string, before int) (pid int) {
	s.t.Helper()
	eventually(s.t, name+" has a new main process", func() bool {
		pid = mainProcess(s.t, s.b, s.account, name)
		return pid != before && states(s.b, s.account)[name] == "running"
	})
	return pid
}

func (s *sick) pause(name string) {
	s.t.Helper()
	path := "/accounts/" + s.account + "/services/" + name
	s.b.Get(path).WantStatus(http.StatusOK).Form("form[action='" + path + "/pause']").Submit()
	eventually(s.t, name+" is paused", func() bool { return states(s.b, s.account)[name] == "paused" })
}

// runs is the history of a service, newest run first.
func (s *sick) runs(name string) []panel.Run {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.database())
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	all, err := db.AllServices(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, svc := range all {
		if svc.Name == name {
			runs, err := db.Runs(s.t.Context(), svc.ID, 1000)
			if err != nil {
				s.t.Fatal(err)
			}
			return runs
		}
	}
	s.t.Fatalf("no service %q is stored", name)
	return nil
}

// wantHostFaults looks that all runs of a service that ended since the first one were the host's fault, and that at
// least one of them was because of errno.
func (s *sick) wantHostFaults(name string, errno syscall.Errno) {
	s.t.Helper()
	found := false
	for _, run := range s.runs(name) {
		if run.End == nil || run.Number == 1 {
			continue
		}
		if !run.End.Host {
			s.t.Errorf("run %d of %s is the customer's fault: %+v", run.Number, name, *run.End)
		}
		found = found || run.End.Errno == int(errno)
	}
	if !found {
		s.t.Errorf("no start of %s failed with %v: not a test of that", name, errno)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("no process to kill: %d", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// family is a program that leaves its session, its parents, and its children.
const family = `sh -c 'sleep 1000 & setsid sleep 1000 & (setsid sleep 1000 &); exec sleep 1000'`

// lifeUnder is what upkeep has to be able to do on every machine on which it starts.
func lifeUnder(t *testing.T, s *sick, c fault.Confinement) {
	t.Helper()
	steady, crashing := s.add("steady", "sleep 1000"), s.add("crashing", "sleep 1000")
	s.add("family", family)
	marked := func() int { return len(processesOf(s.instance())) }
	eventually(t, "the family is complete", func() bool { return marked() == 6 })

	kill(t, crashing)
	again := s.awaitNext("crashing", crashing)
	s.d.crash()
	s.serveUnder(c)
	if got := s.awaitNext("crashing", 0); got != again {
		t.Errorf("after the crash of upkeep the service has the process %d, want the same as before, %d", got, again)
	}
	if got := s.awaitNext("steady", 0); got != steady {
		t.Errorf("after the crash of upkeep the service has the process %d, want the same as before, %d", got, steady)
	}
	if got := marked(); got != 6 {
		t.Errorf("%d processes, want 6: something runs twice, or has ended", got)
	}
	kill(t, again)
	s.awaitNext("crashing", again)
	for _, name := range []string{"steady", "crashing", "family"} {
		s.pause(name)
	}
	if left := processesOf(s.instance()); len(left) > 0 {
		t.Errorf("processes %v are left after the pause", left)
	}
}

func TestSystemCallsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string][]fault.Refusal{
		// As under older container engines, and on older kernels.
		"clone3 and openat2":                 {{Call: unix.SYS_CLONE3, Errno: unix.EPERM}, {Call: unix.SYS_OPENAT2, Errno: unix.EPERM}},
		"the exit status of another's child": {{Call: unix.SYS_IOCTL, Argument: unix.PIDFD_GET_INFO, Errno: unix.ENOTTY}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSick(t, "refused")
			c := fault.Confinement{Refuse: refused}
			s.serveUnder(c)
			lifeUnder(t, s, c)
		})
	}
}

// Without pidfds nothing could be ended without the risk to end another: upkeep refuses to start, and says why.
func TestServeRefusesAMachineWithoutPidfds(t *testing.T) {
	t.Parallel()
	for call, refused := range map[string]fault.Refusal{
		"pidfd_open":        {Call: unix.SYS_PIDFD_OPEN, Errno: unix.ENOSYS},
		"pidfd_send_signal": {Call: unix.SYS_PIDFD_SEND_SIGNAL, Errno: unix.EPERM},
	} {
		t.Run(call, func(t *testing.T) {
			in := newInstallation(t)
			cmd := in.command("serve")
			fault.Confine(t, cmd, fault.Confinement{Refuse: []fault.Refusal{refused}})
			out, err := cmd.Output()
			said := complaint(err)
			if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || len(out) > 0 {
				t.Errorf("upkeep: %v, standard output %q", err, out)
			}
			if !strings.Contains(said, "upkeep: the system call "+call+" is refused") || strings.Count(said, "\n") != 1 {
				t.Errorf("upkeep said %q", said)
			}
		})
	}
}

func TestNoControlGroups(t *testing.T) {
	t.Parallel()
	s := newSick(t, "groups")
	c := fault.Confinement{NoGroups: true}
	s.serveUnder(c)
	lifeUnder(t, s, c)
	if !strings.Contains(s.said(), "no control groups") {
		t.Error("upkeep does not say that it works without control groups")
	}
}

// The control groups of a run that lives are not to be seen any more: it is taken over, and stopped, without.
func TestControlGroupsVanish(t *testing.T) {
	t.Parallel()
	s := newSick(t, "vanish")
	s.serveUnder(fault.Confinement{})
	steady := s.add("steady", "sleep 1000")
	main := s.add("family", family)
	eventually(t, "the family is complete", func() bool { return len(processesOf(s.instance())) == 5 })
	s.d.crash()
	kill(t, main) // while upkeep is away; its helpers stay
	s.serveUnder(fault.Confinement{NoGroups: true})
	if got := s.awaitNext("steady", 0); got != steady {
		t.Errorf("the service has the process %d, want the same as before, %d", got, steady)
	}
	s.awaitNext("family", main)
	eventually(t, "the helpers of the first run are stopped", func() bool { return len(processesOf(s.instance())) == 5 })
	s.pause("family")
	s.pause("steady")
	if left := processesOf(s.instance()); len(left) > 0 {
		t.Errorf("processes %v are left after the pause", left)
	}
}

// The quota of a home cannot be used up everywhere; that the kernel says so can be brought about. The page tells, and
// shows the output all the same.
func TestQuotaUsedUp(t *testing.T) {
	t.Parallel()
	s := newSick(t, "quota")
	s.serveUnder(fault.Confinement{Refuse: []fault.Refusal{{Call: unix.SYS_OPENAT2, Errno: unix.EDQUOT}}})
	s.add("chatty", "sh -c 'echo hello from a full home; exec sleep 1000'")
	path := "/accounts/" + s.account + "/services/chatty"
	eventually(t, "the page tells, and shows the output", func() bool {
		text := s.b.Get(path).WantStatus(http.StatusOK).WantSound().Text("main")
		return strings.Contains(text, "The account's disk quota is used up; output goes to upkeep's own folder until there is space again.") &&
			strings.Contains(text, "hello from a full home")
	})
}

// What a customer puts into the environment of a program, such as LD_PRELOAD, could act on the launcher if that were
// loaded with libraries.
func TestNothingIsLoadedIntoUpkeep(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"upkeep", "upkeep-helper"} {
		f, err := elf.Open(filepath.Join(bin, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s asks for a loader: %v", name, p.Type)
			}
		}
	}
}

// Nothing of upkeep needs a folder for temporary files.
func TestNoTemporaryFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a mount namespace")
	}
	away, err := os.MkdirTemp("/var/lib", "upkeep-test")
	if err != nil {
		t.Skip("needs a place that is not temporary: ", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(away); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(away, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", away)
	s := newSick(t, "tmp")
	for _, name := range []string{"upkeep", "upkeep-helper"} {
		if err := linkOrCopy(filepath.Join(bin, name), filepath.Join(away, name)); err != nil {
			t.Fatal(err)
		}
	}
	var covered []string
	for _, dir := range []string{"/tmp", "/var/tmp", "/usr/tmp", "/dev/shm"} {
		if _, err := os.Stat(dir); err == nil {
			covered = append(covered, dir)
		}
	}
	serve := func() {
		cmd := s.program(filepath.Join(away, "upkeep"), "serve", "--helper", filepath.Join(away, "upkeep-helper"))
		fault.Confine(t, cmd, fault.Confinement{Covered: covered})
		s.d = s.start(cmd, nil)
		s.b = s.d.browser()
		s.b.SignIn("alice@example.net", testPassword)
	}
	serve()
	steady := s.add("steady", "sleep 1000")
	crashing := s.add("crashing", "sleep 1000")
	kill(t, crashing)
	s.awaitNext("crashing", crashing)
	s.d.terminate()
	serve()
	if got := s.awaitNext("steady", 0); got != steady {
		t.Errorf("the service has the process %d, want the same as before, %d", got, steady)
	}
	s.b.Get("/accounts/" + s.account + "/services/steady").WantStatus(http.StatusOK).WantSound()
}

// The process table is full: nothing can be started, upkeep lives on and answers, tries again every few seconds, and
// none of it counts as a failure of the customer's program.
func TestFullProcessTable(t *testing.T) {
	t.Parallel()
	s := newSick(t, "full")
	s.serveUnder(fault.Confinement{}, "--budget-failures", "1000", "--backoff", "0s") // for the kills of this test
	pid := rig.Daemon(s.data)
	steady, crashing := s.add("steady", "sleep 1000"), s.add("crashing", "sleep 1000")
	keeper := rig.Keeper(s.data)
	table := fault.ConfineThreads(t, keeper, pid)
	steps := []int{-1000, 0, 1, 2, 3, 4, 5} // with a little room the launcher is started, and dies for want of threads
	for _, room := range steps {
		table.Leave(room)
		refused := table.Refused()
		kill(t, crashing)
		eventually(t, fmt.Sprint("with room for ", room, " a start has failed, or not"), func() bool {
			now, main := states(s.b, s.account)["crashing"], s.mainProcess("crashing")
			if now == "running" && room < 0 && alive(main) {
				kill(t, main) // a launcher that waited already needs no room
			}
			return now == "backoff" && table.Refused() > refused || now == "running" && room >= 0 && main != crashing
		})
		s.hammer()
		if path := "/accounts/" + s.account + "/services/crashing"; room < 0 {
			s.b.Get(path).WantText("main", "no more processes are allowed at the moment")
		}
		table.Lift()
		begun := time.Now()
		crashing = s.awaitNext("crashing", crashing)
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("with room for %d: %v until the next start", room, took)
		}
	}
	for _, run := range s.runs("crashing") {
		if e := run.End; e != nil && !e.Host && (e.Kind != panel.EndSignaled || e.Signal != int(syscall.SIGKILL)) {
			t.Errorf("run %d counts as a failure: %+v", run.Number, *e)
		}
	}
	if got := rig.Daemon(s.data); got != pid || !alive(pid) {
		t.Errorf("upkeep is the process %d, want %d as before", got, pid)
	}
	if got := rig.Keeper(s.data); got != keeper || !alive(keeper) {
		t.Errorf("the keeper is the process %d, want %d as before", got, keeper)
	}
	if !alive(steady) {
		t.Error("another service has ended")
	}
}

// mainProcess is that of a service now; 0 when there is none.
func (s *sick) mainProcess(name string) int {
	s.t.Helper()
	page := s.b.Get("/accounts/" + s.account + "/services/" + name).WantStatus(http.StatusOK)
	if !page.Has("[data-pid]") {
		return 0
	}
	pid, _ := strconv.Atoi(page.Attr("[data-pid]", "data-pid")) // none is 0, too
	return pid
}

// hammer asks for so many pages at once that upkeep needs all its threads.
func (s *sick) hammer() {
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			for range 5 {
				answer, err := http.Get(s.d.address + "/sign-in")
				if err != nil {
					s.t.Error(err)
					return
				}
				answer.Body.Close()
			}
		})
	}
	group.Wait()
}

// upkeep has no descriptor left: nothing can be started, it does not spin, and all is well as soon as it has some.
func TestTooFewDescriptors(t *testing.T) {
	t.Parallel()
	s := newSick(t, "files")
	s.serveUnder(fault.Confinement{})
	pid := rig.Daemon(s.data)
	steady, crashing := s.add("steady", "sh -c 'while :; do echo tick; sleep 0.1; done'"), s.add("crashing", "sleep 1000")
	restore := fault.Descriptors(t, pid, 0)
	failures := func() (n int) {
		for _, run := range s.runs("crashing") {
			if run.End != nil && run.End.Errno == int(syscall.EMFILE) {
				n++
			}
		}
		return n
	}
	kill(t, crashing)
	eventually(t, "some starts have failed", func() bool { return failures() >= 2 })
	before, begun := cpuTime(t, pid), time.Now()
	eventually(t, "another one has failed", func() bool { return failures() >= 3 })
	if used, took := cpuTime(t, pid)-before, time.Since(begun); used > took/2 {
		t.Errorf("without descriptors upkeep used %v of %v", used, took)
	}
	restore()
	s.awaitNext("crashing", crashing)
	s.wantHostFaults("crashing", syscall.EMFILE)
	if got := rig.Daemon(s.data); got != pid || !alive(pid) {
		t.Errorf("upkeep is the process %d, want %d as before", got, pid)
	}
	if got := mainProcess(t, s.b, s.account, "steady"); got != steady {
		t.Errorf("another service has the process %d, want %d as before", got, steady)
	}
	s.pause("steady")
}

// cpuTime is what a process has used.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}
