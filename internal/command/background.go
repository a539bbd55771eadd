package command

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// span is a part of the text, in bytes.
type span struct{ from, to int }

// Foreground returns the text of the command without what sends it to the background. It is empty when there
// is nothing to remove, or when removing is not enough.
func (c *Command) Foreground() string {
	if len(c.cuts) == 0 || c.stuck {
		return ""
	}
	slices.SortFunc(c.cuts, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	end := 0
	for _, cut := range c.cuts {
		b.WriteString(c.Text[end:max(end, cut.from)])
		end = max(end, cut.to)
	}
	b.WriteString(c.Text[end:])
	text := strings.TrimSpace(b.String())
	if front, err := Parse(text); err != nil || front.Background {
		return ""
	}
	return text
}

// mark notes one thing that sends the command away; fix is what to remove, nil when that is no cure.
func (c *Command) mark(name string, fix *span) {
	c.Background = true
	if !slices.Contains(c.Marks, name) {
		c.Marks = append(c.Marks, name)
	}
	if fix == nil {
		c.stuck = true
		return
	}
	c.cuts = append(c.cuts, *fix)
}

// findBackground looks at what runs last: "a & b" stays in the foreground with b.
func (c *Command) findBackground(stmts []*syntax.Stmt) {
	if len(stmts) == 0 {
		return
	}
	last := stmts[len(stmts)-1]
	if last.Background {
		c.mark("a trailing &", c.ampersand(last))
	}
	switch cmd := last.Cmd.(type) {
	case *syntax.BinaryCmd:
		c.findBackground([]*syntax.Stmt{cmd.Y})
	case *syntax.Subshell:
		c.findBackground(cmd.Stmts)
	case *syntax.Block:
		c.findBackground(cmd.Stmts)
	case *syntax.CallExpr:
		c.findWrapper(cmd.Args)
	}
}

// ampersand is the & behind a statement, with the blanks before it. Removing it where something has to end the
// statement would join two, which Foreground notices by parsing again.
func (c *Command) ampersand(s *syntax.Stmt) *span {
	at := int(s.Semicolon.Offset())
	from := len(strings.TrimRight(c.Text[:at], " \t"))
	return &span{from, at + 1}
}

// transparent start another program in their own place and change nothing about where it runs.
var transparent = map[string]bool{"exec": true, "command": true, "env": true, "nice": true}

// findWrapper looks for programs that start another one in the background. Several may be stacked.
func (c *Command) findWrapper(args []*syntax.Word) {
	words := literalWords(c.Text, args)
	for len(words) > 0 {
		name := path.Base(words[0])
		if transparent[name] {
			skip := 1
			for skip < len(words) && strings.Contains(words[skip], "=") {
				skip++
			}
			words, args = words[skip:], args[skip:]
			continue
		}
		w, known := wrappers[name]
		if !known || !w.leaves(words) {
			return
		}
		inner := w.inner(words)
		if inner <= 0 || inner >= len(words) {
			c.mark(w.label(name), nil)
			return
		}
		c.mark(w.label(name), &span{int(args[0].Pos().Offset()), int(args[inner].Pos().Offset())})
		words, args = words[inner:], args[inner:]
	}
}
