package command

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"

	"upkeep/internal/panel"
)

var (
	errEmpty       = errors.New("the command is empty")
	errOnlyComment = errors.New("the command consists of a comment only")
)

// check refuses what no command can hold.
func check(text string) error {
	if strings.TrimSpace(text) == "" {
		return errEmpty
	}
	if len(text) > panel.MaxCommandBytes {
		return fmt.Errorf("the command has %d bytes; at most %d are allowed", len(text), panel.MaxCommandBytes)
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return fmt.Errorf("the command holds a NUL byte at %s; no argument can", place(text, i))
	}
	if i := invalidUTF8(text); i >= 0 {
		return fmt.Errorf("the command is not valid UTF-8 at %s", place(text, i))
	}
	return nil
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(text string) int {
	for i, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
			return i
		}
	}
	return -1
}

// place names a byte offset the way a person counts: from one, in characters, with the line when there are
// several.
func place(text string, offset int) string {
	before := text[:min(offset, len(text))]
	line := strings.Count(before, "\n") + 1
	before = before[strings.LastIndexByte(before, '\n')+1:]
	column := utf8.RuneCountInString(before) + 1
	if !strings.Contains(text, "\n") {
		return fmt.Sprintf("character %d", column)
	}
	return fmt.Sprintf("line %d, character %d", line, column)
}

// explanations turns the parser's messages into sentences. %s stands for the place, $1 and $2 for what matched.
var explanations = []struct {
	pattern  *regexp.Regexp
	sentence string
}{
	{regexp.MustCompile("^reached .* without closing quote \"`\"$"),
		"a command substitution (`) that opens at %s is never closed"},
	{regexp.MustCompile("^reached .* without closing quote "), "a quote that opens at %s is never closed"},
	{regexp.MustCompile("^reached .* without matching [`\"](.+)[`\"] with [`\"](.+)[`\"]$"),
		"$1 at %s has no matching $2"},
	{regexp.MustCompile("^[`\"](.+)[`\"] must be followed by [`\"]?(.+?)[`\"]?$"), "$1 at %s must be followed by $2"},
	{regexp.MustCompile("^[`\"](.+)[`\"] statement must end with [`\"](.+)[`\"]$"), "$1 at %s must end with $2"},
	{regexp.MustCompile("^unclosed here-document"), "the here-document (<<) that opens at %s is never closed"},
	{regexp.MustCompile("^[`\"](.+)[`\"] (?:is not a valid start for a statement|can only immediately follow a statement)$"),
		"$1 at %s stands where a command should begin"},
	{regexp.MustCompile("^(.+)$"), "the shell does not understand what stands at %s: $1"},
}

// explain makes a sentence of an error of the parser.
func explain(text string, err error) error {
	var language syntax.LangError
	if errors.As(err, &language) {
		return fmt.Errorf("%s at %s: /bin/sh, which runs commands of services, does not know this",
			language.Feature, place(text, int(language.Pos.Offset())))
	}
	var parse syntax.ParseError
	if !errors.As(err, &parse) {
		return fmt.Errorf("the command cannot be read: %w", err)
	}
	where := place(text, int(parse.Pos.Offset()))
	for _, e := range explanations {
		if m := e.pattern.FindStringSubmatchIndex(parse.Text); m != nil {
			sentence := e.pattern.ExpandString(nil, e.sentence, parse.Text, m)
			return errors.New(strings.Replace(string(sentence), "%s", where, 1))
		}
	}
	return errors.New("the command cannot be read")
}
