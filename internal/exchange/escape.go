package exchange

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unitWord is a word of a systemd unit. Whether it was quoted decides whether a semicolon divides two commands.
type unitWord struct {
	text   string
	quoted bool
}

// splitUnit cuts a value of a unit into words: quotes around words or parts of them, and the backslash sequences of C.
func splitUnit(text string) ([]unitWord, error) {
	var words []unitWord
	for text = strings.TrimLeft(text, " \t\n"); text != ""; text = strings.TrimLeft(text, " \t\n") {
		word, n, err := unitWordAt(text)
		if err != nil {
			return nil, err
		}
		words = append(words, word)
		text = text[n:]
	}
	return words, nil
}

// unitWordAt reads the word that a text begins with and returns how many bytes it takes.
func unitWordAt(text string) (w unitWord, n int, err error) {
	var b strings.Builder
	quote := byte(0)
	for n < len(text) {
		c := text[n]
		switch {
		case quote == 0 && strings.IndexByte(" \t\n", c) >= 0:
			return unitWord{b.String(), w.quoted}, n, nil
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, w.quoted = c, true
		case c == '\\':
			size, err := unescape(text[n+1:], &b)
			if err != nil {
				return w, n, err
			}
			n += size
			w.quoted = true
		default:
			b.WriteByte(c)
		}
		n++
	}
	if quote != 0 {
		return w, n, errQuote
	}
	return unitWord{b.String(), w.quoted}, n, nil
}

// escapes are the backslash sequences of one letter.
var escapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', 's': ' ',
	'\\': '\\', '"': '"', '\'': '\''}

// numbers are the digits and the base of the sequences that give a number, by their letter.
var numbers = map[byte]struct{ digits, base int }{'x': {2, 16}, 'u': {4, 16}, 'U': {8, 16}}

var errEscape = errors.New("a backslash is followed by what systemd does not know")

// unescape reads what follows a backslash and returns how many bytes that takes.
func unescape(text string, b *strings.Builder) (n int, err error) {
	if text == "" {
		return 0, errBackslash
	}
	if to, ok := escapes[text[0]]; ok {
		b.WriteByte(to)
		return 1, nil
	}
	if text[0] == ';' { // a word of its own that divides nothing
		b.WriteByte(';')
		return 1, nil
	}
	number, skip := numbers[text[0]], 1
	if text[0] >= '0' && text[0] <= '7' {
		number.digits, number.base, skip = 3, 8, 0
	}
	if number.digits == 0 || len(text) < skip+number.digits {
		return 0, errEscape
	}
	value, err := strconv.ParseUint(text[skip:skip+number.digits], number.base, 32)
	switch {
	case err != nil || value == 0:
		return 0, errEscape
	case number.digits > 3 && !utf8.ValidRune(rune(value)):
		return 0, errEscape
	case number.digits > 3:
		b.WriteRune(rune(value))
	case value > 0xff:
		return 0, errEscape
	default:
		b.WriteByte(byte(value))
	}
	return skip + number.digits, nil
}

// quoteUnit writes a word so that systemd reads it as it is. In a command $ has a meaning, elsewhere it has none.
func quoteUnit(word string, inCommand bool) string {
	var b strings.Builder
	plain := word != ""
	for _, r := range word {
		switch {
		case r == '%':
			b.WriteString("%%")
		case r == '$' && inCommand:
			b.WriteString("$$")
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
			plain = false
		case r == '\n':
			b.WriteString(`\n`)
			plain = false
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
			plain = false
		default:
			b.WriteRune(r)
			plain = plain && r != '\'' && r != ';' && r != '#' && !unicode.IsSpace(r)
		}
	}
	if plain {
		return b.String()
	}
	return `"` + b.String() + `"`
}
