package failpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"upkeep/internal/cgroup"
	"upkeep/internal/keeper"
	"upkeep/internal/panel"
)

// settle waits until everything is as it has to be, starting upkeep again where nobody else does.
func (w *world) settle() {
	w.t.Helper()
	w.eventually("everything is as it has to be", func() []string {
		if w.gone() {
			w.serve()
		}
		return w.audit()
	})
}

// audit says what is not as it has to be. What cannot come right any more fails the test at once.
func (w *world) audit() []string {
	w.t.Helper()
	if doubles := w.lines("doubles"); len(doubles) > 0 {
		w.t.Fatalf("a second copy ran: %v", doubles)
	}
	wrong := w.ready()
	live := map[string]int{} // processes that must live, by run
	for _, svc := range w.services() {
		wrong = append(wrong, w.auditService(svc, live)...)
	}
	for name := range w.leaving {
		if _, err := w.store.Service(w.t.Context(), w.account.ID, name); errors.Is(err, panel.ErrNotFound) {
			delete(w.leaving, name)
			delete(w.wanted, name)
		}
	}
	if len(wrong) > 0 {
		return wrong // a look at every process of the machine is for the end
	}
	for run, pids := range w.processes() {
		if len(pids) != live[run] {
			wrong = append(wrong, fmt.Sprintf("run %s has the processes %v, want %d", run, pids, live[run]))
		}
		delete(live, run)
	}
	for run := range live {
		wrong = append(wrong, "run "+run+" has no process")
	}
	return wrong
}

// services are those that the store has; every one that must be there is.
func (w *world) services() []panel.Service {
	w.t.Helper()
	all, err := w.store.AllServices(w.t.Context())
	check(w.t, err)
	have := map[string]bool{}
	for _, svc := range all {
		have[svc.Name] = true
	}
	for name := range w.wanted {
		if !have[name] && !w.leaving[name] {
			w.t.Fatalf("the service %s is gone", name)
		}
	}
	return all
}

// auditService compares what the store says of a service with the record that its program keeps.
func (w *world) auditService(svc panel.Service, live map[string]int) (wrong []string) {
	w.t.Helper()
	wanted := w.wanted[svc.Name]
	if svc.Wanted != wanted {
		wrong = append(wrong, fmt.Sprintf("%s is wanted %s, want %s", svc.Name, svc.Wanted, wanted))
	}
	// In this order: what is born was stored before, and what is stored as ended has ended.
	births := w.record(svc.Name, "births")
	runs, err := w.store.Runs(w.t.Context(), svc.ID, 10_000)
	check(w.t, err)
	ends := w.record(svc.Name, "ends")
	for i, run := range runs {
		marker := fmt.Sprintf("%s-%d-%d", w.store.InstanceID(), svc.ID, run.Number)
		if len(births[marker]) > 1 {
			w.t.Fatalf("run %s was born %d times", marker, len(births[marker]))
		}
		switch {
		case run.End == nil && i > 0:
			w.t.Fatalf("run %s has no end, and is not the last", marker)
		case run.End == nil:
			if len(births[marker]) == 0 {
				wrong = append(wrong, "run "+marker+" is not born yet")
			}
			live[marker] = 1
			if strings.HasSuffix(svc.Command, " parent") {
				live[marker] = 2
			}
		default:
			w.auditExit(marker, *run.End, births[marker], ends[marker])
			if run.End.Failure() && programs[svc.Name] != "ender" {
				w.t.Fatalf("run %s counts as a failure: %+v", marker, *run.End)
			}
		}
		delete(births, marker)
	}
	for marker := range births {
		if !w.leaving[svc.Name] { // else it was deleted since it was listed
			w.t.Fatalf("the store does not know of run %s", marker)
		}
		wrong = append(wrong, svc.Name+" is being deleted")
	}
	if isLive := len(runs) > 0 && runs[0].End == nil; isLive != (wanted == panel.WantedOn) {
		wrong = append(wrong, fmt.Sprintf("%s lives: %t, wanted %s", svc.Name, isLive, wanted))
	}
	return wrong
}

// auditExit compares a stored exit with the truth. A program that was never executed has no exit of its own, and one
// without a record of its end was killed.
func (w *world) auditExit(marker string, exit panel.Exit, births, ends []string) {
	w.t.Helper()
	switch {
	case len(births) == 0:
		if exit.Kind != panel.EndNotRun && exit.Kind != panel.EndUnknown || !exit.Host {
			w.t.Fatalf("run %s was never born, and ended %+v", marker, exit)
		}
		return
	case exit.Kind == panel.EndUnknown && (w.unknown || w.lost[marker]):
		w.lost[marker] = true
		return
	}
	how := "s9" // by upkeep, after the stop timeout
	if len(ends) > 0 {
		how, _, _ = strings.Cut(ends[0], " ")
	}
	if got := word(exit); got != how {
		w.t.Fatalf("run %s ended by %s, and upkeep says %s: %+v", marker, how, got, exit)
	}
}

// word writes an exit as the programs do in their record.
func word(exit panel.Exit) string {
	switch exit.Kind {
	case panel.EndExited:
		return strconv.Itoa(exit.Code)
	case panel.EndSignaled:
		return "s" + strconv.Itoa(exit.Signal)
	}
	return string(exit.Kind)
}

// record reads what the programs of a service have noted, by run.
func (w *world) record(service, kind string) map[string][]string {
	found := map[string][]string{}
	for _, line := range w.lines(service + "." + kind) {
		run, rest, _ := strings.Cut(line, " ")
		found[run] = append(found[run], rest)
	}
	return found
}

// processes are all that carry a marker of this upkeep, by run.
func (w *world) processes() map[string][]int {
	found := map[string][]int{}
	mark := []byte("\x00RUN_ID=" + w.store.InstanceID() + "-")
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	for _, path := range paths {
		env, err := os.ReadFile(path)
		env = append([]byte{0}, env...)
		i := bytes.Index(env, mark)
		if err != nil || i < 0 {
			continue
		}
		run, _, _ := bytes.Cut(env[i+len("\x00RUN_ID="):], []byte{0})
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		check(w.t, err)
		found[string(run)] = append(found[string(run)], pid)
	}
	return found
}

// finish stops everything in order, and looks that nothing is left and that no line was lost or doubled.
func (w *world) finish() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	w.auditKeeper(ctx)
	check(w.t, keeper.StopAll(ctx, w.data))
	w.eventually("upkeep ends", func() []string { return is(w.gone()) })
	if left := w.processes(); len(left) > 0 {
		w.t.Errorf("processes are left: %v", left)
	}
	if left := w.own(); len(left) > 0 {
		w.t.Errorf("processes of upkeep's own are left: %v", left)
	}
	if groups := w.groups(); len(groups) > 0 {
		w.t.Errorf("control groups are left: %v", groups)
	}
	w.auditFIFOs()
	for name := range w.wanted {
		w.auditOutput(name)
	}
}

// auditKeeper looks that the keeper holds no more than it has to: a pidfd for each run that lives, a FIFO and a log file
// for each service at most, a socket and a folder.
func (w *world) auditKeeper(ctx context.Context) {
	w.t.Helper()
	status, err := keeper.Status(ctx, w.data)
	check(w.t, err)
	held, err := strconv.Atoi(status["held"])
	check(w.t, err)
	if most := len(w.processes()) + 2*len(w.wanted) + 2; held > most {
		w.t.Errorf("the keeper holds %d descriptors, want at most %d", held, most)
	}
}

// own are the processes of upkeep's own, keeper, daemon and launchers, with their command lines.
func (w *world) own() map[int]string {
	found := map[int]string{}
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	for _, path := range paths {
		env, err := os.ReadFile(path)
		if err == nil && bytes.Contains(env, []byte("UPKEEP_FAILPOINT="+w.order()+"\x00")) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline")) // only to name it
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			check(w.t, err)
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

// killOwn kills every process of upkeep's own. Each could start another one meanwhile, so none may go on first.
func (w *world) killOwn() {
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		for range 3 {
			for pid := range w.own() {
				_ = syscall.Kill(pid, sig) // gone already is as good
			}
		}
	}
}

// auditFIFOs looks that there are none but those of services.
func (w *world) auditFIFOs() {
	w.t.Helper()
	want := map[string]bool{}
	for _, svc := range w.services() {
		want[strconv.Itoa(int(svc.ID))] = true
	}
	err := filepath.WalkDir(w.data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type() == fs.ModeNamedPipe && !want[d.Name()] {
			w.t.Errorf("%s is left", path)
		}
		return err
	})
	check(w.t, err)
}

// auditOutput looks that the log of a service holds every line of every run once, in order, and upkeep's own lines at
// most once.
func (w *world) auditOutput(name string) {
	w.t.Helper()
	count := map[string]int{}
	said := map[string]bool{}
	for _, line := range w.lines("admin/logs/services/" + name + ".log") {
		if own, ok := strings.CutPrefix(line, "upkeep: "); ok {
			if said[own] {
				w.t.Errorf("%s: upkeep says %q twice", name, own)
			}
			said[own] = true
			continue
		}
		run, number, _ := strings.Cut(line, " ")
		count[run]++
		if number != strconv.Itoa(count[run]) {
			w.t.Fatalf("%s: line %q, want number %d", name, line, count[run])
		}
	}
	for run, ends := range w.record(name, "ends") {
		_, number, _ := strings.Cut(ends[0], " ")
		if want, err := strconv.Atoi(number); err != nil || count[run] != want && !(w.cut[run] && count[run] < want) {
			w.t.Errorf("%s: run %s has %d lines in the log, has written %s", name, run, count[run], number)
		}
	}
}

// base is the folder of upkeep's control groups; empty where there are none.
func (w *world) base() string {
	tree, err := cgroup.Find("failpoint-look")
	if err != nil {
		return ""
	}
	defer tree.Close()
	return filepath.Join(filepath.Dir(tree.Base()), "upkeep-"+w.store.InstanceID())
}

// groups are the control groups that upkeep has left, without that of the instance.
func (w *world) groups() (found []string) {
	base := w.base()
	_ = filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != base {
			found = append(found, path)
		}
		return nil // what vanishes meanwhile is not left
	})
	return found
}

// killServices kills every process of every service.
func (w *world) killServices() {
	for len(w.processes()) > 0 {
		for _, pids := range w.processes() {
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGKILL) // gone already is as good
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// clearServices ends what still runs of a test that has failed.
func (w *world) clearServices() {
	w.killServices()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		for _, path := range slices.Backward(w.groups()) {
			_ = syscall.Rmdir(path) // the launchers leave as soon as they notice
		}
		if len(w.groups()) == 0 || time.Now().After(end) {
			break
		}
	}
	if base := w.base(); base != "" {
		_ = syscall.Rmdir(base) // it is gone already after a test that has not failed
	}
}
