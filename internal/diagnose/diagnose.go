// Package diagnose says what a person should know about the definition of a service before it runs: that its
// program does not exist, that an option makes it leave the foreground. It takes facts and gives findings; it
// does no I/O, and a finding never stops anybody.
//
// Each finding has the identifier of its entry in the catalogue of diagnoses, D01 and so on, so that pages, the
// API and help texts speak of the same thing. Those that concern the environment or the characters of the
// text, which the catalogue does not number, are E01 and so on. A wrong alarm costs more trust than a missing
// one: when in doubt, nothing is said.
package diagnose

import (
	"upkeep/internal/command"
	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

// Facts is what somebody has looked up about a definition. The zero value says that nobody looked.
type Facts struct {
	User    string // Unix user of the account, for messages
	Program *Found // the command's program; nil when nobody looked
}

// Found says what was found where a program should be. It speaks of the file that would be executed or, where
// nothing can be executed, of what stands in its place.
type Found struct {
	Name string // as the command names it
	Path string // absolute, of the file; empty when there is none
	// Executable says that the account may execute Path.
	Executable bool
	Directory  bool // Path is a directory

	// Here is set for a name without a slash that is a file of the working directory, where nobody looks for
	// programs.
	Here           bool
	HereExecutable bool

	// Candidates are other places where a program of this name exists, as one would type them: virtual
	// environments and the like.
	Candidates []string

	Format Format // of the file at Path, as far as its first bytes tell
	// Interpreter is what the first line names: of "#!/usr/bin/env node" it is node.
	Interpreter        string
	InterpreterMissing bool
	// CarriageReturn says that the first line ends with a Windows line break.
	CarriageReturn bool
	Machine        string // for FormatForeign: what the program was built for
}

// Format is a kind of executable file.
type Format string

// The formats of executable files.
const (
	FormatUnknown Format = ""        // unreadable, or nobody looked
	FormatBinary  Format = "binary"  // a program for this machine
	FormatForeign Format = "foreign" // a program for another one
	FormatScript  Format = "script"  // begins with #!
	FormatText    Format = "text"    // anything else: the kernel cannot execute it
	FormatEmpty   Format = "empty"
)

// Definition returns the findings for a definition, in the order of their identifiers. A command or an
// environment that cannot be read is an error of the form and no finding.
func Definition(def panel.Definition, facts Facts) []panel.Finding {
	var found []panel.Finding
	vars, err := environment.Parse(def.Environment)
	readable := err == nil
	if cmd, err := command.Parse(def.Command); err == nil {
		found = append(found, programFindings(cmd, facts)...)
		found = append(found, shellFindings(cmd)...)
		found = append(found, foregroundFindings(cmd)...)
		if readable {
			found = append(found, unsetVariables(cmd, def, vars)...)
		}
		found = append(found, secretFindings(cmd)...)
		found = append(found, parentFindings(cmd)...)
		found = append(found, typography(cmd)...)
	}
	if readable {
		found = append(found, environmentFindings(def, vars)...)
	}
	return found
}

// about makes a finding on the command.
func about(id, text, fix string) panel.Finding {
	return panel.Finding{ID: id, Field: "command", Text: text, Fix: fix}
}
