// Command upkeep-helper is the small process beside upkeep. "upkeep-helper launch" is the launcher: the stage
// between upkeep and a customer's program. It is started by upkeep and of no use to people.
package main

import (
	"fmt"
	"os"

	"upkeep/internal/launcher"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "launch" {
		launcher.Main()
	}
	fmt.Fprintln(os.Stderr, "upkeep-helper: started by upkeep itself; it has no use of its own")
	os.Exit(2)
}
