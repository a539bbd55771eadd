package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// Look says which limits an upkeep can keep whose daemon is the process pid, without changing anything; 0 stands for
// one that would be started from this process. [Limiter.Enforcement] is what a daemon itself knows.
func Look(pid int) panel.Enforcement {
	l := Limiter{enforcement: panel.Enforcement{Rung: panel.RungProcess}}
	l.enforce(l.look(pid))
	l.enforcement.PerUser = !l.enforcement.Processes && os.Geteuid() == 0
	return l.enforcement
}

// look finds the controllers. The error says why one is missing.
func (l *Limiter) look(pid int) error {
	who := "self"
	if pid > 0 {
		who = strconv.Itoa(pid)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	membership, err := os.ReadFile(filepath.Join("/proc", who, "cgroup"))
	if err != nil {
		return err
	}
	why := fmt.Errorf("%w: no controller is offered", ErrUnavailable)
	if own, err := locate(string(mounts), string(membership)); err == nil {
		down, err := words(withoutSelf(own), "cgroup.subtree_control")
		l.has = slices.DeleteFunc(down, func(name string) bool { return !slices.Contains(controllers, name) })
		if len(l.has) > 0 {
			l.enforcement.Rung = panel.RungV2
			return why
		}
		if err != nil {
			why = unusable(err)
		}
	}
	for _, p := range placesV1(string(mounts), string(membership)) {
		if err := p.permitted(); err != nil {
			why = err
			continue
		}
		l.has = append(l.has, p.controllers...)
		l.enforcement.Rung = panel.RungV1
	}
	return why
}

// permitted reports whether groups may be made at a place, without making one.
func (p place) permitted() error {
	if err := unix.Access(p.dir, unix.W_OK); err != nil {
		return unusable(err)
	}
	return nil
}
