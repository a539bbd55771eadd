package process

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"upkeep/internal/panel"
)

// Carrier is a process that shows by itself to which service it belongs: in its environment it has the marker of
// a run, or its output goes to the service's FIFO. The first can be written over by programs that change their
// title, and both can be forged by whoever runs as the same user: compare UID with the account's.
type Carrier struct {
	PID     int
	Start   uint64 // clock ticks since boot
	Session int
	UID     int // real
	Service panel.ServiceID
	Run     int // 0 when only the FIFO tells
}

// Carriers lists the living processes that belong to services of an instance, whatever is known of their runs. Fifos
// is the folder of the services' FIFOs, each named by its ID; empty leaves them out.
func Carriers(ctx context.Context, instance, fifos string) ([]Carrier, error) {
	s, err := scan(ctx)
	if err != nil {
		return nil, err
	}
	var found []Carrier
	for pid, st := range s.stats {
		if st.zombie() || pid == os.Getpid() {
			continue
		}
		id, run, ok := s.environ(pid).run(instance)
		if !ok && fifos != "" {
			id, ok = writesTo(pid, fifos)
		}
		if !ok {
			continue
		}
		if uid, ok := realUser(pid); ok {
			found = append(found, Carrier{PID: pid, Start: st.start, Session: st.session, UID: uid, Service: id, Run: run})
		}
	}
	return found, nil
}

// run finds the marker of any run of an instance: RUN_ID=<instance>-<service>-<run>.
func (e environ) run(instance string) (id panel.ServiceID, run int, ok bool) {
	begin := []byte("RUN_ID=" + instance + "-")
	for entry := range bytes.SplitSeq(e, []byte{0}) {
		rest, ok := bytes.CutPrefix(entry, begin)
		if !ok {
			continue
		}
		service, number, _ := strings.Cut(string(rest), "-")
		n, err := strconv.ParseInt(service, 10, 64)
		run, err2 := strconv.ParseInt(number, 10, 32)
		if err == nil && err2 == nil && n > 0 && run > 0 {
			return panel.ServiceID(n), int(run), true
		}
	}
	return 0, 0, false
}

// writesTo finds the service whose FIFO is the standard output or error of a process.
func writesTo(pid int, fifos string) (panel.ServiceID, bool) {
	for _, fd := range []string{"fd/1", "fd/2"} {
		target, err := os.Readlink(procPath(pid, fd))
		if err != nil {
			continue
		}
		dir, name := filepath.Split(strings.TrimSuffix(target, " (deleted)"))
		if id, err := strconv.ParseInt(name, 10, 64); err == nil && id > 0 && filepath.Clean(dir) == fifos {
			return panel.ServiceID(id), true
		}
	}
	return 0, false
}

// realUser is the real uid of a process; false when it is gone. The owner of its folder below /proc would be root for
// a program that does not let itself be inspected.
func realUser(pid int) (uid int, ok bool) {
	text, err := readHead(procPath(pid, "status"), maxStatBytes)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Uid:")); ok {
			uid, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
			return uid, err == nil
		}
	}
	return 0, false
}

// StartedAt is the time of a start that was told in clock ticks since boot.
func StartedAt(startTicks uint64) (time.Time, error) {
	boot, err := bootTime()
	return boot.Add(ticks(startTicks)), err
}
