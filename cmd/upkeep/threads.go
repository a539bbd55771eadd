package main

import (
	"runtime"
	"sync"
)

// reservedThreads are some for each of the eight workers of the engine, those of the output, and what pages and SQL
// block at one time. Each costs 20 kB.
const reservedThreads = 24

// reserveThreads makes threads that wait until they are needed. A Go program that cannot make one ends at once, and
// a process table, or a control group around upkeep, that a service has filled would take that service's supervisor
// away. The runtime never gives a thread back.
func reserveThreads() {
	var made, done sync.WaitGroup
	enough := make(chan struct{})
	made.Add(reservedThreads)
	for range reservedThreads {
		done.Go(func() {
			runtime.LockOSThread() // so that each needs one of its own
			made.Done()
			<-enough
			runtime.UnlockOSThread()
		})
	}
	made.Wait()
	close(enough)
	done.Wait()
}
