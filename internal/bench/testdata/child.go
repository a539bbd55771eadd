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
	block := []byte(strings.Repeat("x", size-1) + "\n")
	for range signals {
		emit(block, total)
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

func emit(block []byte, total int) {
	for total > 0 {
		n, err := os.Stdout.Write(block[:min(len(block), total)])
		if err != nil {
			os.Exit(1)
		}
		total -= n
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		os.Exit(2)
	}
	return n
}
