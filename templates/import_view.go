package templates

import "upkeep/internal/panel"

// ImportView is the page that takes a file and shows what would become of it.
type ImportView struct {
	Text      string       // of the file, to be shown again
	FileName  string       // when it was uploaded
	Format    panel.Format // chosen; empty: to be found out
	Found     panel.Format // what the file is
	Directory string       // for services whose file names none

	Problems []panel.FileProblem // why the file cannot be read
	Error    string              // what else was wrong
	Rows     []ImportRow         // empty before a file was read
	Remarks  []panel.Remark      // about what belongs to no service
}

func (v ImportView) failed() bool { return v.Error != "" || len(v.Problems) > 0 }

// ImportRow is one service that a file asks for.
type ImportRow struct {
	Draft               panel.Draft
	Name, Port, Command string // as typed, or proposed
	AskCommand          bool   // the file does not say it
	Use                 bool   // chosen
	Created             bool
	Errors              map[string]string // field → message
}

// selectable reports whether the service can be created now.
func (r ImportRow) selectable() bool { return !r.Created && r.Draft.Possible() }

// otherError is about a field that the row does not show.
func (r ImportRow) otherError() string {
	for _, field := range []string{"", "command", "directory", "environment", "annotation"} {
		if message := r.Errors[field]; message != "" && !(field == "command" && r.AskCommand) {
			return message
		}
	}
	return ""
}
