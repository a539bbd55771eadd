//go:build !failpoint

package failpoint

// At is a step of the work with that name.
func At(name string) {}

// Broken reports whether a part of the machine with that name is to be taken for missing.
func Broken(name string) bool { return false }

// Environ is what a process has to hand on to a child that is upkeep's own.
func Environ() []string { return nil }
