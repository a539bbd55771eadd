package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// service is what a supervisor is asked to keep up.
type service struct {
	name string
	argv []string // the program by its whole path, and plain words
	home string   // of the account; the output belongs below it
	dir  string   // working directory, relative to the home
	user string   // Unix user
}

// workingDirectory is where the program is started.
func (s service) workingDirectory() string { return filepath.Join(s.home, s.dir) }

// supervisor is a supervisor at work on a site.
type supervisor interface {
	// start declares services and starts the supervisor with them.
	start(services []service) error
	// stop asks for the end of a service, and returns when the supervisor's command does.
	stop(name string) error
	// status is all that the supervisor says of a service.
	status(name string) string
	// pid is the process that a service has for a supervisor.
	pid(name string) (int, error)
	// again brings the supervisor back after its end, or waits for it where it comes back by itself.
	again() error
	// logFile is where the output of a service is written first.
	logFile(s service) string
	// kept lists the files with all that is kept of the output, oldest first.
	kept(s service) []string
	// close takes away what the end of all processes leaves.
	close() error
}

// peer is a kind of supervisor.
type peer struct {
	name  string
	needs []string // programs that have to be in PATH
	open  func(*site) supervisor
}

// subject is the one that has to pass every row.
const subject = "upkeep"

var peers = []peer{
	{subject, nil, openUpkeep},
	{"supervisord", []string{"supervisord", "supervisorctl"}, openSupervisord},
	{"runit", []string{"runsvdir", "sv", "svlogd", "chpst"}, openRunit},
	{"s6", []string{"s6-svscan", "s6-svc", "s6-svstat", "s6-log", "s6-setuidgid"}, openS6},
	{"pm2", []string{"pm2"}, openPM2},
}

// missing names the first program that is not installed; empty when nothing is missing.
func (p peer) missing() string {
	for _, program := range p.needs {
		if _, err := exec.LookPath(program); err != nil {
			return program
		}
	}
	return ""
}

// together lists a log file and those that were put aside beside it under longer names.
func together(current string) []string {
	files, _ := filepath.Glob(strings.TrimSuffix(current, ".log") + "*") // the pattern is right
	slices.Sort(files)
	return files
}

// folder lists what the loggers of runit and s6 keep in the folder of a log: "@…" and "current".
func folder(current string) []string {
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(current), "[@c]*")) // the pattern is right
	slices.Sort(files)
	return files
}

// shellScript is a script that becomes a program, for supervisors that start those. Its words are plain.
func shellScript(lines ...string) string { return "#!/bin/sh\n" + strings.Join(lines, "\n") + "\n" }

// errGone is a supervisor that is not there.
var errGone = errors.New("the supervisor is not there")
