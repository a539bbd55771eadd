// The program that every supervisor is given: child DIR NAME MODE [ARGUMENT]. It notes in DIR each start of NAME,
// and how much it has written.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var dir, name string

func main() {
	var argument string
	dir, name = os.Args[1], os.Args[2]
	if len(os.Args) > 4 {
		argument = os.Args[4]
	}
	first := noteStart()
	switch os.Args[3] {
	case "lines":
		lines(duration(argument))
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "tree":
		tree()
	case "exit":
		time.Sleep(duration(argument))
		os.Exit(1)
	case "hold":
		if first {
			start("holder", "idle")
			time.Sleep(duration(argument))
			os.Exit(0)
		}
	case "burst":
		if first {
			burst(number(argument))
			os.Exit(0)
		}
	case "flood":
		if first {
			flood(duration(argument))
		}
	}
	idle()
}

// noteStart reports whether this is the first start of the name.
func noteStart() (first bool) {
	f, err := os.OpenFile(filepath.Join(dir, name+".starts"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	check(err)
	defer f.Close()
	info, err := f.Stat()
	check(err)
	_, err = fmt.Fprintf(f, "%d %d\n", os.Getpid(), time.Now().UnixNano())
	check(err)
	return info.Size() == 0
}

// counter is the file that says how much this process has written.
func counter() *os.File {
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s.%d.count", name, os.Getpid())))
	check(err)
	return f
}

func note(f *os.File, n int) {
	_, err := f.WriteAt(fmt.Appendf(nil, "%020d", n), 0)
	check(err)
}

// lines writes a numbered line again and again, and counts those that were taken.
func lines(every time.Duration) {
	count := counter()
	for n := 1; ; n++ {
		if _, err := fmt.Printf("L %d %d ........................\n", os.Getpid(), n); err != nil {
			fmt.Fprintln(count, "\n", err)
			os.Exit(3)
		}
		note(count, n)
		time.Sleep(every)
	}
}

// burst ends its last line with nothing.
func burst(n int) {
	count := counter()
	for i := 1; i < n; i++ {
		_, err := fmt.Printf("L %d %d\n", os.Getpid(), i)
		check(err)
	}
	_, err := fmt.Printf("L %d %d", os.Getpid(), n)
	check(err)
	note(count, n)
}

func flood(length time.Duration) {
	count, block, taken := counter(), []byte(strings.Repeat(strings.Repeat("f", 127)+"\n", 64)), 0
	for end := time.Now().Add(length); time.Now().Before(end); {
		n, err := os.Stdout.Write(block)
		taken += n
		check(err)
	}
	note(count, taken)
}

// tree starts a plain child, one that ignores SIGTERM and one in a session of its own.
func tree() {
	start("plain", "idle")
	start("deaf", "deaf")
	cmd := command("session", "idle")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	check(cmd.Start())
}

func start(role, mode string) { check(command(role, mode).Start()) }

func command(role, mode string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], dir, name+"-"+role, mode)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

func idle() {
	for {
		time.Sleep(time.Hour)
	}
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	check(err)
	return d
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
