package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// node is a value of a JSON text that knows its line. The zero value is one that is not there.
type node struct {
	raw  json.RawMessage
	line int
	name string // when it is a member of an object
}

// json reads the whole text as one value. It is false, with the problem noted, when the text is none.
func (r *reading) json() (node, bool) {
	var raw json.RawMessage
	d := json.NewDecoder(strings.NewReader(r.text))
	err := d.Decode(&raw)
	if err == nil {
		end := int(d.InputOffset())
		if more := strings.TrimSpace(r.text[end:]); more != "" {
			r.problem(lineAt(r.text, strings.LastIndex(r.text, more)), "Something follows behind the end of the JSON text.")
			return node{}, false
		}
		return node{raw: raw, line: lineAt(r.text, end-len(raw))}, true
	}
	var syntax *json.SyntaxError
	offset := int64(len(strings.TrimRight(r.text, "\n")))
	what := "it ends too early"
	if errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
		offset, what = syntax.Offset, syntax.Error()
	}
	r.problem(lineAt(r.text, int(offset)), "This is not JSON: %s.", strings.TrimSuffix(what, "."))
	return node{}, false
}

// lineAt is the line of a byte.
func lineAt(text string, offset int) int {
	return 1 + strings.Count(text[:min(offset, len(text))], "\n")
}

// kind is the first byte of a value: { [ " n for null, t or f, a digit or a minus; 0 for none.
func (n node) kind() byte {
	if len(n.raw) == 0 {
		return 0
	}
	return n.raw[0]
}

// scalar is a text, number or truth value as text; empty for anything else.
func (n node) scalar() string {
	switch n.kind() {
	case 0, '{', '[', 'n':
		return ""
	case '"':
		var text string
		if json.Unmarshal(n.raw, &text) != nil {
			return ""
		}
		return text
	}
	return string(n.raw)
}

// items are the values of an array.
func (n node) items() []node {
	if n.kind() != '[' {
		return nil
	}
	return n.walk(false)
}

// members are the values of an object with their names.
func (n node) members() []node {
	if n.kind() != '{' {
		return nil
	}
	return n.walk(true)
}

// walk reads what is in brackets. The text is known to be JSON.
func (n node) walk(named bool) []node {
	var found []node
	d := json.NewDecoder(bytes.NewReader(n.raw))
	if _, err := d.Token(); err != nil {
		return nil
	}
	counted, line := 0, n.line
	for d.More() {
		var item node
		if named {
			token, err := d.Token()
			if err != nil {
				return found
			}
			item.name, _ = token.(string)
		}
		if d.Decode(&item.raw) != nil {
			return found
		}
		start := int(d.InputOffset()) - len(item.raw)
		line += bytes.Count(n.raw[counted:start], []byte("\n"))
		counted, item.line = start, line
		found = append(found, item)
	}
	return found
}

// get is the member of an object; the last of several with the name, as everywhere.
func (n node) get(name string) (found node) {
	for _, m := range n.members() {
		if m.name == name {
			found = m
		}
	}
	return found
}
