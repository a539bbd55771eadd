package supervisor

import (
	"time"

	"upkeep/internal/panel"
)

// event is an input of the machine.
type event interface{ kind() eventKind }

// ofRun is an event about one run; it means nothing to any other.
type ofRun interface{ number() int }

type eventKind int

const (
	kindOn eventKind = iota
	kindPause
	kindRestart
	kindRemove
	kindBoot
	kindAdopt
	kindLaunched
	kindNotLaunched
	kindExited
	kindInspected
	kindDeadline
	kindChecked
	kinds // how many there are
)

type (
	// evOn: a person wants the service to run now (resume, enable again, do not wait for the next try).
	evOn struct{ by panel.Actor }
	// evPause: a person wants it stopped.
	evPause struct{ by panel.Actor }
	// evRestart: a person wants a restart.
	evRestart struct {
		by   panel.Actor
		hard bool
	}
	// evRemove: the service is being deleted.
	evRemove struct{}
	// evBoot: the engine knows the service now, and nothing of it lives. lost is the end of the run that lived
	// when upkeep last looked, and startedAt its start; nil when none did. cause and by are for the first start.
	evBoot struct {
		lost      *panel.Exit
		startedAt time.Time
		cause     panel.Cause
		by        panel.Actor
	}
	// evAdopt: upkeep has started and the latest run is alive; ended is set when its main process is not, and
	// unrecorded when the run was not known to the journal.
	evAdopt struct {
		pid       int
		startedAt time.Time
		ended     *panel.Exit

		unrecorded *panel.RunStart
	}
	// evLaunched: the program was executed.
	evLaunched struct {
		run, pid, version int
		shell             bool
		at                time.Time
	}
	// evNotLaunched: it was not. pid is a process that hangs on the way to it; 0 when nothing is left.
	evNotLaunched struct {
		run  int
		exit panel.Exit
		pid  int
	}
	// evExited: the main process ended.
	evExited struct {
		run  int
		exit panel.Exit
	}
	// evInspected: these processes of the run are there.
	evInspected struct {
		run   int
		alive []int
	}
	// evDeadline: the time that next told has come.
	evDeadline struct{}
)

func (evOn) kind() eventKind          { return kindOn }
func (evPause) kind() eventKind       { return kindPause }
func (evRestart) kind() eventKind     { return kindRestart }
func (evRemove) kind() eventKind      { return kindRemove }
func (evBoot) kind() eventKind        { return kindBoot }
func (evAdopt) kind() eventKind       { return kindAdopt }
func (evLaunched) kind() eventKind    { return kindLaunched }
func (evNotLaunched) kind() eventKind { return kindNotLaunched }
func (evExited) kind() eventKind      { return kindExited }
func (evInspected) kind() eventKind   { return kindInspected }
func (evDeadline) kind() eventKind    { return kindDeadline }

func (e evLaunched) number() int    { return e.run }
func (e evNotLaunched) number() int { return e.run }
func (e evExited) number() int      { return e.run }
func (e evInspected) number() int   { return e.run }
