// The program of every service that chaos runs. Its first argument says what it does. Whatever it is, it keeps a book
// of its own, a small file mapped into memory: it is what the audit believes, and it survives any kill.
package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// The words of a book, in their order; the audit reads the same.
const (
	wordLines   = iota // written completely
	wordLast           // when the last one was, in nanoseconds since 1970
	wordPID            // of the writer
	wordBirth          // when main began
	wordExit           // status it is about to exit with, plus 1
	wordLocked         // 1: another process of the service was alive at the birth of this main process
	wordErrno          // of a write that failed
	wordHangups        // SIGHUPs that were handled
	wordStall          // the longest write, in nanoseconds
	wordMain           // 1: the writer is the main process of its run
	wordAlive          // when the writer was last seen alive, by itself
	words
)

var (
	folder  = os.Getenv("CHAOS_BOOKS")
	runID   = os.Getenv("RUN_ID")
	stream  = runID + "." + stem()
	pages   *[words]uint64
	writing sync.Mutex
	chance  = rand.New(rand.NewPCG(seed(), 1))
)

// stem is the number of this writer within its run; 0 is the main process.
func stem() string {
	if s := os.Getenv("CHAOS_STREAM"); s != "" {
		return s
	}
	return "0"
}

// seed makes the same choices again for the same service and run.
func seed() uint64 {
	h := fnv.New64a()
	run := runID[strings.LastIndexByte(runID, '-')+1:]
	fmt.Fprint(h, os.Getenv("CHAOS_SEED"), os.Getenv("SERVICE_NAME"), run, stem())
	return h.Sum64()
}

func main() {
	openBook()
	take()
	go beat()
	modes[os.Args[1]]()
}

// modes are what a service can be.
var modes = map[string]func(){
	"slow":         func() { write(300*time.Millisecond, 1) },
	"fast":         fast,
	"quitter":      quitter,
	"listener":     listener,
	"forker":       forker,
	"crasher":      func() { line(); leave(3) },
	"late-crasher": func() { go write(100*time.Millisecond, 1); time.Sleep(1500 * time.Millisecond); leave(4) },
	"hup-ignorer":  func() { signal.Ignore(syscall.SIGHUP); write(200*time.Millisecond, 1) },
	"hup-reloader": hupReloader,
	"daemoniser":   daemoniser,
	"term-ignorer": func() { signal.Ignore(syscall.SIGTERM); write(200*time.Millisecond, 1) },
	"holder":       holder,
	// What these start.
	"helper":   helper,
	"go-away":  goAway,
	"stranded": func() { signal.Ignore(syscall.SIGTERM, syscall.SIGHUP); write(200*time.Millisecond, 1) },
}

func fast() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for {
		select {
		case <-stop:
			line()
			leave(0)
		case <-time.After(50 * time.Millisecond):
			for range 10 {
				line()
			}
		}
	}
}

func quitter() {
	statuses := []int{0, 1, 7, 42, 111}
	end := time.Now().Add(time.Duration(2000+chance.IntN(15000)) * time.Millisecond)
	for time.Now().Before(end) {
		time.Sleep(50 * time.Millisecond)
		line()
	}
	leave(statuses[chance.IntN(len(statuses))])
}

func listener() {
	l, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
	if err != nil {
		fmt.Fprintln(os.Stderr, "upkeep: listen:", err) // the prefix keeps it from being taken for a torn line
		leave(5)
	}
	go write(300*time.Millisecond, 1)
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, runID) }))
}

func forker() {
	for n := 1; ; n++ {
		if n%4 != 0 {
			go start("helper", n, false).Wait()
		}
		time.Sleep(300 * time.Millisecond)
		line()
	}
}

func helper() {
	for range 1 + chance.IntN(30) {
		line()
		time.Sleep(50 * time.Millisecond)
	}
	leave(0)
}

func hupReloader() {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			pages[wordHangups]++
			line()
		}
	}()
	write(200*time.Millisecond, 1)
}

// daemoniser leaves the foreground as daemons of old do.
func daemoniser() {
	line()
	start("go-away", 1, true)
	time.Sleep(200 * time.Millisecond)
	leave(0)
}

func goAway() {
	if stem() == "1" {
		start("go-away", 2, true)
		leave(0)
	}
	write(100*time.Millisecond, 1)
}

// holder closes its output, which a helper in a session of its own holds on to, and ends after a while.
func holder() {
	line()
	start("stranded", 1, true)
	null, _ := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	syscall.Dup3(int(null.Fd()), 1, 0)
	syscall.Dup3(int(null.Fd()), 2, 0)
	time.Sleep(time.Duration(4000+chance.IntN(10000)) * time.Millisecond)
	leave(9)
}

// start starts another process of the run.
func start(mode string, number int, session bool) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", mode)
	cmd.Env = append(os.Environ(), "CHAOS_STREAM="+fmt.Sprint(number))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	if err := cmd.Start(); err != nil {
		leave(6)
	}
	return cmd
}

// openBook maps the book of this writer.
func openBook() {
	f, err := os.OpenFile(folder+"/"+stream, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		// A second writer of the same name: the run was started twice.
		os.WriteFile(folder+"/twice."+stream+fmt.Sprint(".", os.Getpid()), []byte(err.Error()), 0o600)
		os.Exit(99)
	}
	if err := f.Truncate(words * 8); err != nil {
		os.Exit(98)
	}
	memory, err := syscall.Mmap(int(f.Fd()), 0, words*8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		os.Exit(97)
	}
	pages = (*[words]uint64)(unsafe.Pointer(&memory[0]))
	now := uint64(time.Now().UnixNano())
	pages[wordPID], pages[wordBirth], pages[wordAlive] = uint64(os.Getpid()), now, now
	f.Close()
}

// take takes the lock of the service, which every process of it shares. At the birth of a main process nobody may
// have it: not another main process, and nothing that a run before has left.
func take() {
	fd, err := syscall.Open(folder+"/lock."+os.Getenv("SERVICE_ID"), syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		os.Exit(96)
	}
	if os.Getenv("CHAOS_STREAM") == "" {
		pages[wordMain] = 1
		if syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			pages[wordLocked] = 1
		}
	}
	syscall.Flock(fd, syscall.LOCK_SH)
}

// beat shows until when the process lived.
func beat() {
	for {
		pages[wordAlive] = uint64(time.Now().UnixNano())
		time.Sleep(50 * time.Millisecond)
	}
}

func write(every time.Duration, n int) {
	for {
		for range n {
			line()
		}
		time.Sleep(every)
	}
}

var padding = strings.Repeat("x", 40)

// line writes the next line, and enters it in the book when it is written. The end mark shows torn lines.
func line() {
	writing.Lock()
	defer writing.Unlock()
	text := []byte(fmt.Sprintf("%s %d %s~\n", stream, pages[wordLines]+1, padding))
	before := time.Now()
	_, err := syscall.Write(1, text)
	for err == syscall.EINTR {
		_, err = syscall.Write(1, text)
	}
	now := time.Now()
	pages[wordStall] = max(pages[wordStall], uint64(now.Sub(before)))
	if err != nil {
		pages[wordErrno] = uint64(err.(syscall.Errno))
		return
	}
	pages[wordLines]++
	pages[wordLast] = uint64(now.UnixNano())
}

// leave exits with a status that the book knows. Nobody writes any more.
func leave(status int) {
	writing.Lock()
	pages[wordAlive] = uint64(time.Now().UnixNano())
	pages[wordExit] = uint64(status) + 1
	os.Exit(status)
}
