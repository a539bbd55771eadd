// Package failpoint ends a process at a named step of its work, so that tests see what becomes of services when
// upkeep dies there.
//
// Only a build with the tag failpoint can do so; in every other one the functions are empty, and the compiler leaves
// nothing of a call. The test build reads the path of an order from UPKEEP_FAILPOINT. The order is a file with three
// words:
//
//	launch.recorded 1 kill
//
// the name of the step, the how manieth passage of it counts, and what happens then: "kill" sends SIGKILL to the
// process itself, "stop" SIGSTOP, and "parent" kills its parent instead. A line "fired PID" is added to the order
// before, and with that it has had its effect, whoever reads it afterwards. An order may be written at any time.
//
// The names stand in the table of this package's tests, which look for each of them in the code.
package failpoint
