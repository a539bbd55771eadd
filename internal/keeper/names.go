package keeper

import (
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// The names under which descriptors are held. The keeper knows what it may do with each kind, and nothing else.
const (
	fifoPrefix     = "fifo/"     // the reading end of a service's output
	logPrefix      = "log/"      // the file that its output goes to
	runPrefix      = "run/"      // pidfd of a run's main process
	listenerPrefix = "listener/" // a listening socket
	spillName      = "spill"     // folder of upkeep's own for output that the log file does not take
)

// FIFO names the reading end of the output of a service.
func FIFO(service int64) string { return fifoPrefix + strconv.FormatInt(service, 10) }

// Log names the file that the output of a service goes to.
func Log(service int64) string { return logPrefix + strconv.FormatInt(service, 10) }

// Spill names the folder for output that a log file does not take: "<service>.log" is made in it.
func Spill() string { return spillName }

// Run names the pidfd of a run's main process. While it is held, the exit status of that process is not lost.
func Run(service int64, run, pid int) string {
	return runPrefix + strconv.FormatInt(service, 10) + "/" + itoa(run) + "/" + itoa(pid)
}

// Runs is the beginning of the names of all runs.
func Runs() string { return runPrefix }

// Listeners is the beginning of the names of all listening sockets.
func Listeners() string { return listenerPrefix }

// Listener names a listening socket by the address it was asked for.
func Listener(addr string) string { return listenerPrefix + addr }

// soundName reports whether a name can be told from others in a list of them.
func soundName(name string) bool {
	return name != "" && !strings.ContainsAny(name, " \t\r\n\v\f\u0085\u00a0") // what strings.Fields divides by
}

// pidOf returns the PID in the name of a run.
func pidOf(name string) (pid int, ok bool) {
	if !strings.HasPrefix(name, runPrefix) {
		return 0, false
	}
	pid, err := strconv.Atoi(name[strings.LastIndexByte(name, '/')+1:])
	return pid, err == nil
}

// serviceOf returns the service of a FIFO's name.
func serviceOf(name string) (service int64, ok bool) {
	number, ok := strings.CutPrefix(name, fifoPrefix)
	if !ok {
		return 0, false
	}
	service, err := strconv.ParseInt(number, 10, 64)
	return service, err == nil
}
