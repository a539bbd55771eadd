package failpoint_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	_ "modernc.org/sqlite"

	"upkeep/internal/panel"
	"upkeep/internal/rig"
)

// Where pidfds do not tell how a process ended, the keeper does, whether a daemon was there at the time or not.
func TestExitsWithoutPidfdInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "UPKEEP_FAILPOINT_BROKEN=pidfd.exit")
	for range 4 { // by a status, and by a signal
		w.killDaemon()
		w.settle()
		w.signalDaemon(syscall.SIGKILL)
		w.settle()
		w.endAndWait() // an adopted run
		w.settle()
	}
	w.finish()
}

// A keeper that is late hears of a run only after that run, and the daemon with it, has ended.
func TestLateKeeper(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "UPKEEP_FAILPOINT_BROKEN=pidfd.exit")
	for range 8 {
		late := rig.Keeper(w.data)
		w.end("brief", "7")
		w.arm("exit.seen", 1, "kill")
		check(t, syscall.Kill(late, syscall.SIGSTOP))
		w.resume("brief")
		w.eventually("the run has ended", func() []string { return is(w.fired()) })
		check(t, syscall.Kill(late, syscall.SIGCONT))
		w.settle()
		w.pause("brief")
		w.settle()
	}
	w.finish()
}

// A daemon that is stopped for a while misses nothing, and services do not notice: the keeper moves their output.
func TestStoppedDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signalDaemon(syscall.SIGSTOP)
	w.endAndWait()
	path := filepath.Join(w.home, "admin/logs/services/writer.log")
	size := func() int64 {
		info, err := os.Stat(path)
		check(t, err)
		return info.Size()
	}
	before := size()
	w.eventually("the keeper moves output", func() []string { return is(size() > before) })
	w.signalDaemon(syscall.SIGCONT)
	w.settle()
	w.endAndWait()
	w.settle()
	w.finish()
}

// After a power-off nothing of the former boot is looked for, and all that is wanted is started once.
func TestPowerOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.latest()
	w.crash()
	w.killServices()
	w.forgeBoot()
	w.unknown = true
	w.serve()
	w.settle()
	w.unknown = false
	for name, run := range w.latest() {
		want := before[name].Number
		if w.wanted[name] == panel.WantedOn {
			want++
			if run.Cause != panel.CauseBoot {
				t.Errorf("%s was started for %q, want %q", name, run.Cause, panel.CauseBoot)
			}
		}
		if run.Number != want {
			t.Errorf("%s: the latest run is %d, want %d", name, run.Number, want)
		}
	}
	w.finish()
}

// latest are the latest runs of all services; zero for one that never ran.
func (w *world) latest() map[string]panel.Run {
	w.t.Helper()
	found := map[string]panel.Run{}
	for _, svc := range w.services() {
		runs, err := w.store.Runs(w.t.Context(), svc.ID, 1)
		check(w.t, err)
		found[svc.Name] = panel.Run{}
		if len(runs) > 0 {
			found[svc.Name] = runs[0]
		}
	}
	return found
}

// forgeBoot makes the database one of a former boot.
func (w *world) forgeBoot() {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.data, "upkeep.db"))
	check(w.t, err)
	_, err = db.ExecContext(w.t.Context(), `UPDATE recovery SET boot_id = 'former'`)
	check(w.t, err)
	check(w.t, db.Close())
}
