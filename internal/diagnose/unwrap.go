package diagnose

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// named is the program that a command is really about, behind what only starts it.
type named struct {
	words []string // the first is its name without directory
	at    int      // of words[0] in the words of the command
}

var (
	assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
	python     = regexp.MustCompile(`^python[0-9.]*$`)
)

// starters replace themselves by the program they are given, or wait for it, and take these words before it.
var starters = map[string][]string{"exec": nil, "command": nil, "env": nil, "nohup": nil, "setsid": nil,
	"bundle": {"exec"}, "poetry": {"run"}, "pipenv": {"run"}, "uv": {"run"}, "npx": nil, "sudo": nil}

// program looks behind starters, and names a Python module that is run with -m like the program of that name.
func program(words []string) named {
	n := named{words: slices.Clone(words)}
	for len(n.words) > 0 {
		name := path.Base(n.words[0])
		n.words[0] = name
		between, starts := starters[name]
		switch {
		case python.MatchString(name) && len(n.words) > 2 && n.words[1] == "-m":
			n.skip(2)
		case starts && len(n.words) > 1+len(between) && slices.Equal(n.words[1:1+len(between)], between):
			n.skip(1 + len(between))
		default:
			return n
		}
		for len(n.words) > 1 && assignment.MatchString(n.words[0]) {
			n.skip(1)
		}
	}
	return n
}

func (n *named) skip(count int) {
	n.words, n.at = n.words[count:], n.at+count
}

// option finds an option that was given: exactly, as --name=value with a value that does not deny it, or, for
// two words such as "--daemonize yes", as a pair. It returns where, and over how many words; count is 0 when it
// was not given.
func (n named) option(option string) (at, count int) {
	name, value, pair := strings.Cut(option, " ")
	for i := 1; i < len(n.words); i++ {
		given, with, joined := strings.Cut(n.words[i], "=")
		switch {
		case n.words[i] == "--":
			return 0, 0
		case given != name || joined && !strings.HasPrefix(name, "-"):
		case !pair && (!joined || !denied(with)):
			return i, 1
		case pair && joined && with == value:
			return i, 1
		case pair && !joined && i+1 < len(n.words) && matches(n.words[i+1], value):
			return i, 2
		}
	}
	return 0, 0
}

// matches compares the second word of a pair; * stands for any.
func matches(word, value string) bool { return value == "*" || strings.EqualFold(word, value) }

func denied(value string) bool {
	return slices.Contains([]string{"no", "false", "off", "0"}, strings.ToLower(value))
}

// any reports whether one of the options was given.
func (n named) any(options []string) bool {
	return slices.ContainsFunc(options, func(o string) bool {
		_, count := n.option(o)
		return count > 0
	})
}
