// Command upkeep-helper is the small binary beside upkeep: "upkeep-helper launch" is the launcher, the stage between
// upkeep and a customer's program, and "upkeep-helper keep" the keeper above the daemon. It is started by upkeep and of
// no use to people.
package main

import (
	"fmt"
	"os"

	"upkeep/internal/keeper"
	"upkeep/internal/launcher"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	switch os.Args[1] {
	case "launch":
		launcher.Main()
	case keeper.VerbKeep, keeper.VerbAdopt:
		os.Exit(keeper.Keep(os.Args[1], os.Args[2:]))
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "upkeep-helper is started by upkeep, not by hand")
	os.Exit(2)
}
