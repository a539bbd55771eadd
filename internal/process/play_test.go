package process

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// modeVariable makes the test binary play a part instead of running tests.
const modeVariable = "PROCESS_TEST_MODE"

func init() {
	if os.Getenv(modeVariable) == "dead-leader" {
		runtime.LockOSThread() // keeps main on the first thread
	}
}

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVariable); mode != "" {
		parts[mode](os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// parts are what a process of a service can be like. All of them, and their children, end when the test closes
// their standard input, or ends itself.
var parts map[string]func(args []string)

func init() {
	parts = map[string]func([]string){
		"linger": func([]string) { tell("ready"); linger() },
		"deaf":   func([]string) { signal.Ignore(syscall.SIGTERM); tell("ready"); linger() },
		"burn":   func([]string) { go burn(); tell("ready"); linger() },
		// A tree as deep as the argument says.
		"tree": func(args []string) { tell(os.Getpid()); plant(args[0]); linger() },
		// A descendant that has left the session and the line of descent, while the main process stays.
		"stray": func([]string) { tell(os.Getpid()); wait(start("leave")); linger() },
		"leave": func([]string) { start("tree", "0") },
		// The main process ends, another of its session stays.
		"desert": func([]string) { plant("2") },
		// A child without the run's environment, in a session of its own.
		"scrub": func([]string) { tell(os.Getpid()); scrub(); linger() },
		// Waits for a child that used some CPU time, when it is told to.
		"delegate": func([]string) { tell("ready"); hear(); wait(start("use-cpu")); tell("done"); linger() },
		"use-cpu":  func([]string) { useCPU(200 * time.Millisecond) },
		// Starts others, in sessions of their own, as fast as it can.
		"hydra":       func([]string) { tell("ready"); spawnOn(300); linger() },
		"listen":      listen,
		"title":       retitle,
		"keep-zombie": keepZombie,
		"dead-leader": deadLeader,
		"exit-status": askExitStatus,
	}
}

func tell(what any) { fmt.Println(what) }

func linger() { _, _ = io.Copy(io.Discard, os.Stdin) }

var spent atomic.Int64

func burn() {
	for {
		spent.Add(1)
	}
}

// start plays another part in a session of its own.
func start(mode string, args ...string) *exec.Cmd {
	cmd := command(mode, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(cmd.Start())
	return cmd
}

// plant continues a tree in the same session.
func plant(depth string) {
	if n, err := strconv.Atoi(depth); err == nil && n > 0 {
		must(command("tree", strconv.Itoa(n-1)).Start())
	}
}

func scrub() {
	cmd := command("tree", "0")
	cmd.Env = []string{modeVariable + "=tree"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(cmd.Start())
}

// hear waits for a byte from the test.
func hear() {
	_, err := os.Stdin.Read(make([]byte, 1))
	must(err)
}

func useCPU(d time.Duration) {
	for {
		var used unix.Rusage
		must(unix.Getrusage(unix.RUSAGE_SELF, &used))
		if time.Duration(used.Utime.Nano()+used.Stime.Nano()) > d {
			return
		}
	}
}

func command(mode string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), modeVariable+"="+mode)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

func wait(cmd *exec.Cmd) { must(cmd.Wait()) }

// must ends the part; io.EOF is the test's own end.
func must(err error) {
	if err == io.EOF {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func spawnOn(n int) {
	for range n {
		cmd := exec.Command("sleep", "60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		must(cmd.Start())
	}
}

// listen opens a listener per argument "network address", such as "tcp6 [::1]:0", and tells the ports; "same" is
// the one before.
func listen(args []string) {
	port := ""
	for _, arg := range args {
		network, address, _ := strings.Cut(strings.Replace(arg, "same", port, 1), " ")
		l, err := net.Listen(network, address)
		must(err)
		port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		tell(port)
	}
	linger()
}

// retitle writes a title over its arguments and environment, as servers do to show their state.
func retitle(args []string) {
	title := strings.Clone(args[0])
	first := unsafe.StringData(os.Args[0])
	area := unsafe.Slice(first, toEnvironmentEnd(first))
	for i := range area {
		area[i] = 0
	}
	copy(area, title)
	tell("ready")
	linger()
}

// toEnvironmentEnd returns how many bytes lie between first and the end of the environment: the kernel puts both in
// one piece, and says where it ends in field 51 of stat.
func toEnvironmentEnd(first *byte) int {
	text, err := os.ReadFile("/proc/self/stat")
	must(err)
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	end, err := strconv.ParseUint(fields[51-3], 10, 64)
	must(err)
	return int(uintptr(end) - uintptr(unsafe.Pointer(first)))
}

// keepZombie starts a program, tells its number, and does not wait for it until it is told to.
func keepZombie(args []string) {
	cmd := exec.Command(args[0], args[1:]...)
	must(cmd.Start())
	tell(cmd.Process.Pid)
	hear()
	_ = cmd.Wait() // its status is what the test asks about
	tell("reaped")
	linger()
}

// deadLeader ends the first thread; the others live on.
func deadLeader([]string) {
	go func() {
		tell("ready")
		linger()
		os.Exit(0)
	}()
	_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
}

// askExitStatus tells what can be known of how a process ended.
func askExitStatus(args []string) {
	pid, err := strconv.Atoi(args[0])
	must(err)
	h, err := Open(pid)
	must(err)
	status, known := ExitStatus(h.fd, pid)
	fmt.Println(status, known)
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal("waited in vain until ", what)
		}
	}
}
