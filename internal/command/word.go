package command

import (
	"net/netip"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// word is one word of a plain command, ready to be expanded.
type word []piece

// piece is a part of a word: literal text, or the value of a variable.
type piece struct {
	text   string // literal; for a variable, how it was written
	name   string // of the variable; empty for literal text
	quoted bool   // the value of a variable is split into fields unless it is quoted
}

// tilde is the name of the piece that stands for a leading ~. It cannot be a variable's name.
const tilde = "~"

// wordOf takes a word of the grammar apart; ok is false when it holds something that only a shell can expand.
func wordOf(src string, w *syntax.Word) (out word, ok bool) {
	for i, part := range w.Parts {
		switch part := part.(type) {
		case *syntax.Lit:
			text := part.Value
			if i == 0 && homeTilde(text, len(w.Parts) == 1) {
				out = append(out, piece{text: tilde, name: tilde, quoted: true})
				text = text[1:]
			}
			out = append(out, unquoted(text)...)
		case *syntax.SglQuoted:
			if part.Dollar || dollarBefore(w.Parts[:i]) {
				return nil, false
			}
			out = append(out, piece{text: part.Value, quoted: true})
		case *syntax.DblQuoted:
			inner, ok := doubleQuoted(src, part)
			if !ok || dollarBefore(w.Parts[:i]) {
				return nil, false
			}
			out = append(out, inner...)
		case *syntax.ParamExp:
			if !simpleVariable(src, part) {
				return nil, false
			}
			out = append(out, piece{text: source(src, part), name: part.Param.Value})
		default:
			return nil, false
		}
	}
	return out, true
}

// dollarBefore reports whether a quote follows a $. Shells differ in whether $'…' and $"…" are something special,
// so that the shell of the system decides.
func dollarBefore(before []syntax.WordPart) bool {
	if len(before) == 0 {
		return false
	}
	lit, ok := before[len(before)-1].(*syntax.Lit)
	if !ok {
		return false
	}
	pieces := unquoted(lit.Value)
	last := pieces[len(pieces)-1]
	return !last.quoted && strings.HasSuffix(last.text, "$")
}

// homeTilde reports whether a word's first literal begins with a ~ that stands for the home: ~ alone, or ~/.
func homeTilde(text string, alone bool) bool {
	return strings.HasPrefix(text, "~/") || text == "~" && alone
}

// unquoted splits literal text at its backslashes: what follows one is quoted.
func unquoted(text string) (out word) {
	for text != "" {
		i := strings.IndexByte(text, '\\')
		if i < 0 || i == len(text)-1 { // a last backslash stands for itself
			return append(out, piece{text: text})
		}
		if i > 0 {
			out = append(out, piece{text: text[:i]})
		}
		end := i + 1 + runeLen(text[i+1:])
		out = append(out, piece{text: text[i+1 : end], quoted: true})
		text = text[end:]
	}
	return out
}

func runeLen(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}

// doubleQuoted takes apart what stands between double quotes. An empty pair makes an empty piece, because it
// makes a word.
func doubleQuoted(src string, q *syntax.DblQuoted) (out word, ok bool) {
	if q.Dollar {
		return nil, false
	}
	out = word{{quoted: true}}
	for _, part := range q.Parts {
		switch part := part.(type) {
		case *syntax.Lit:
			out = append(out, piece{text: unescape(part.Value), quoted: true})
		case *syntax.ParamExp:
			if !simpleVariable(src, part) {
				return nil, false
			}
			out = append(out, piece{text: source(src, part), name: part.Param.Value, quoted: true})
		default:
			return nil, false
		}
	}
	return out, true
}

// unescape removes the backslashes that mean something between double quotes.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && strings.IndexByte("$`\"\\", text[i+1]) >= 0 {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// ownVariables are set by the shell itself, so that only a shell gives them their value.
var ownVariables = map[string]bool{"IFS": true, "PWD": true, "OLDPWD": true, "PPID": true, "OPTIND": true,
	"LINENO": true, "PS1": true, "PS2": true, "PS4": true}

// simpleVariable reports whether p is $NAME or ${NAME} and nothing more. It looks at the text, so that an
// operator this package has never heard of is not overlooked.
func simpleVariable(src string, p *syntax.ParamExp) bool {
	if p.Param == nil || !syntax.ValidName(p.Param.Value) || ownVariables[p.Param.Value] {
		return false
	}
	text := source(src, p)
	return text == "$"+p.Param.Value || text == "${"+p.Param.Value+"}"
}

func source(src string, n syntax.Node) string {
	return src[n.Pos().Offset():n.End().Offset()]
}

// pattern reports whether a shell would match the word against file names. An IPv6 address in brackets, or a
// variable that holds one, is none: strictly it is, but nobody means it.
func (w word) pattern() bool {
	var flat strings.Builder
	for _, p := range w {
		switch {
		case p.name != "" && p.name != tilde:
			flat.WriteByte(0) // cannot be typed, so it stands for a variable
		case p.quoted:
			flat.WriteString(strings.Repeat("\x01", len(p.text)))
		default:
			flat.WriteString(p.text)
		}
	}
	return strings.ContainsAny(flat.String(), "*?") || brackets(flat.String())
}

// brackets reports whether text holds a bracket expression that is not an address.
func brackets(text string) bool {
	for {
		_, rest, found := strings.Cut(text, "[")
		if !found {
			return false
		}
		inside, after, closed := strings.Cut(rest, "]")
		if !closed {
			return false
		}
		addr, err := netip.ParseAddr(inside)
		if inside != "\x00" && (err != nil || !addr.Is6()) {
			return true
		}
		text = after
	}
}

// String returns the word as far as it is known without an environment: variables stay as written.
func (w word) String() string {
	var b strings.Builder
	for _, p := range w {
		b.WriteString(p.text)
	}
	return b.String()
}
