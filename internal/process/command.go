package process

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

// maxCommandBytes bounds a command line, as read and as shown.
const maxCommandBytes = 32 << 10

// commandLine returns the command line as one would type it, or the name in brackets when the process has none. It
// is valid UTF-8 and one line long; apart from that the process itself decides what it says.
func commandLine(s stat) string {
	text, err := readHead(procPath(s.pid, "cmdline"), maxCommandBytes)
	if err != nil {
		text = nil // gone, or another user's
	}
	line := joinArguments(text)
	if line == "" {
		line = "[" + printable(s.comm) + "]"
	}
	return clip(line)
}

// joinArguments makes one line of arguments that end in NUL. A single one is shown as it is: mostly it is a title
// that the process has written over its arguments, padded with blanks or NULs.
func joinArguments(text []byte) string {
	text = bytes.TrimRight(text, "\x00")
	arguments := strings.Split(string(text), "\x00")
	if len(arguments) == 1 {
		return strings.TrimRight(printable(arguments[0]), " ")
	}
	for i, a := range arguments {
		arguments[i] = quote(a)
	}
	return strings.Join(arguments, " ")
}

// quote writes an argument so that a shell would read it back, with escapes for what is not printable. Usual options
// such as --port=8300 stay as they are; syntax.Quote would put all that could be an assignment in quotes.
func quote(argument string) string {
	if argument != "" && strings.IndexFunc(argument, special) < 0 {
		return argument
	}
	quoted, err := syntax.Quote(argument, syntax.LangBash)
	if err != nil { // only for NUL, which cannot be there
		return printable(argument)
	}
	return printable(quoted)
}

func special(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:=,@%+", r)
}

// printable replaces what does not belong into a line of text: broken UTF-8 and control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// clip cuts at the end of a character.
func clip(s string) string {
	if len(s) <= maxCommandBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxCommandBytes], "")
}
