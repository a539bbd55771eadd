// Package environment reads the environment of a service, text of NAME=value lines as people paste it from a
// .env file, and builds what a run gets of it.
//
// The reader is our own and not a library, because the form must name every problem with its line, and the line
// of the first of two equal names; dotenv libraries stop at the first problem, keep the last of two names
// silently, and replace $NAME, which would make the order of lines matter. The dialect is what they have in
// common:
//
//   - blank lines, and lines that begin with #, say nothing; "export " before a name is accepted
//   - blanks around the name and the value do not count; " #" ends an unquoted value
//   - '…' is literal and may span lines
//   - "…" may span lines and knows \n \r \t \" \\ \$; any other backslash stays
//   - $NAME is never replaced, see Variable.Reference
//   - a byte order mark and Windows line ends are accepted
package environment

import (
	"fmt"
	"regexp"
	"strings"
)

// Variable is one variable that a person declared.
type Variable struct {
	Name  string
	Value string
	Line  int // where its name stands, from 1
	// Reference says that the value holds $NAME where a shell would replace it. Here it stays as it is.
	Reference bool
}

// Problem is one thing that is wrong with the text.
type Problem struct {
	Line int    // from 1; 0 when it concerns the text as a whole
	Text string // a sentence without the line
}

// String gives the problem with its line.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.Text
	}
	return fmt.Sprintf("line %d: %s", p.Line, p.Text)
}

// Error lists everything that is wrong with a text, in the order of its lines.
type Error struct {
	Problems []Problem
}

// Error gives one problem per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Reserved returns the names that upkeep alone sets: they say which run a process belongs to.
func Reserved() []string { return []string{"ACCOUNT", "RUN_ID", "SERVICE_ID", "SERVICE_NAME"} }

var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

var reference = regexp.MustCompile(`\$(?:[A-Za-z_]|\{[A-Za-z_])`)
