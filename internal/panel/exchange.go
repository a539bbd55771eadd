package panel

import (
	"fmt"
	"strings"
)

// Format is a kind of file that declares services.
type Format string

// The formats that upkeep reads. It writes the three last ones.
const (
	FormatProcfile    Format = "procfile"
	FormatDotenv      Format = "env"
	FormatPM2         Format = "pm2"
	FormatSupervisord Format = "supervisord"
	FormatSystemd     Format = "systemd"
	FormatJSON        Format = "json" // upkeep's own
)

// MaxImportBytes is how large an imported file may be: more than a hundred services with their environments need.
const MaxImportBytes = 256 << 10

// MaxDrafts is how many services one file may ask for.
const MaxDrafts = 100

// ImportFile is a file that somebody wants to make services of. Its text is hostile.
type ImportFile struct {
	Name   string // of the file, when it was uploaded; empty otherwise
	Format Format // empty: to be found out
	Text   string
}

// Import is what a file asks for. Nothing of it exists yet.
type Import struct {
	Format  Format
	Drafts  []Draft
	Remarks []Remark // about what belongs to no service
}

// Draft is one service that a file asks for. Its name and port are proposals that were free when they were made.
type Draft struct {
	Definition
	Line int // of the file, where it begins to speak of the service
	// AnyPort says that the service needs a port, whichever is free. Port is then 0 until one was proposed.
	AnyPort bool
	Remarks []Remark
}

// Possible reports whether nothing about the draft was refused.
func (d Draft) Possible() bool {
	for _, r := range d.Remarks {
		if r.Kind == RemarkRefused {
			return false
		}
	}
	return true
}

// Remark says what became of one thing in a file.
type Remark struct {
	Kind RemarkKind
	Line int // 0 when it is about no line
	Text string
}

// RemarkKind is what became of something in a file.
type RemarkKind string

// The kinds of remark. One that is refused keeps its service from being created.
const (
	RemarkMapped  RemarkKind = "mapped"
	RemarkIgnored RemarkKind = "ignored"
	RemarkNoticed RemarkKind = "noticed" // a finding about the service as it would be
	RemarkRefused RemarkKind = "refused"
)

// MalformedError says why a file cannot be read at all.
type MalformedError struct {
	Problems []FileProblem // at least one, in the order of their lines
}

// FileProblem is one thing that is wrong with a file.
type FileProblem struct {
	Line int // from 1; 0 when it concerns the file as a whole
	Text string
}

// String gives the problem with its line.
func (p FileProblem) String() string {
	if p.Line == 0 {
		return p.Text
	}
	return fmt.Sprintf("line %d: %s", p.Line, p.Text)
}

// Error gives one problem a line.
func (e *MalformedError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Export is a service written for another supervisor, or for another upkeep.
type Export struct {
	FileName string
	Text     string
}
