package command

import (
	"slices"
	"strings"
)

// wrapper describes a program that starts another one and lets it go.
type wrapper struct {
	detach string // how it is asked to; empty when it always does
	leaves func(words []string) bool
	// inner returns where the words of the other program begin; 0 when that is not known.
	inner func(words []string) int
}

func (w wrapper) label(name string) string {
	if w.detach == "" {
		return name
	}
	return name + " " + w.detach
}

var wrappers = map[string]wrapper{
	"nohup":  {leaves: always, inner: afterOptions("")},
	"setsid": {leaves: func(w []string) bool { return !hasOption(w, "w", "--wait") }, inner: afterOptions("")},
	// With -D instead of -d, screen stays itself.
	"screen": {detach: "-dm", leaves: func(w []string) bool { return hasOption(w, "d", "") && hasOption(w, "m", "") },
		inner: afterOptions("SchpstTe")},
	"tmux":      {detach: "new -d", leaves: tmuxDetached, inner: unknown},
	"daemonize": {leaves: always, inner: afterOptions("ceopluE")},
	"daemon":    {leaves: func(w []string) bool { return !hasOption(w, "f", "--foreground") }, inner: unknown},
	"start-stop-daemon": {detach: "--background",
		leaves: func(w []string) bool { return hasOption(w, "b", "--background") }, inner: unknown},
}

func always([]string) bool { return true }

func unknown([]string) int { return 0 }

// options returns the words behind the name up to the first that is no option.
func options(words []string, withValue string) []string {
	i := 1
	for i < len(words) && strings.HasPrefix(words[i], "-") && words[i] != "-" {
		if words[i] == "--" {
			return words[1 : i+1]
		}
		if takesValue(words[i], withValue) {
			i++
		}
		i++
	}
	return words[1:min(i, len(words))]
}

// takesValue reports whether the next word belongs to a short option, alone or as the last of a cluster.
func takesValue(word, withValue string) bool {
	return !strings.HasPrefix(word, "--") && strings.ContainsAny(word[len(word)-1:], withValue)
}

func afterOptions(withValue string) func([]string) int {
	return func(words []string) int { return 1 + len(options(words, withValue)) }
}

// hasOption reports whether a short letter, in a cluster too, or a long option stands before the first operand.
func hasOption(words []string, letter, long string) bool {
	for _, w := range options(words, "SchpstTe") {
		if w == long && long != "" {
			return true
		}
		if strings.HasPrefix(w, "-") && !strings.HasPrefix(w, "--") && strings.Contains(w, letter) {
			return true
		}
	}
	return false
}

// tmuxDetached reports whether tmux makes a session that nobody is attached to.
func tmuxDetached(words []string) bool {
	i := slices.IndexFunc(words, func(w string) bool { return w == "new" || w == "new-session" })
	return i > 0 && hasOption(words[i:], "d", "")
}
