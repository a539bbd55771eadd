// Command chaos lets a panel with many services suffer, and then looks whether a service has. "make chaos" builds
// upkeep first and then runs it.
//
// Everything is real, and everything is looked at from outside: bin/upkeep runs as root with services of some dozen
// kinds, which keep books of what they wrote; people change services through the panel; faults strike upkeep, the
// services, their homes and the disk. In the end an audit compares the books, the logs, the panel, the database and
// /proc. The seed determines the faults and the decisions of the people; only how they interleave is the machine's.
//
// All of it happens in namespaces of its own (processes, mounts, network) and a temporary directory: when the program
// ends, however it ends, the kernel takes every process, mount and port back. See cell.go.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

// options are what can be chosen.
type options struct {
	seed     uint64
	duration time.Duration // of the faults; set-up and audit come on top
	services int
	only     string // names of faults, separated by commas; empty for all
	bin      string // folder of upkeep and upkeep-helper
	keep     bool
	verbose  bool
	stage    string // how far into the cell this process is; for the program itself
	cell     string // temporary directory; for the program itself
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 0, "repeat the run of this seed; 0 takes a new one")
	flag.DurationVar(&o.duration, "for", 5*time.Minute, "how long faults strike")
	flag.IntVar(&o.services, "services", 200, "number of services")
	flag.StringVar(&o.only, "only", "", "these faults only, separated by commas: "+faultNames())
	flag.StringVar(&o.bin, "bin", "bin", "folder of upkeep and upkeep-helper")
	flag.BoolVar(&o.keep, "keep", false, "keep the temporary directory")
	flag.BoolVar(&o.verbose, "v", false, "print every fault")
	flag.StringVar(&o.stage, "stage", "", "internal")
	flag.StringVar(&o.cell, "dir", "", "internal")
	flag.Parse()
	os.Exit(enter(o))
}

// run is the program proper, inside the cell. It returns the exit status: 0 when nothing was violated, 1 when
// something was, 2 when the run could not be carried out.
func run(o options) int {
	// Well above what any run needs: it ends a run in which something waits for ever.
	ctx, cancel := context.WithTimeout(context.Background(), o.duration+4*time.Minute)
	defer cancel()
	c, err := newChaos(o)
	if err == nil {
		err = c.carryOut(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos: "+err.Error())
		return 2
	}
	c.report.print(os.Stdout)
	if c.report.bad() {
		fmt.Printf("repeat with: go run ./internal/chaos -seed %d -for %v -services %d\n", o.seed, o.duration, o.services)
		return 1
	}
	return 0
}
