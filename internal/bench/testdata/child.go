// The program of a measured service where there is no C compiler; it does what child.c does.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	started := now()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	report("started", started)
	if len(os.Args) < 3 {
		select {} // kept from being a deadlock by signal.Notify
	}
	size, total := number(os.Args[1]), number(os.Args[2])
	block := []byte(strings.Repeat("0", digits) + strings.Repeat("x", size-digits-1) + "\n")
	for range signals {
		if len(os.Args) > 3 {
			steady(block, time.Duration(number(os.Args[3]))*time.Microsecond, signals)
		} else {
			emit(block, total)
		}
		report("written", now())
	}
}

func now() int64 {
	var at syscall.Timespec
	const monotonic = 1
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&at)), 0)
	return at.Nano()
}

func report(what string, at int64) {
	c, err := net.Dial("unixgram", os.Getenv("BENCH_SOCKET"))
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s %d %d", what, os.Getenv("SERVICE_ID"), os.Getpid(), at)
}

// digits of the number at the start of a block, from 1 on.
const digits = 12

func count(block []byte) {
	i := digits - 1
	for ; block[i] == '9'; i-- {
		block[i] = '0'
	}
	block[i]++
}

func emit(block []byte, total int) {
	for ; total > 0; total -= len(block) {
		count(block)
		if _, err := os.Stdout.Write(block); err != nil {
			os.Exit(1)
		}
	}
}

func steady(block []byte, pace time.Duration, stop <-chan os.Signal) {
	var longest int64
	for last := now(); ; {
		select {
		case <-stop:
			report("stalled", longest)
			return
		case <-time.After(pace):
		}
		emit(block, len(block))
		at := now()
		longest, last = max(longest, at-last), at
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		os.Exit(2)
	}
	return n
}
