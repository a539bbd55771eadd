package main

import (
	"fmt"
	"sync"

	"upkeep/internal/panel"
)

// kind is what the program of a service does; testdata/child.go says how.
type kind struct {
	mode    string
	share   int // of a hundred services
	fails   bool
	listens bool
	about   string
}

// kinds are all that take part.
var kinds = []kind{
	{"slow", 20, false, false, "writes a line now and then"},
	{"fast", 8, false, false, "writes many lines, and ends in order on SIGTERM"},
	{"quitter", 8, true, false, "exits after a while with some status"},
	{"listener", 14, false, true, "answers HTTP on its port"},
	{"forker", 8, false, false, "has children that come and go, and write too"},
	{"crasher", 5, true, false, "exits at once"},
	{"late-crasher", 5, true, false, "exits after 1.5 s"},
	{"hup-ignorer", 8, false, false, "takes no notice of SIGHUP"},
	{"hup-reloader", 8, false, false, "stays on SIGHUP"},
	{"daemoniser", 4, true, false, "forks twice and leaves the foreground"},
	{"term-ignorer", 8, false, false, "takes no notice of SIGTERM"},
	{"holder", 4, true, false, "closes its output, which a stubborn helper holds, and exits"},
}

// service is one service as its person knows it. A service has one person, who alone changes it; what others read
// stands under mu.
type service struct {
	name, account string
	kind          kind
	port          int

	mu         sync.Mutex
	exists     bool
	unsure     bool // whether it exists, or what is wanted: a request got no answer
	wanted     panel.Wanted
	annotation string
	troubled   bool // a fault has its log
}

func (s *service) String() string { return s.account + "/" + s.name }

// view is a copy of what changes.
func (s *service) view() (exists, unsure bool, wanted panel.Wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exists, s.unsure, s.wanted
}

// occupy gives the log of the service to one fault at a time; false when another has it.
func (s *service) occupy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.troubled || !s.exists {
		return false
	}
	s.troubled = true
	return true
}

func (s *service) vacate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubled = false
}

// planWorkload makes up n services by the shares of their kinds, at least one of each.
func planWorkload(n int) []*service {
	var all []*service
	for len(all) < n {
		for _, k := range kinds {
			for range max(1, k.share*n/100) {
				if len(all) < n {
					all = append(all, newService(k, len(all)))
				}
			}
		}
	}
	return all
}

func newService(k kind, number int) *service {
	s := &service{name: fmt.Sprintf("%s-%d", k.mode, number), account: accounts[number%len(accounts)], kind: k}
	if ports := panel.MaxPort - panel.MinPort + 1; k.listens && number < ports {
		s.port = panel.MinPort + number
	}
	return s
}
