package process

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"upkeep/internal/panel"
)

// stat is what /proc/PID/stat says of a process.
type stat struct {
	pid, parent, session int
	comm                 string
	state                byte
	flags                uint64
	own                  uint64 // ticks of user and system time of its own threads
	reaped               uint64 // the same of children that it waited for
	threads              int
	start                uint64 // ticks since boot
	rssPages             int64
	exitCode             int // a wait status; only meaningful for a zombie that may be inspected
}

// Fields of /proc/PID/stat as proc(5) numbers them, less the first three: counting starts behind the name, which
// may itself contain blanks and parentheses.
const (
	fieldParent   = 4 - 3
	fieldSession  = 6 - 3
	fieldFlags    = 9 - 3
	fieldUser     = 14 - 3
	fieldSystem   = 15 - 3
	fieldChildUsr = 16 - 3
	fieldChildSys = 17 - 3
	fieldThreads  = 20 - 3
	fieldStart    = 22 - 3
	fieldRSS      = 24 - 3
	fieldExitCode = 52 - 3
)

// flagExiting is PF_EXITING: the first thread is on its way out.
const flagExiting = 0x4

var errStat = errors.New("unexpected format of a stat file")

// readStat returns panel.ErrGone when the process is not there or hides.
func readStat(pid int) (stat, error) {
	text, err := readHead(procPath(pid, "stat"), maxStatBytes)
	if err != nil {
		return stat{}, fmt.Errorf("stat of process %d: %w", pid, goneOr(err))
	}
	s, err := parseStat(text)
	if err != nil {
		return stat{}, fmt.Errorf("stat of process %d: %w", pid, err)
	}
	return s, nil
}

func parseStat(text []byte) (stat, error) {
	from, to := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if from < 0 || to < from {
		return stat{}, errStat
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text[:from])))
	fields := bytes.Fields(text[to+1:])
	if err != nil || len(fields) <= fieldRSS {
		return stat{}, errStat
	}
	s := stat{
		pid:      pid,
		comm:     string(text[from+1 : to]),
		state:    fields[0][0],
		parent:   int(number(fields, fieldParent)),
		session:  int(number(fields, fieldSession)),
		flags:    uint64(number(fields, fieldFlags)),
		own:      uint64(number(fields, fieldUser) + number(fields, fieldSystem)),
		reaped:   uint64(number(fields, fieldChildUsr) + number(fields, fieldChildSys)),
		threads:  int(number(fields, fieldThreads)),
		start:    uint64(number(fields, fieldStart)),
		rssPages: number(fields, fieldRSS),
	}
	if len(fields) > fieldExitCode {
		s.exitCode = int(number(fields, fieldExitCode))
	}
	return s, nil
}

// number reads a field that the kernel wrote as a decimal number; none of those used here exceeds 63 bits.
func number(fields [][]byte, i int) int64 {
	n, _ := strconv.ParseInt(string(fields[i]), 10, 64) // cannot go wrong, see above
	return n
}

// zombie reports whether the process has ended and waits to be reaped. A leader whose other threads go on shows
// the same letter.
func (s stat) zombie() bool {
	return (s.state == 'Z' || s.state == 'X') && s.threads <= 1
}

// cpuTime is what the process itself has used.
func (s stat) cpuTime() time.Duration { return ticks(s.own) }

func ticks(n uint64) time.Duration { return time.Duration(n) * time.Second / ticksPerSecond }

func procPath(pid int, file string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + file
}

// goneOr returns panel.ErrGone for the errors of a process that ended or may not be read.
func goneOr(err error) error {
	if unreadable(err) {
		return panel.ErrGone
	}
	return err
}
