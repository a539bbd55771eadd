package command

import (
	"fmt"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// builtins are commands that exist only inside a shell, or mean something else there. Those that are programs
// as well, such as echo and test, are not here.
var builtins = map[string]bool{".": true, ":": true, "alias": true, "bg": true, "break": true, "cd": true,
	"command": true, "continue": true, "eval": true, "exec": true, "exit": true, "export": true, "fg": true,
	"getopts": true, "hash": true, "jobs": true, "local": true, "read": true, "readonly": true, "return": true,
	"set": true, "shift": true, "source": true, "times": true, "trap": true, "type": true, "ulimit": true,
	"umask": true, "unalias": true, "unset": true, "wait": true}

// featureList collects names of shell features, each once.
type featureList struct {
	src   string
	names []string
}

func (l *featureList) add(format string, args ...any) {
	if name := fmt.Sprintf(format, args...); !slices.Contains(l.names, name) {
		l.names = append(l.names, name)
	}
}

// features names everything in a file that a plain command does not have, in reading order.
func features(src string, file *syntax.File) []string {
	l := &featureList{src: src}
	if len(file.Stmts) > 1 {
		l.add("several commands")
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		l.node(n)
		return true
	})
	return l.names
}

func (l *featureList) node(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.Stmt:
		l.stmt(n)
	case *syntax.BinaryCmd:
		l.binary(n)
	case *syntax.CallExpr:
		l.call(n)
	case *syntax.ParamExp:
		if !simpleVariable(l.src, n) {
			l.add("the expansion %s", short(source(l.src, n)))
		}
	case *syntax.CmdSubst:
		l.add("a command substitution")
	case *syntax.ArithmExp:
		l.add("arithmetic")
	case syntax.Command:
		l.add("%s", compound(n))
	}
}

func (l *featureList) stmt(s *syntax.Stmt) {
	if s.Background {
		l.add("&")
	}
	if s.Negated {
		l.add("!")
	}
	for _, r := range s.Redirs {
		l.redirect(r)
	}
}

func (l *featureList) redirect(r *syntax.Redirect) {
	switch r.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		l.add("a here-document")
	case syntax.RdrOut, syntax.AppOut, syntax.RdrClob:
		l.add("a redirection to %s", short(source(l.src, r.Word)))
	case syntax.RdrIn:
		l.add("a redirection from %s", short(source(l.src, r.Word)))
	default:
		l.add("a redirection (%s)", short(source(l.src, r)))
	}
}

func (l *featureList) binary(b *syntax.BinaryCmd) {
	switch b.Op {
	case syntax.Pipe:
		l.add("a pipe")
	default:
		l.add("%s", b.Op.String())
	}
}

func (l *featureList) call(c *syntax.CallExpr) {
	if len(c.Args) == 0 {
		l.add("a variable assignment")
		return
	}
	if len(c.Assigns) > 0 {
		l.add("a variable assignment before the command")
	}
	if name := staticWord(l.src, c.Args[0]); builtins[name] {
		l.add("the shell's own command %s", name)
	}
	for _, arg := range c.Args {
		l.word(arg)
	}
}

func (l *featureList) word(w *syntax.Word) {
	if lit, ok := w.Parts[0].(*syntax.Lit); ok && otherHome(lit.Value) {
		l.add("another user's home (%s)", short(source(l.src, w)))
	}
	if plain, ok := wordOf(l.src, w); ok && plain.pattern() {
		l.add("a file name pattern (%s)", short(source(l.src, w)))
	}
	for i := range w.Parts {
		if quoted(w.Parts[i]) && dollarBefore(w.Parts[:i]) {
			l.add("a quote behind $ (%s)", short(source(l.src, w)))
		}
	}
}

func quoted(part syntax.WordPart) bool {
	switch part.(type) {
	case *syntax.SglQuoted, *syntax.DblQuoted:
		return true
	}
	return false
}

// otherHome reports whether a literal begins with the ~name of a user.
func otherHome(text string) bool {
	rest, ok := strings.CutPrefix(text, "~")
	return ok && rest != "" && rest[0] != '/' && rest[0] != '\\'
}

// compound names a command that is made of others.
func compound(c syntax.Command) string {
	switch c.(type) {
	case *syntax.Block:
		return "a group in braces"
	case *syntax.Subshell:
		return "a group in parentheses"
	case *syntax.IfClause:
		return "if"
	case *syntax.WhileClause, *syntax.ForClause:
		return "a loop"
	case *syntax.CaseClause:
		return "case"
	case *syntax.FuncDecl:
		return "a function"
	}
	return "shell syntax"
}

// short keeps the name of a feature readable.
func short(text string) string {
	const most = 40
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
