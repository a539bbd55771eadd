package environment

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"upkeep/internal/panel"
)

// Parse reads the text of an environment. The error, if any, is an *Error that names every problem; the
// variables are then those that could be read.
func Parse(text string) ([]Variable, error) {
	if len(text) > panel.MaxEnvironmentBytes {
		return nil, &Error{[]Problem{{0, fmt.Sprintf("the environment has %d bytes; at most %d are allowed",
			len(text), panel.MaxEnvironmentBytes)}}}
	}
	text = strings.TrimPrefix(text, "\ufeff")
	r := reader{rest: strings.ReplaceAll(text, "\r\n", "\n"), next: 1, first: map[string]int{}}
	for r.rest != "" {
		r.entry(r.line())
	}
	if len(r.problems) > 0 {
		sort.SliceStable(r.problems, func(i, j int) bool { return r.problems[i].Line < r.problems[j].Line })
		return r.vars, &Error{r.problems}
	}
	return r.vars, nil
}

// reader goes through a text line by line; a quoted value may take several.
type reader struct {
	rest     string // not yet read
	next     int    // number of the line that rest begins with
	at       int    // number of the line read last
	vars     []Variable
	first    map[string]int // line of each name
	problems []Problem
}

// line takes the next line.
func (r *reader) line() string {
	line, rest, _ := strings.Cut(r.rest, "\n")
	r.rest = rest
	r.at = r.next
	r.next++
	r.checkBytes(line)
	return line
}

// checkBytes notes what no environment can hold.
func (r *reader) checkBytes(line string) {
	if strings.IndexByte(line, 0) >= 0 {
		r.problem(r.at, "holds a NUL byte, which no variable can")
	}
	if !utf8.ValidString(line) {
		r.problem(r.at, "is not valid UTF-8")
	}
}

func (r *reader) problem(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{line, fmt.Sprintf(format, args...)})
}

// blanks are what may stand around names and values.
const blanks = " \t\r"

// entry reads the declaration that begins on a line.
func (r *reader) entry(line string) {
	line = strings.TrimLeft(line, blanks) // a quoted value may go on to the next line, blanks at the end included
	if line == "" || line[0] == '#' {
		return
	}
	start := r.at
	name, value, found := strings.Cut(withoutExport(line), "=")
	if !found {
		r.problem(start, "%q has no = behind the name", clip(strings.TrimRight(line, blanks)))
		return
	}
	v := Variable{Name: strings.Trim(name, blanks), Line: start}
	if !r.value(&v, value) {
		return
	}
	if r.accept(v.Name, start) {
		r.vars = append(r.vars, v)
	}
}

// withoutExport removes a leading "export ", unless export is itself the name.
func withoutExport(line string) string {
	rest, ok := strings.CutPrefix(line, "export")
	trimmed := strings.TrimLeft(rest, blanks)
	if !ok || trimmed == rest || strings.HasPrefix(trimmed, "=") {
		return line
	}
	return trimmed
}

// accept checks a name and remembers it.
func (r *reader) accept(name string, line int) bool {
	switch {
	case name == "":
		r.problem(line, "there is no name before the =")
		return false
	case !validName.MatchString(name):
		r.problem(line, "%q is not a name: letters, digits and _ are allowed, and no digit comes first", clip(name))
		return false
	case slices.Contains(Reserved(), name):
		r.problem(line, "%s is set by upkeep and cannot be changed", name)
		return false
	case r.first[name] > 0:
		r.problem(line, "%s was already set on line %d", name, r.first[name])
		return false
	}
	r.first[name] = line
	return true
}

// value reads what follows the =. It is false when that was a problem.
func (r *reader) value(v *Variable, text string) bool {
	trimmed := strings.TrimLeft(text, blanks)
	if trimmed != "" && (trimmed[0] == '\'' || trimmed[0] == '"') {
		return r.quoted(v, trimmed[0], trimmed[1:])
	}
	v.Value = strings.Trim(withoutComment(text), blanks)
	v.Reference = reference.MatchString(v.Value)
	return true
}

// withoutComment cuts an unquoted value at the first # that follows a blank.
func withoutComment(text string) string {
	for i := 1; i < len(text); i++ {
		if text[i] == '#' && strings.IndexByte(blanks, text[i-1]) >= 0 {
			return text[:i]
		}
	}
	return text
}

// quoted reads a value up to its closing quote, over as many lines as it takes. text is what follows the opening
// quote on its line.
func (r *reader) quoted(v *Variable, quote byte, text string) bool {
	body := text
	if r.rest != "" {
		body += "\n" + r.rest
	}
	end := closing(body, quote)
	if end < 0 {
		r.skip(strings.Count(body, "\n"))
		r.problem(v.Line, "the quote (%c) that begins the value of %s is never closed, so the lines below cannot be read",
			quote, clip(v.Name))
		return false
	}
	r.skip(strings.Count(body[:end], "\n"))
	v.Value = body[:end]
	if quote == '"' {
		v.Value, v.Reference = unescape(body[:end])
	}
	return r.afterQuote(body[end+1:])
}

// skip takes lines that belong to a value.
func (r *reader) skip(lines int) {
	for range lines {
		r.line()
	}
}

// afterQuote checks what stands between a closing quote and the end of its line.
func (r *reader) afterQuote(text string) bool {
	tail, _, _ := strings.Cut(text, "\n")
	tail = strings.Trim(tail, blanks)
	if tail == "" || tail[0] == '#' {
		return true
	}
	r.problem(r.at, "%q follows the closing quote; put the whole value into one pair of quotes", clip(tail))
	return false
}

// closing returns where a quoted value ends, or -1.
func closing(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}

// escapes are the backslash sequences between double quotes.
var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '$': '$'}

// unescape replaces escapes, and says whether a $NAME without a backslash is among the text.
func unescape(text string) (value string, refers bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			if to, ok := escapes[text[i+1]]; ok {
				b.WriteByte(to)
				i++
				continue
			}
		}
		if c == '$' && !refers {
			refers = reference.MatchString(text[i:min(i+3, len(text))])
		}
		b.WriteByte(c)
	}
	return b.String(), refers
}

// clip keeps what is quoted in a message readable.
func clip(text string) string {
	const most = 40
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
