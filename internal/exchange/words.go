package exchange

import (
	"slices"
	"strings"

	"upkeep/internal/command"
	"upkeep/internal/panel"
)

// shells are programs whose -c takes what upkeep gives to /bin/sh itself.
var shells = []string{"sh", "/bin/sh", "/usr/bin/sh"}

// commandText writes words as a command line that upkeep takes for just these words. Of sh -c it takes the script.
func commandText(words []string) string {
	if len(words) == 3 && slices.Contains(shells, words[0]) && words[1] == "-c" {
		if script, ok := scriptText(words[2]); ok {
			return script
		}
	}
	return command.Join(words...)
}

// scriptText returns the command line that does what a script does. An exec before a program is left out, because
// upkeep itself executes plain commands without a shell.
func scriptText(script string) (string, bool) {
	script = strings.TrimSpace(script)
	if rest, ok := strings.CutPrefix(script, "exec "); ok {
		if cmd, err := command.Parse(rest); err == nil && !cmd.Shell {
			return strings.TrimSpace(rest), true
		}
	}
	_, err := command.Parse(script)
	return script, err == nil
}

// wordsOf writes a command line as words for a supervisor that knows no shell, looks programs up by their bare name
// or absolute path, and may give $ and % a meaning in the program's path.
func wordsOf(def panel.Definition) []string {
	cmd, err := command.Parse(def.Command)
	if err != nil || cmd.Shell {
		return []string{"/bin/sh", "-c", def.Command}
	}
	bare, err := cmd.Argv(nil)
	homed, _ := cmd.Argv([]string{"HOME=/"}) // differs when a ~ is among the words
	if err == nil && len(cmd.Variables()) == 0 && slices.Equal(bare, homed) && direct(bare[0]) {
		return bare
	}
	return []string{"/bin/sh", "-c", "exec " + def.Command}
}

// direct reports whether every supervisor finds the program of this name by itself.
func direct(program string) bool {
	return !strings.ContainsAny(program, "$%") && strings.IndexByte("@-:+!|", program[0]) < 0 &&
		(strings.HasPrefix(program, "/") || !strings.Contains(program, "/")) && !slices.Contains(shells, program)
}

// splitWords cuts a text into words as Python's shlex.split does, which supervisord and pm2 follow: quotes and
// backslashes mean what they mean in a shell, and nothing else means anything.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	open := false // a word has begun
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t', '\n':
			if open {
				words = append(words, word.String())
				word.Reset()
			}
			open = false
			continue
		case '\'', '"':
			n, ok := quotedPart(text[i:], &word)
			if !ok {
				return nil, errQuote
			}
			i += n - 1
		case '\\':
			if i++; i == len(text) {
				return nil, errBackslash
			}
			word.WriteByte(text[i])
		default:
			word.WriteByte(c)
		}
		open = true
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}

// quotedPart reads from an opening quote to the one that closes it and returns how many bytes that were.
func quotedPart(text string, word *strings.Builder) (n int, ok bool) {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			return i + 1, true
		case c == '\\' && quote == '"' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			word.WriteByte(text[i])
		default:
			word.WriteByte(c)
		}
	}
	return 0, false
}
