//go:build failpoint

package failpoint

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const (
	orderVariable  = "UPKEEP_FAILPOINT"
	brokenVariable = "UPKEEP_FAILPOINT_BROKEN" // names, with commas
)

var (
	order  = os.Getenv(orderVariable)
	broken = strings.Split(os.Getenv(brokenVariable), ",")

	mu       sync.Mutex
	former   string // the order that passages are counted of
	passages int
)

// At is a step of the work with that name.
func At(name string) {
	if order == "" {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	f, err := os.OpenFile(order, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	// Of several processes that pass one carries the order out. Its death gives the lock back.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return
	}
	text, err := io.ReadAll(f)
	words := strings.Fields(string(text))
	if err != nil || len(words) != 3 || words[0] != name || !due(string(text), words[1]) {
		return
	}
	if _, err := fmt.Fprintf(f, "fired %d\n", os.Getpid()); err != nil {
		return
	}
	act(words[2], f)
}

// due counts the passage.
func due(text, nth string) bool {
	if text != former {
		former, passages = text, 0
	}
	passages++
	return strconv.Itoa(passages) == nth
}

func act(what string, f *os.File) {
	switch what {
	case "stop":
		f.Close() // others go on meanwhile
		send(os.Getpid(), syscall.SIGSTOP)
	case "both":
		send(os.Getppid(), syscall.SIGKILL)
		fallthrough
	default:
		send(os.Getpid(), syscall.SIGKILL)
		select {} // this thread is not to go on while the others die
	}
}

// send signals a process of upkeep. When the parent has died before, its place was taken by one that is none.
func send(pid int, sig syscall.Signal) {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err == nil && !strings.HasPrefix(string(name), "upkeep") {
		return
	}
	if err := syscall.Kill(pid, sig); err != nil {
		panic(err)
	}
}

// Broken reports whether a part of the machine with that name is to be taken for missing.
func Broken(name string) bool { return slices.Contains(broken, name) }

// Environ is what a process has to hand on to a child that is upkeep's own.
func Environ() []string {
	return []string{orderVariable + "=" + order, brokenVariable + "=" + os.Getenv(brokenVariable)}
}
