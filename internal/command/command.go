// Package command understands the command line of a service.
//
// A command is read with the grammar of the POSIX shell. When it is *plain*, one program with its arguments,
// made of literals, quotes, $VAR and a leading ~, upkeep expands the words itself and executes the program, so
// that the main process of the service is that program. Everything else needs a shell and runs through
// /bin/sh -c, which gets the text as it was typed.
//
// Plain words are expanded here and not by a library, because the library at hand expands like bash: it knows
// {a,b}, looks up other users, and answers from the process's own environment. What is expanded here comes out
// as /bin/sh would have it, with one exception that is on purpose: file names are never matched, so that [::]
// and the * of a variable stay what they are.
package command

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Command is a command line that was understood.
type Command struct {
	Text string // as typed, with Windows line ends made plain

	// Shell says that the command runs through /bin/sh -c.
	Shell bool
	// Features names, in words, what makes it a shell command: "a pipe", "&&". Empty unless Shell.
	Features []string

	// Background says that the command would leave the foreground, or cut itself loose, by its own wording.
	Background bool
	// Marks names what does so: "a trailing &", "nohup".
	Marks []string

	words  []word             // of a plain command
	single *syntax.CallExpr   // of a command that is one program with its arguments, and perhaps redirections
	nodes  []*syntax.CallExpr // every program mentioned, in order
	cuts   []span             // what to remove from Text to stay in the foreground
	stuck  bool               // a mark cannot be removed by cutting
}

// Parse reads a command line. Its error is a sentence for the person who typed it: what is wrong, and where.
func Parse(text string) (*Command, error) {
	text = plainLineEnds(text)
	if err := check(text); err != nil {
		return nil, err
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), "")
	if err != nil {
		return nil, explain(text, err)
	}
	if len(file.Stmts) == 0 {
		return nil, errOnlyComment
	}
	c := &Command{Text: text, nodes: calls(file)}
	c.Features = features(text, file)
	c.single = single(file)
	c.words = c.plainWords()
	c.Shell = c.words == nil
	if c.Shell && len(c.Features) == 0 {
		c.Features = []string{"shell syntax"}
	}
	c.findBackground(file.Stmts)
	return c, nil
}

// plainLineEnds makes line ends those that a shell knows: a form sends a carriage return before each newline,
// and /bin/sh would pass it on as a part of the last word.
func plainLineEnds(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// single returns the one simple command that file consists of, or nil.
func single(file *syntax.File) *syntax.CallExpr {
	if len(file.Stmts) != 1 || file.Stmts[0].Negated {
		return nil
	}
	call, _ := file.Stmts[0].Cmd.(*syntax.CallExpr)
	if call == nil || len(call.Args) == 0 {
		return nil
	}
	return call
}

// plainWords returns the words of a plain command, and nil for one that needs a shell.
func (c *Command) plainWords() []word {
	if len(c.Features) > 0 || c.single == nil {
		return nil
	}
	words := make([]word, 0, len(c.single.Args))
	for _, arg := range c.single.Args {
		w, ok := wordOf(c.Text, arg)
		if !ok {
			return nil
		}
		words = append(words, w)
	}
	return words
}
