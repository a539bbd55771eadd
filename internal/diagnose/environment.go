package diagnose

import (
	"fmt"
	"regexp"
	"strings"

	"upkeep/internal/command"
	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

// environmentFindings are E01 and E02: variables that will not have the value one expects.
func environmentFindings(def panel.Definition, vars []environment.Variable) []panel.Finding {
	var found []panel.Finding
	note := func(id, format string, args ...any) {
		found = append(found, panel.Finding{ID: id, Field: "environment", Text: fmt.Sprintf(format, args...)})
	}
	for _, v := range vars {
		if v.Name == "PORT" && def.Port > 0 && v.Value != fmt.Sprint(def.Port) {
			note("E01", "PORT is set on line %d, but the declared port wins: the program gets PORT=%d. "+
				"Remove the line, or declare another port.", v.Line, def.Port)
		}
	}
	for _, v := range vars {
		if v.Reference {
			note("E02", "The value of %s on line %d holds a `$`, which is taken literally: variables are not replaced "+
				"here. Write the value itself, or quote it with ' if it is meant so.", v.Name, v.Line)
		}
	}
	return found
}

// unsetVariables is D25: the command uses a variable that has no value, so the word is empty.
func unsetVariables(cmd *command.Command, def panel.Definition, vars []environment.Variable) []panel.Finding {
	known := map[string]bool{}
	base := environment.Base{Home: "/", User: "-", Shell: "-", Port: def.Port}
	for _, entry := range environment.Build(base, vars) {
		name, _, _ := strings.Cut(entry, "=")
		known[name] = true
	}
	var found []panel.Finding
	for _, name := range cmd.Variables() {
		switch {
		case known[name]:
		case name == "PORT":
			found = append(found, about("D25", "The command uses $PORT, but the service declares no port, so it is empty. "+
				"Declare a port.", ""))
		default:
			found = append(found, about("D25", fmt.Sprintf("The command uses $%s, which is not set, so it is empty. "+
				"Add it to the environment.", name), ""))
		}
	}
	return found
}

var (
	secretOption = regexp.MustCompile(`(?i)^--?((?:[a-z0-9]+[-_])*(?:password|passwd|requirepass|secret|token|api-?key|secret-key|access-key))(?:=(.+))?$`)
	secretURL    = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:([^@\s/]+)@`)
)

// secretFindings is D28: everybody on the machine can read command lines.
func secretFindings(cmd *command.Command) []panel.Finding {
	words := cmd.Words()
	for i, word := range words {
		secret := false
		if m := secretOption.FindStringSubmatch(word); m != nil {
			value := m[2]
			if value == "" && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
				value = words[i+1]
			}
			secret = literal(value)
		} else if m := secretURL.FindStringSubmatch(word); m != nil {
			secret = literal(m[1])
		}
		if secret {
			return []panel.Finding{about("D28", "A password or key in the command is visible in the process list. "+
				"Put it into the environment, or into a file, and let the program read it from there.", "")}
		}
	}
	return nil
}

// literal reports whether a value is a secret itself, and neither a variable nor missing.
func literal(value string) bool { return value != "" && !strings.HasPrefix(value, "$") }

// typeset are characters that word processors and web pages put where a command has plain ones.
var typeset = []struct{ char, name, plain string }{
	{"\u201c", "a curved quote (“)", `"`}, {"\u201d", "a curved quote (”)", `"`},
	{"\u2018", "a curved quote (‘)", "'"}, {"\u2013", "a long dash (–)", "-- or -"}, {"\u2014", "a long dash (—)", "--"},
	{"\u00a0", "a non-breaking space", "a space"},
}

// typography is E03: characters that a page or a word processor has replaced. Only those that begin a word
// count, because within one they may be meant; a non-breaking space is never meant.
func typography(cmd *command.Command) []panel.Finding {
	for _, t := range typeset {
		for _, word := range cmd.Words() {
			begins := strings.HasPrefix(word, t.char) && len(word) > len(t.char) && !strings.Contains(word, " ")
			if begins || t.char == "\u00a0" && strings.Contains(word, t.char) {
				return []panel.Finding{about("E03", fmt.Sprintf("The command holds %s, which the program gets as it is. "+
					"It probably came from a web page or a word processor; type %s instead.", t.name, t.plain), "")}
			}
		}
	}
	return nil
}
