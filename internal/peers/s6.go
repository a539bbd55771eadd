package main

import "path/filepath"

// s6 runs s6-svscan with a logger per service.
type s6 struct{ *site }

func openS6(s *site) supervisor { return s6{s} }

func (v s6) start(services []service) error {
	for _, s := range services {
		if err := v.declare(s, "s6-setuidgid "+s.user, "s6-log -- n10 s1000000 "+filepath.Dir(v.logFile(s))); err != nil {
			return err
		}
	}
	return v.begin("s6-svscan", filepath.Join(v.dir, "scan"))
}

func (v s6) scripts(name string) string { return filepath.Join(v.dir, "scan", name) }

func (v s6) stop(name string) error {
	_, err := v.ask("s6-svc", "-d", v.scripts(name))
	return err
}

func (v s6) status(name string) string {
	text, err := v.ask("s6-svstat", v.scripts(name))
	if err != nil {
		return err.Error()
	}
	return text
}

func (v s6) pid(name string) (int, error) { return v.keeperOf("s6-supervise", name) }

// again waits for s6-svscan.
func (v s6) again() error { return v.keepers("s6-supervise") }

func (v s6) logFile(s service) string { return filepath.Join(s.home, "logs", s.name, "current") }
func (v s6) kept(s service) []string  { return folder(v.logFile(s)) }
func (v s6) close() error             { return nil }
