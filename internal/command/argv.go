package command

import (
	"errors"
	"slices"
	"strings"
)

var errNothing = errors.New("the command is empty once its variables are replaced by their values")

// Argv returns the argument list to execute, given the environment of the run as NAME=value; of several values
// for one name the last counts. The error is a sentence: the command expands to nothing.
func (c *Command) Argv(env []string) ([]string, error) {
	if c.Shell {
		return []string{"/bin/sh", "-c", c.Text}, nil
	}
	var argv []string
	for _, w := range c.words {
		argv = append(argv, w.expand(env)...)
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, errNothing
	}
	return argv, nil
}

// Program returns the name of the program as env expands it, when the command is a single program with its
// arguments, whether a shell starts it or not. It is empty for anything else.
func (c *Command) Program(env []string) string {
	if c.single == nil || builtins[staticWord(c.Text, c.single.Args[0])] {
		return ""
	}
	w, ok := wordOf(c.Text, c.single.Args[0])
	if !ok || w.pattern() {
		return ""
	}
	if fields := w.expand(env); len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// Variables returns the names of the variables that a plain command uses, each once, in their order.
func (c *Command) Variables() []string {
	var names []string
	for _, w := range c.words {
		for _, p := range w {
			if p.name != "" && p.name != tilde && !slices.Contains(names, p.name) {
				names = append(names, p.name)
			}
		}
	}
	return names
}

// expand gives the fields that a word comes to.
func (w word) expand(env []string) []string {
	var f fields
	for _, p := range w {
		switch {
		case p.name == "":
			f.add(p.text)
		case p.name == tilde:
			f.home(env)
		default:
			value, _ := lookup(env, p.name)
			if p.quoted {
				f.add(value)
			} else {
				f.split(value)
			}
		}
	}
	f.end()
	return f.done
}

// lookup finds the last value for a name.
func lookup(env []string, name string) (value string, ok bool) {
	for _, entry := range slices.Backward(env) {
		if v, found := strings.CutPrefix(entry, name+"="); found {
			return v, true
		}
	}
	return "", false
}

// fields collects what a word expands to.
type fields struct {
	done    []string
	current strings.Builder
	open    bool // a field has begun, even if it is empty so far
}

func (f *fields) add(text string) {
	f.current.WriteString(text)
	f.open = true
}

// home adds the home. Like in a shell, the ~ stays without HOME, and an empty HOME makes no word by itself.
func (f *fields) home(env []string) {
	home, ok := lookup(env, "HOME")
	switch {
	case !ok:
		f.add(tilde)
	case home != "":
		f.add(home)
	}
}

func (f *fields) end() {
	if f.open {
		f.done = append(f.done, f.current.String())
	}
	f.current.Reset()
	f.open = false
}

// split adds a value, cut at blanks: a shell ignores IFS of its environment, so they are always the same three.
func (f *fields) split(value string) {
	for len(value) > 0 {
		i := strings.IndexAny(value, " \t\n")
		if i != 0 {
			end := i
			if i < 0 {
				end = len(value)
			}
			f.add(value[:end])
			value = value[end:]
			continue
		}
		f.end()
		value = value[1:]
	}
}
