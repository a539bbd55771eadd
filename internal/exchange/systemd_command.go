package exchange

import (
	"regexp"
	"slices"
	"strings"

	"upkeep/internal/command"
)

// command reads an ExecStart.
func (u *unitReader) command(e entry) {
	d := u.draft
	words, err := splitUnit(e.value)
	if err != nil {
		d.refused(e.line, "The command cannot be read: %v.", err)
		return
	}
	if slices.ContainsFunc(words, func(w unitWord) bool { return w.text == ";" && !w.quoted }) {
		d.refused(e.line, "There are several commands, divided by “;”. A service has one program that stays.")
		return
	}
	texts := make([]string, len(words))
	for i, w := range words {
		var ok bool
		if texts[i], ok = u.specifiers(e.line, w.text); !ok {
			return
		}
	}
	texts, expand := u.prefixes(e.line, texts)
	if len(texts) == 0 {
		d.refused(e.line, "There is no command.")
		return
	}
	d.setCommand(e.line, unitCommand(texts, expand))
}

// prefixes reads the characters before the program that change how systemd executes it.
func (u *unitReader) prefixes(line int, words []string) (rest []string, expand bool) {
	expand = true
	for len(words) > 0 && words[0] != "" && strings.IndexByte("@-:+!|", words[0][0]) >= 0 {
		switch words[0][0] {
		case ':':
			expand = false
		case '@':
			u.draft.ignored(line, "@: the program gets its own name as its first argument.")
			if len(words) > 1 {
				words = slices.Delete(slices.Clone(words), 1, 2)
			}
		case '-':
			u.draft.ignored(line, "-: an exit status other than 0 is a failure.")
		default:
			u.draft.ignored(line, "%c: services have the rights of their account’s user and no others.", words[0][0])
		}
		words = slices.Clone(words)
		words[0] = words[0][1:]
	}
	return words, expand
}

// unitCommand writes the words of an ExecStart, in which variables may stand, as a command line.
func unitCommand(words []string, expand bool) string {
	if !expand {
		return commandText(words)
	}
	if len(words) == 3 && slices.Contains(shells, words[0]) && words[1] == "-c" {
		return commandText([]string{words[0], words[1], strings.ReplaceAll(words[2], "$$", "$")})
	}
	quoted := make([]string, len(words))
	variables := false
	for i, w := range words {
		var refers bool
		quoted[i], refers = unitArgument(w)
		variables = variables || refers
		words[i] = strings.ReplaceAll(w, "$$", "$")
	}
	if !variables {
		return commandText(words)
	}
	return strings.Join(quoted, " ")
}

// reference is a variable as systemd replaces it: in braces anywhere, and without them as a word of its own.
var (
	reference = regexp.MustCompile(`\$\$|\$\{[A-Za-z_][A-Za-z0-9_]*\}`)
	alone     = regexp.MustCompile(`^\$[A-Za-z_][A-Za-z0-9_]*$`)
)

// unitArgument writes one word for upkeep, and says whether a variable stands in it.
func unitArgument(word string) (text string, refers bool) {
	if alone.MatchString(word) {
		return word, true // cut at its blanks, here as there
	}
	var b strings.Builder
	literal := func(part string) {
		if part != "" {
			b.WriteString(command.Quote(part))
		}
	}
	end := 0
	for _, at := range reference.FindAllStringIndex(word, -1) {
		found := word[at[0]:at[1]]
		if found == "$$" {
			literal(word[end:at[0]] + "$")
		} else {
			literal(word[end:at[0]])
			b.WriteString(`"` + found + `"`)
			refers = true
		}
		end = at[1]
	}
	literal(word[end:])
	if word == "" {
		return "''", false
	}
	return b.String(), refers
}
