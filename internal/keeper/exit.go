package keeper

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Exit is how a process ended while no daemon was there to see it.
type Exit struct {
	Status syscall.WaitStatus
	Known  bool // the status is known; the time always is
	At     time.Time
}

// encode writes what [decodeExit] reads.
func (e Exit) encode(name string) string {
	status := "?"
	if e.Known {
		status = strconv.FormatUint(uint64(e.Status), 10)
	}
	return fmt.Sprintf("%s %s %d", name, status, e.At.UnixNano())
}

func decodeExit(arg string) (name string, e Exit, err error) {
	parts := strings.Fields(arg)
	if len(parts) != 3 {
		return "", e, fmt.Errorf("keeper: malformed exit %q", arg)
	}
	nanos, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return "", e, fmt.Errorf("keeper: malformed exit %q", arg)
	}
	e.At = time.Unix(0, nanos)
	if parts[1] == "?" {
		return parts[0], e, nil
	}
	status, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil {
		return "", e, fmt.Errorf("keeper: malformed exit %q", arg)
	}
	e.Status, e.Known = syscall.WaitStatus(status), true
	return parts[0], e, nil
}
