package command

import "mvdan.cc/sh/v3/syntax"

// Words returns the words of the command for a person, or a diagnosis, to look at: quotes are removed,
// variables stay as written. Of a shell command they are those of the program that runs last, which is the one
// that is meant to stay.
func (c *Command) Words() []string {
	if len(c.nodes) == 0 {
		return nil
	}
	return literalWords(c.Text, c.main().Args)
}

// main is the program that runs last.
func (c *Command) main() *syntax.CallExpr { return c.nodes[len(c.nodes)-1] }

// calls finds the programs in a file, except those within a substitution: they only make text.
func calls(file *syntax.File) (out []*syntax.CallExpr) {
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			return false
		case *syntax.CallExpr:
			if len(n.Args) > 0 {
				out = append(out, n)
			}
		}
		return true
	})
	return out
}

func literalWords(src string, args []*syntax.Word) []string {
	words := make([]string, 0, len(args))
	for _, arg := range args {
		words = append(words, staticWord(src, arg))
	}
	return words
}

// staticWord returns a word without its quotes; one that only a shell can expand comes back as written.
func staticWord(src string, w *syntax.Word) string {
	if plain, ok := wordOf(src, w); ok {
		return plain.String()
	}
	return source(src, w)
}
