package command

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// WithProgram returns the text of the command with its program replaced by words, which are quoted where they
// must be. It is empty when the command is not a single program with its arguments.
func (c *Command) WithProgram(words ...string) string {
	if c.single == nil {
		return ""
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		q, err := syntax.Quote(w, syntax.LangPOSIX)
		if err != nil {
			return ""
		}
		quoted[i] = q
	}
	first := c.single.Args[0]
	return c.Text[:first.Pos().Offset()] + strings.Join(quoted, " ") + c.Text[first.End().Offset():]
}

// Without returns the text of the command without count of its Words, the first being number from.
func (c *Command) Without(from, count int) string {
	args := c.main().Args
	start, end := int(args[from].Pos().Offset()), int(args[from+count-1].End().Offset())
	if from > 0 { // with the blanks before it
		start = int(args[from-1].End().Offset())
	}
	return strings.TrimSpace(c.Text[:start] + c.Text[end:])
}

// With returns the text of the command with more behind the last of its Words, as it stands.
func (c *Command) With(more string) string {
	args := c.main().Args
	end := args[len(args)-1].End().Offset()
	return c.Text[:end] + " " + more + c.Text[end:]
}
