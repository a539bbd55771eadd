// Command peers puts the same program under upkeep and under the other supervisors that are installed, does to each
// what happens to supervisors, and prints one table of what came of it. "make peers" builds upkeep first and then
// runs it. It exits with 1 when upkeep fails a row; the others are shown as they are.
//
// Everything is real and needs root: services run as users of their own, and file systems and control groups are
// bounded. Each supervisor runs with its defaults in a temporary directory of its own for each scenario. Upkeep's
// delays between starts are shortened, so that the failure rule shows itself within the time that is watched.
// Nothing is installed; peers that are missing are named.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	only := flag.String("peers", "", "these only: "+strings.Join(peerNames(), ","))
	rows := flag.String("scenarios", "", "these only: "+strings.Join(scenarioNames(), ","))
	bin := flag.String("bin", "bin", "folder with upkeep and upkeep-helper")
	flag.Parse()
	passed, err := compare(*only, *rows, *bin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers: "+err.Error())
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}

// compare runs the chosen scenarios and prints the table.
func compare(only, rows, bin string) (passed bool, err error) {
	if os.Geteuid() != 0 {
		return false, errors.New("this needs root: services run as other users, and file systems are mounted")
	}
	chosenPeers, err := choose(peers, func(p peer) string { return p.name }, only)
	if err != nil {
		return false, err
	}
	chosen, err := choose(scenarios, func(s scenario) string { return s.name }, rows)
	if err != nil {
		return false, err
	}
	// Whatever the caller left open is not for the supervisors.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return false, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	r, err := newRun(ctx, bin)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	t := r.compare(chosenPeers, chosen, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if ctx.Err() != nil {
		return false, errors.New("interrupted")
	}
	t.print(os.Stdout)
	return t.passed(subject), nil
}

// choose picks those whose names are listed, in their own order; an empty list means all.
func choose[T any](all []T, name func(T) string, list string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	wanted := strings.Split(list, ",")
	known := names(all, name)
	for _, w := range wanted {
		if !slices.Contains(known, w) {
			return nil, fmt.Errorf("there is no %q; there are %s", w, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !slices.Contains(wanted, name(v)) }), nil
}

func names[T any](all []T, name func(T) string) (list []string) {
	for _, v := range all {
		list = append(list, name(v))
	}
	return list
}

func peerNames() []string     { return names(peers, func(p peer) string { return p.name }) }
func scenarioNames() []string { return names(scenarios, func(s scenario) string { return s.name }) }
