// Command bench measures upkeep against the budgets of its design and prints one table. "make bench" builds upkeep
// first and then runs it.
//
// Everything is real: bin/upkeep is started as a daemon on a database with 1, 1,000 and 5,000 services, whose program
// is a few lines of C, and is looked at from outside. What it does is compared with bare loops in this process where
// the budget says so. Everything happens in a temporary directory and on the loopback address, and is removed again.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// longest bounds the whole run.
const longest = 8 * time.Minute // and what is under way then is ended and removed

func main() {
	only := flag.String("only", "", "measure these only: "+strings.Join(names, ","))
	quick := flag.Bool("quick", false, "fewer services and fewer samples; budgets are for the full number")
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	flag.Parse()
	chosen, err := choose(*only)
	if err == nil {
		err = run(chosen, *quick, *asJSON)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

// choose reads the names of -only; empty means all.
func choose(only string) ([]string, error) {
	if only == "" {
		return names, nil
	}
	chosen := strings.Split(only, ",")
	for _, name := range chosen {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("there is no measure %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

func run(chosen []string, quick, asJSON bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	b, err := newBench(quick)
	if err != nil {
		return err
	}
	defer b.close()
	facts := readMachine(b.dir)
	b.measureAll(ctx, chosen)
	if asJSON {
		return printJSON(os.Stdout, facts, b.rows)
	}
	return printTable(os.Stdout, facts, b.rows)
}
