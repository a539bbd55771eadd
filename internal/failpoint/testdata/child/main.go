// Command child is the service of the tests. It proves that no second copy of it lives, helpers included, by a lock
// that all of them hold, and keeps a record of its births and ends. The argument says what it is:
//
//	writer    prints numbered lines until it is asked to end
//	ender     ends as the file "<service>.go" says: a status, or s and the number of a signal
//	parent    has a child, which outlives it
//	stubborn  does not listen to SIGTERM
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	name  = os.Getenv("SERVICE_NAME")
	run   = os.Getenv("RUN_ID")
	lines = 0
)

func main() {
	if os.Args[1] == "helper" {
		must(syscall.Pause()) // a signal ends it
	}
	lock, err := os.OpenFile(name+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	must(err)
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		note("doubles", run)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	if os.Args[1] == "parent" {
		helper := exec.Command("/proc/self/exe", "helper")
		helper.ExtraFiles = []*os.File{lock}
		must(helper.Start())
	}
	note(name+".births", run+" "+strconv.Itoa(os.Getpid()))
	for range time.Tick(10 * time.Millisecond) {
		select {
		case sig := <-signals:
			if os.Args[1] != "stubborn" || sig == syscall.SIGHUP {
				end(0)
			}
		default:
		}
		switch os.Args[1] {
		case "writer":
			line()
		case "ender":
			if text, err := os.ReadFile(name + ".go"); err == nil {
				must(os.Remove(name + ".go"))
				obey(string(text))
			}
		}
	}
}

func line() {
	lines++
	fmt.Printf("%s %d\n", run, lines)
}

func obey(text string) {
	line()
	if number, ok := strings.CutPrefix(text, "s"); ok {
		sig, err := strconv.Atoi(number)
		must(err)
		record("s" + number)
		signal.Reset()
		must(syscall.Kill(os.Getpid(), syscall.Signal(sig)))
		must(syscall.Pause())
	}
	status, err := strconv.Atoi(text)
	must(err)
	end(status)
}

func end(status int) {
	record(strconv.Itoa(status))
	os.Exit(status)
}

func record(how string) { note(name+".ends", fmt.Sprintf("%s %s %d", run, how, lines)) }

func note(file, text string) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	must(err)
	_, err = f.WriteString(text + "\n")
	must(err)
	must(f.Close())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
