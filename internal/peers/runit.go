package main

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// runit runs runsvdir with a logger per service.
type runit struct{ *site }

func openRunit(s *site) supervisor { return runit{s} }

func (v runit) start(services []service) error {
	for _, s := range services {
		if err := v.declare(s, "chpst -u "+s.user, "svlogd "+filepath.Dir(v.logFile(s))); err != nil {
			return err
		}
	}
	return v.begin("runsvdir", filepath.Join(v.dir, "scan"))
}

// declare writes the two scripts of a service, which runit and s6 have in common.
func (s *site) declare(svc service, become, logger string) error {
	folder := filepath.Join("scan", svc.name)
	err := s.write(folder+"/run", shellScript("exec 2>&1", "cd "+svc.workingDirectory()+" || exit 1",
		"exec "+become+" "+strings.Join(svc.argv, " ")), 0o755)
	if err != nil {
		return err
	}
	logs := filepath.Join(svc.home, "logs", svc.name)
	return s.write(folder+"/log/run", shellScript("mkdir -p "+logs, "exec "+logger), 0o755)
}

func (v runit) scripts(name string) string { return filepath.Join(v.dir, "scan", name) }

// stop waits as long as its command does by itself.
func (v runit) stop(name string) error {
	_, err := v.ask("sv", "down", v.scripts(name))
	return err
}

func (v runit) status(name string) string {
	text, err := v.ask("sv", "status", v.scripts(name))
	if err != nil {
		return err.Error()
	}
	return text
}

func (v runit) pid(name string) (int, error) { return v.keeperOf("runsv", name) }

// keeperOf finds the process that a scanner has started for a service.
func (s *site) keeperOf(program, name string) (int, error) {
	for _, pid := range s.supervisors() {
		args := strings.Split(strings.TrimSuffix(proc(pid, "cmdline"), "\x00"), "\x00")
		if filepath.Base(args[0]) == program && slices.Equal(args[1:], []string{name}) {
			return pid, nil
		}
	}
	return 0, errGone
}

// again waits for runsvdir, which looks every five seconds.
func (v runit) again() error { return v.keepers("runsv") }

func (s *site) keepers(program string) error {
	folders, err := filepath.Glob(filepath.Join(s.dir, "scan", "[^.]*"))
	if err != nil {
		return err
	}
	back := s.within(10*time.Second, func() bool {
		return !slices.ContainsFunc(folders, func(folder string) bool {
			_, err := s.keeperOf(program, filepath.Base(folder))
			return err != nil
		})
	})
	if !back {
		return errGone
	}
	return nil
}

func (v runit) logFile(s service) string { return filepath.Join(s.home, "logs", s.name, "current") }
func (v runit) kept(s service) []string  { return folder(v.logFile(s)) }
func (v runit) close() error             { return nil }
