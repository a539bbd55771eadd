// Package failpoint ends a process at a named step of its work, so that tests see what becomes of services when
// upkeep dies there.
//
// Only a build with the tag failpoint can do so; in every other one the functions are empty, and the compiler leaves
// nothing of a call. The test build reads the path of an order from UPKEEP_FAILPOINT. The order is a file with three
// words, which may be written at any time:
//
//	launch.recorded 1 kill
//
// They are the name of the step, the number of the passage that counts, and what happens then: "kill" sends SIGKILL
// to the process itself, "stop" SIGSTOP, and "both" kills its parent, too. A line "fired PID" is added to the order
// before that; then it has had its effect, whoever reads it.
//
// The names stand in the table of this package's tests, which look for each of them in the code.
package failpoint
