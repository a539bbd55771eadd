package templates

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"upkeep/internal/panel"
)

// span is a piece of a log line in one style. Its text is still hostile: only a templ expression may write it.
type span struct {
	Class string // classes of the style; empty for plain text
	Text  string
}

// logRow is a log line taken apart.
type logRow struct {
	Position  panel.Position
	Spans     []span
	Own       bool // written by upkeep, not by the program
	Rewritten bool // the program wrote over the line, as progress bars do; its last state is shown
	Cut       bool
}

// ownPrefix begins the lines that upkeep adds at the start and end of a run.
var ownPrefix = []byte("upkeep: ")

// logRows takes lines apart. A colour that is not reset goes on in the next line, until a run ends.
func logRows(lines []panel.LogLine) []logRow {
	rows := make([]logRow, len(lines))
	var style pen
	for i, line := range lines {
		row := logRow{Position: line.Position, Own: bytes.HasPrefix(line.Text, ownPrefix), Cut: line.Cut}
		if row.Own {
			style = pen{}
		}
		d := decoder{pen: style}
		d.decode(line.Text)
		row.Spans, row.Rewritten, style = d.spans, d.rewritten, d.pen
		rows[i] = row
	}
	return rows
}

// spansOf takes a single line apart.
func spansOf(text []byte) []span {
	var d decoder
	d.decode(text)
	return d.spans
}

// decoder turns a line of output into spans. Escape sequences that set a style do so, others are dropped; every
// other byte that is not text becomes visible.
type decoder struct {
	pen       pen
	spans     []span
	text      []byte // of the span that is being written
	class     string // of that span
	rewritten bool
}

func (d *decoder) decode(b []byte) {
	b = bytes.TrimRight(b, "\r") // of a Windows line end
	for len(b) > 0 {
		b = b[d.next(b):]
	}
	d.flush()
}

// next decodes what b begins with and returns its length.
func (d *decoder) next(b []byte) int {
	switch c := b[0]; {
	case c == ansi.ESC:
		return d.escape(b)
	case c == '\r':
		d.spans, d.text, d.rewritten = nil, nil, true
		return 1
	case c == '\t' || c >= ' ' && c < ansi.DEL:
		d.write(d.pen.classes(), string(b[:1]))
		return 1
	case c < utf8.RuneSelf:
		d.write("esc", hex(c))
		return 1
	}
	r, n := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && n == 1:
		d.write("esc", hex(b[0]))
	case invisible(r):
		d.write("esc", fmt.Sprintf(`\u%04x`, r))
	default:
		d.write(d.pen.classes(), string(b[:n]))
	}
	return n
}

// escape obeys or drops a complete escape sequence. One that does not end shows its first byte and what follows:
// otherwise a single stray byte could hide the rest of the line.
func (d *decoder) escape(b []byte) int {
	sequence, _, n, state := ansi.DecodeSequence(b, ansi.NormalState, nil)
	if state != ansi.NormalState || n < 2 {
		d.write("esc", hex(ansi.ESC))
		return 1
	}
	d.pen.apply(sequence)
	return n
}

func (d *decoder) write(class, text string) {
	if class != d.class {
		d.flush()
		d.class = class
	}
	d.text = append(d.text, text...)
}

func (d *decoder) flush() {
	if len(d.text) > 0 {
		d.spans = append(d.spans, span{d.class, string(d.text)})
		d.text = nil
	}
}

// hex makes a byte visible, as in a string of most languages.
func hex(c byte) string { return fmt.Sprintf(`\x%02x`, c) }

// invisible reports whether a character has no shape of its own or turns the direction of others: such ones can
// make a line look like another. The two joiners are part of ordinary text and of emoji.
func invisible(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = 0x200c, 0x200d
	if r == zeroWidthNonJoiner || r == zeroWidthJoiner {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}
