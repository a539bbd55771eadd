package exchange

import (
	"strings"
	"unicode"
)

// section is a part of a file under a name in brackets.
type section struct {
	name    string
	line    int
	entries []entry
}

// entry is a key with its value.
type entry struct {
	key   string
	value string
	line  int
}

// maxKeys of one section are far more than anybody writes.
const maxKeys = 2000

// dialect is what the files of sections and keys differ in.
type dialect struct {
	delimiters string
	// backslash: a line that ends with one goes on with the next. Otherwise indented lines belong to the one above.
	backslash bool
	// remarks may stand behind a value, after a blank and ; or #.
	remarks bool
	lower   bool // keys are the same in capitals
}

var (
	systemdDialect     = dialect{delimiters: "=", backslash: true}
	supervisordDialect = dialect{delimiters: "=:", remarks: true, lower: true}
)

// sections reads a file of sections and keys.
func (r *reading) sections(d dialect) []section {
	s := &sectionReader{reading: r, dialect: d}
	number := 0
	for line := range strings.Lines(r.text) {
		number++
		s.read(number, strings.TrimSuffix(line, "\n"))
	}
	if s.open {
		s.problem(number, "The last line ends with a backslash, so something should follow.")
	}
	return s.found
}

type sectionReader struct {
	*reading
	dialect
	found []section
	open  bool // the last value goes on with the next line
}

func (s *sectionReader) read(number int, line string) {
	trimmed := strings.TrimSpace(line)
	if trimmed != "" && strings.IndexByte("#;", trimmed[0]) >= 0 {
		return
	}
	indented := trimmed != "" && strings.IndexByte(" \t", line[0]) >= 0
	if s.open || !s.backslash && indented && s.last() != nil {
		s.goOn(trimmed)
		return
	}
	switch {
	case trimmed == "":
	case trimmed[0] == '[':
		s.section(number, trimmed)
	default:
		s.entry(number, trimmed)
	}
}

func (s *sectionReader) section(number int, line string) {
	if s.remarks {
		line = withoutRemark(line)
	}
	if !strings.HasSuffix(line, "]") || len(line) < 3 {
		s.problem(number, "%q is no section: it has to end with ].", clip(line))
		return
	}
	s.found = append(s.found, section{name: strings.TrimSpace(line[1 : len(line)-1]), line: number})
}

func (s *sectionReader) entry(number int, line string) {
	at := strings.IndexAny(line, s.delimiters)
	switch {
	case at < 0:
		s.problem(number, "%q has no = behind a name.", clip(line))
		return
	case at == 0:
		s.problem(number, "There is no name before the %c.", line[0])
		return
	case len(s.found) == 0:
		s.problem(number, "%q stands before the first section in brackets.", clip(line))
		return
	}
	key := strings.TrimSpace(line[:at])
	if s.lower {
		key = strings.ToLower(key)
	}
	of := &s.found[len(s.found)-1]
	if len(of.entries) == maxKeys {
		s.problem(number, "There are more than %d keys in one section.", maxKeys)
		return
	}
	of.entries = append(of.entries, entry{key: key, line: number})
	s.goOn(line[at+1:])
}

// last is the entry that indented lines belong to.
func (s *sectionReader) last() *entry {
	if len(s.found) == 0 {
		return nil
	}
	of := &s.found[len(s.found)-1]
	if len(of.entries) == 0 {
		return nil
	}
	return &of.entries[len(of.entries)-1]
}

// goOn adds a line, or the rest of one, to the last value.
func (s *sectionReader) goOn(text string) {
	e := s.last()
	if !s.backslash {
		e.value = strings.TrimSpace(e.value + "\n" + strings.TrimSpace(withoutRemark(text)))
		return
	}
	more := strings.TrimRight(text, " \t")
	s.open = strings.HasSuffix(more, `\`)
	if s.open {
		more = more[:len(more)-1] + " "
	}
	e.value = strings.TrimLeft(e.value+more, " \t")
}

// withoutRemark cuts a line at the first ; or # that follows a blank, also within quotes: supervisord does so.
func withoutRemark(line string) string {
	before := ' '
	for i, r := range line {
		if (r == ';' || r == '#') && blank(before) {
			return strings.TrimSpace(line[:i])
		}
		before = r
	}
	return line
}

// blank reports whether Python takes a character for space.
func blank(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// value returns the last value of a key, and where it stands; line 0 when the section has none.
func (s section) value(key string) (value string, line int) {
	for _, e := range s.entries {
		if e.key == key {
			value, line = e.value, e.line
		}
	}
	return value, line
}
