package failpoint_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"upkeep/internal/panel"
	"upkeep/internal/rig"
)

// step is a point at which upkeep is killed, and how it gets there.
type step struct {
	point string
	n     int // passage; 0 is the first
	scene scene
}

// scene is what happens around a kill.
type scene struct {
	before func(*world) // nothing is armed yet
	cause  func(*world) // leads to the point
	after  func(*world) // back to where every step begins
	// unknown says that a status may be lost, because nobody is left who knew it.
	unknown bool
}

var (
	start = scene{cause: func(w *world) { w.resume("late") }, after: func(w *world) { w.pause("late") }}
	exit  = scene{cause: (*world).endEnder}
	// adopted is the exit of a run that a daemon before has started.
	adopted = scene{cause: (*world).endEnder, before: (*world).killDaemon}
	stop    = scene{cause: func(w *world) { w.pause("parent") }, after: func(w *world) { w.resume("parent") }}
	force   = scene{cause: func(w *world) { w.pause("stubborn") }, after: func(w *world) { w.resume("stubborn") }}
	restart = scene{cause: func(w *world) { w.post("/writer/restart") }}
	hard    = scene{cause: func(w *world) { w.post("/parent/restart-hard") }}
	removal = scene{before: (*world).create, cause: (*world).remove, after: (*world).removeAgain}
	// takeOver is that of a daemon whose keeper lives, and comeBack that after both have died.
	takeOver = scene{cause: (*world).killDaemon}
	comeBack = scene{cause: (*world).killBoth, unknown: true}
	// forgetful is a take-over during which the keeper dies with what it alone knew.
	forgetful = scene{cause: (*world).killDaemon, unknown: true}
	upgrade   = scene{cause: (*world).upgrade}
)

// create makes a service that is going to be removed.
func (w *world) create() {
	w.made++
	name := fmt.Sprintf("gone-%d", w.made)
	w.wanted[name] = panel.WantedOn
	w.post("", "name", name, "command", command("parent"))
	w.eventually("the new service is there", func() []string {
		_, err := w.store.Service(w.t.Context(), w.account.ID, name)
		return is(err == nil)
	})
}

func (w *world) remove() {
	name := fmt.Sprintf("gone-%d", w.made)
	w.leaving[name] = true
	w.wanted[name] = panel.WantedPaused
	w.post("/"+name+"/delete", "confirm", name)
}

// removeAgain removes a service whose removal was not carried out.
func (w *world) removeAgain() {
	name := fmt.Sprintf("gone-%d", w.made)
	if w.leaving[name] {
		w.remove()
	}
	w.eventually("the service is gone", func() []string { return append(w.audit(), is(!w.leaving[name])...) })
}

func (w *world) killBoth() {
	w.crash()
	w.endAndWait()
	w.serve()
}

// upgrade starts another binary in the daemon's place.
func (w *world) upgrade() {
	path := filepath.Join(w.dir, "upkeep")
	_ = os.Remove(path) // there is none the first time
	check(w.t, os.Link(filepath.Join(bin, "upkeep"), path))
	cmd := exec.Command(filepath.Join(bin, "upkeep"), "upgrade", "--config", w.config(), "--data", w.data, path)
	w.posts.Go(func() { _ = cmd.Run() }) // it fails when the keeper dies
}

// dieMeanwhile kills the daemon while a launcher is stopped, which goes on when the next daemon is there.
func (w *world) dieMeanwhile() {
	text, err := os.ReadFile(w.order())
	check(w.t, err)
	words := strings.Fields(string(text))
	pid, err := strconv.Atoi(words[len(words)-1])
	check(w.t, err)
	former := rig.Daemon(w.data)
	w.signalDaemon(syscall.SIGKILL)
	w.eventually("another daemon is ready", func() []string {
		return append(w.ready(), is(rig.Daemon(w.data) != former)...)
	})
	check(w.t, syscall.Kill(pid, syscall.SIGCONT))
}

// ended are the runs that have ended by themselves.
func (w *world) ended() map[string]bool {
	found := map[string]bool{}
	for name := range w.wanted {
		for run := range w.record(name, "ends") {
			found[run] = true
		}
	}
	return found
}

// with makes steps of points that one scene leads to.
func with(s scene, points ...string) (all []step) {
	for _, p := range points {
		all = append(all, step{point: p, scene: s})
	}
	return all
}

// carry kills upkeep at every step, one after the other, and looks each time that all comes right again.
func carry(t *testing.T, what string, steps []step) {
	w := newWorld(t)
	for _, s := range steps {
		w.t.Logf("%s, %s", s.point, what)
		if s.scene.before != nil {
			s.scene.before(w)
			w.settle()
		}
		w.unknown = s.scene.unknown || what == "both"
		before := w.ended()
		w.arm(s.point, max(s.n, 1), what)
		s.scene.cause(w)
		w.eventually(s.point+" is passed", func() []string { return is(w.fired()) })
		if what == "stop" {
			w.dieMeanwhile()
		}
		w.settle()
		if w.unknown {
			for run := range w.ended() {
				w.cut[run] = w.cut[run] || !before[run]
			}
		}
		w.unknown = false
		if s.scene.after != nil {
			s.scene.after(w)
			w.settle()
		}
	}
	w.finish()
}
