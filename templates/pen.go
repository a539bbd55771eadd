package templates

import (
	"bytes"
	"strings"
)

// pen is the style that a program's escape sequences have set. Colours are numbered from 1, of the 16 that the
// style sheet knows; 0 is the default.
type pen struct {
	fore, back                                     int
	bold, dim, italic, underline, struck, reversed bool
}

// classes are for the style sheet. A background brings its own readable foreground, so that no output can hide.
func (p pen) classes() string {
	var c []string
	switch {
	case p.reversed && p.fore > 0:
		c = append(c, "b"+itoa(p.fore-1))
	case p.reversed:
		c = append(c, "rv")
	case p.back > 0:
		c = append(c, "b"+itoa(p.back-1))
	case p.fore > 0:
		c = append(c, "f"+itoa(p.fore-1))
	}
	for _, style := range []struct {
		on    bool
		class string
	}{{p.bold, "bo"}, {p.dim, "di"}, {p.italic, "it"}, {p.underline, "un"}, {p.struck, "st"}} {
		if style.on {
			c = append(c, style.class)
		}
	}
	return strings.Join(c, " ")
}

// apply takes a complete escape sequence: SGR changes the pen, anything else changes nothing.
func (p *pen) apply(sequence []byte) {
	body, ok := bytes.CutPrefix(sequence, []byte("\x1b["))
	if !ok || len(body) == 0 || body[len(body)-1] != 'm' {
		return
	}
	list, ok := parameters(body[:len(body)-1])
	for ok && len(list) > 0 {
		list = list[p.set(list):]
	}
}

// set obeys the first parameter of a list and returns how many it used.
func (p *pen) set(list [][]int) (used int) {
	code := list[0][0]
	switch {
	case code == 38:
		return 1 + extended(list, &p.fore)
	case code == 48:
		return 1 + extended(list, &p.back)
	case code == 58: // the colour of the underline is not shown
		return 1 + extended(list, new(int))
	case code == 4:
		p.underline = len(list[0]) == 1 || list[0][1] != 0
	case code >= 30 && code <= 37:
		p.fore = code - 30 + 1
	case code >= 90 && code <= 97:
		p.fore = code - 90 + 8 + 1
	case code >= 40 && code <= 47:
		p.back = code - 40 + 1
	case code >= 100 && code <= 107:
		p.back = code - 100 + 8 + 1
	default:
		p.style(code)
	}
	return 1
}

// style obeys what is neither a colour nor has parts. Concealed text (8) stays visible, and nothing blinks.
func (p *pen) style(code int) {
	switch code {
	case 0:
		*p = pen{}
	case 1:
		p.bold = true
	case 2:
		p.dim = true
	case 3:
		p.italic = true
	case 7:
		p.reversed = true
	case 9:
		p.struck = true
	case 21, 24:
		p.underline = false
	case 22:
		p.bold, p.dim = false, false
	case 23:
		p.italic = false
	case 27:
		p.reversed = false
	case 29:
		p.struck = false
	case 39:
		p.fore = 0
	case 49:
		p.back = 0
	}
}
