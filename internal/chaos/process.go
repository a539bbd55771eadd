package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is one process as /proc shows it.
type process struct {
	pid, parent int
	state       byte
	start       string // clock ticks since boot: with the PID, the identity
	service     string // SERVICE_NAME; empty for what is no service's
	run         string // RUN_ID
	helper      bool   // not the main process of its run
}

func (p process) zombie() bool { return p.state == 'Z' || p.state == 'X' }

func (p process) main() bool { return p.service != "" && !p.helper && !p.zombie() }

// readProcess reads a process without its environment; false when there is none.
func readProcess(pid int) (process, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	end := bytes.LastIndexByte(text, ')')
	if err != nil || end < 0 {
		return process{}, false
	}
	fields := strings.Fields(string(text[end+1:])) // from field 3 of the file on
	if len(fields) < 20 {
		return process{}, false
	}
	parent, _ := strconv.Atoi(fields[1]) // the kernel writes a number
	return process{pid: pid, state: fields[0][0], parent: parent, start: fields[19]}, true
}

// processes lists every process of the cell.
func processes() []process {
	folders, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []process
	for _, f := range folders {
		pid, err := strconv.Atoi(f.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			p.readEnvironment()
			found = append(found, p)
		}
	}
	return found
}

// readEnvironment finds out to which run a process belongs. A launcher that waits belongs to none.
func (p *process) readEnvironment() {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid)) // of a zombie it is empty
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		name, value, _ := strings.Cut(string(entry), "=")
		switch name {
		case "SERVICE_NAME":
			p.service = value
		case "RUN_ID":
			p.run = value
		case "CHAOS_STREAM":
			p.helper = true
		}
	}
}

// of lists the living processes of a service.
func of(service string, all []process) []process {
	var found []process
	for _, p := range all {
		if p.service == service && !p.zombie() {
			found = append(found, p)
		}
	}
	return found
}

// gone reports whether a process that was seen has ended since.
func (p process) gone() bool {
	now, ok := readProcess(p.pid)
	return !ok || now.zombie() || now.start != p.start
}

// send signals the process that was seen, and nobody who got its number since.
func (p process) send(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if p.gone() {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

func (p process) String() string {
	return fmt.Sprintf("process %d (state %c, parent %d, service %s, run %s)", p.pid, p.state, p.parent, p.service, p.run)
}
