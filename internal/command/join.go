package command

import (
	"regexp"
	"strings"
)

// needsNoQuotes are words that mean themselves wherever they stand behind the first.
var needsNoQuotes = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$`)

// Join writes words as a command line that Parse takes for just these words, quoted where they must be.
func Join(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Quote(w)
	}
	if len(words) > 0 && (reserved[words[0]] || strings.Contains(words[0], "=")) && quoted[0] == words[0] {
		quoted[0] = "'" + words[0] + "'"
	}
	return strings.Join(quoted, " ")
}

// reserved are words that begin something of the shell's own unless they are quoted; NAME=value does so too.
var reserved = map[string]bool{"if": true, "then": true, "else": true, "elif": true, "fi": true, "do": true,
	"done": true, "case": true, "esac": true, "while": true, "until": true, "for": true, "in": true}

// Quote writes one word so that it means itself.
func Quote(word string) string {
	if needsNoQuotes.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
