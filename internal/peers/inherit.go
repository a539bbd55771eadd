package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inherited looks from outside at a program that sets nothing up itself.
func inherited(t *trial) ([]cell, error) {
	name, err := t.users.member()
	if err == nil {
		err = t.give(name)
	}
	if err != nil {
		return nil, err
	}
	s := service{name: "still", argv: []string{t.still, "86400"}, home: t.home, user: name}
	if err := t.start([]service{s}); err != nil {
		return nil, err
	}
	pid := 0
	started := t.within(startTime, func() bool {
		pids := slices.DeleteFunc(processesOf(t.dir), func(pid int) bool { return exe(pid) != t.still })
		if len(pids) == 1 {
			pid = pids[0]
		}
		return pid != 0
	})
	if !started {
		return nil, fmt.Errorf("it was not started; the supervisor says: %s", t.says(s.name))
	}
	groups, err := groupsCell(pid, name)
	return []cell{groups, privilegesCell(pid), signalsCell(pid), sessionCell(pid), t.homeCell(pid, name), secretCell(pid), descriptorsCell(pid)}, err
}

func exe(pid int) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)) // gone: empty
	return path
}

// groupsCell names groups as the numbers that a person knows: u is the user's own, x the extra one.
func groupsCell(pid int, name string) (cell, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return cell{}, err
	}
	want, err := u.GroupIds()
	if err != nil {
		return cell{}, err
	}
	got := strings.Fields(field(pid, "Groups"))
	right := strings.Fields(field(pid, "Uid"))[0] == u.Uid && strings.Fields(field(pid, "Gid"))[0] == u.Gid
	slices.Sort(want)
	slices.Sort(got)
	// A process has its primary group in any case, so it may be left out of the others.
	rest := func(all []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(g string) bool { return g == u.Gid })
	}
	switch {
	case !right:
		return cell{text: "not as the user: uid " + field(pid, "Uid") + ", gid " + field(pid, "Gid")}, nil
	case slices.Equal(rest(want), rest(got)):
		return cell{"right", true}, nil
	case len(got) == 0:
		return cell{text: "none"}, nil
	case len(rest(got)) == 0:
		return cell{text: "only its own"}, nil
	}
	return cell{text: strings.Join(got, " ")}, nil
}

// privilegesCell wants what others cannot read and what cannot gain anything.
func privilegesCell(pid int) cell {
	umask, capabilities := field(pid, "Umask"), strings.TrimLeft(field(pid, "CapEff"), "0")
	gains := field(pid, "NoNewPrivs") == "0"
	if capabilities == "" {
		capabilities = "none"
	}
	return cell{umask + " / " + yesNo(!gains) + " / " + capabilities, umask == "0027" && !gains && capabilities == "none"}
}

// holds reports whether a signal stands in a mask of /proc/PID/status.
func holds(mask string, sig unix.Signal) bool {
	bits, _ := strconv.ParseUint(mask, 16, 64) // the kernel wrote it; gone: 0
	return bits>>(sig-1)&1 == 1
}

func signalsCell(pid int) cell {
	var found []string
	for sig := unix.Signal(1); sig <= 64; sig++ {
		if holds(field(pid, "SigIgn"), sig) {
			found = append(found, signalName(sig))
		}
		if holds(field(pid, "SigBlk"), sig) {
			found = append(found, signalName(sig)+" blocked")
		}
	}
	if len(found) == 0 {
		return cell{"none", true}
	}
	return cell{text: strings.Join(found, ", ")}
}

func signalName(sig unix.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return strconv.Itoa(int(sig))
}

func sessionCell(pid int) cell {
	session, _ := unix.Getsid(pid) // gone: 0
	group, _ := unix.Getpgid(pid)
	return cell{yesNo(session == pid) + " / " + yesNo(group == pid), session == pid && group == pid}
}

// variable is one of a process; it is nothing when there is none.
func variable(pid int, name string) (value string, ok bool) {
	for _, v := range strings.Split(proc(pid, "environ"), "\x00") {
		if value, ok = strings.CutPrefix(v, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

func (t *trial) homeCell(pid int, name string) cell {
	value, ok := variable(pid, "HOME")
	u, err := user.Lookup(name)
	switch {
	case !ok:
		return cell{text: "none"}
	case value == t.home, err == nil && value == u.HomeDir:
		return cell{"account's", true}
	case value == "/root":
		return cell{text: "root's"}
	}
	return cell{text: value}
}

func secretCell(pid int) cell {
	name, _, _ := strings.Cut(secret, "=")
	_, leaked := variable(pid, name)
	n := strings.Count(proc(pid, "environ"), "\x00")
	return cell{fmt.Sprintf("%s (%d variables)", yesNo(leaked), n), !leaked}
}

func descriptorsCell(pid int) cell {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // the pattern is right
	var extra []string
	for _, link := range links {
		if fd, err := strconv.Atoi(filepath.Base(link)); err == nil && fd > 2 {
			target, _ := os.Readlink(link) // closed meanwhile
			extra = append(extra, fmt.Sprintf("%d = %s", fd, target))
		}
	}
	if len(extra) == 0 {
		return cell{"none", true}
	}
	return cell{text: strings.Join(extra, ", ")}
}
