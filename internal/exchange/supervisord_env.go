package exchange

import (
	"fmt"
	"strings"

	"upkeep/internal/environment"
)

// environment reads a program's variables: the values that supervisord can hold, and those that it cannot, which
// stand in a key of upkeep's own.
func (p *programReader) environment(s section) {
	var vars []environment.Variable
	for _, e := range s.entries {
		if e.key != "environment" {
			continue
		}
		text, ok := p.expand(e)
		if !ok {
			return
		}
		var err error
		if vars, err = pairs(text, e.line); err != nil {
			p.refused(e.line, "environment cannot be read: %v.", err)
			return
		}
	}
	more, err := environment.Parse(p.extra)
	if err != nil {
		_, line := s.value("upkeep_environment")
		p.refused(line, "upkeep_environment cannot be read: %v.", err)
		return
	}
	p.setVariables(append(vars, more...), p.own)
}

// pairs reads NAME="value",NAME=value … as supervisord does: quotes go around a whole value, and nothing escapes
// them.
func pairs(text string, line int) (vars []environment.Variable, err error) {
	for rest := strings.TrimLeft(text, " \t\n,"); rest != ""; rest = strings.TrimLeft(rest, " \t\n,") {
		name, after, found := strings.Cut(rest, "=")
		name = strings.TrimSpace(name)
		if !found || strings.ContainsAny(name, "\"', \n\t") {
			return nil, fmt.Errorf("%q has no = behind a name", clip(rest))
		}
		var value string
		if value, rest, err = pairValue(strings.TrimLeft(after, " \t\n")); err != nil {
			return nil, fmt.Errorf("the value of %s: %w", clip(name), err)
		}
		vars = append(vars, environment.Variable{Name: name, Value: value, Line: line})
		if rest = strings.TrimLeft(rest, " \t\n"); rest != "" && rest[0] != ',' {
			return nil, fmt.Errorf("%q follows the value of %s; a comma should", clip(rest), clip(name))
		}
	}
	return vars, nil
}

func pairValue(text string) (value, rest string, err error) {
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		end := strings.IndexByte(text[1:], text[0])
		if end < 0 {
			return "", "", errQuote
		}
		return strings.Trim(text[1:end+1], `'"`), text[end+2:], nil
	}
	end := strings.IndexAny(text, ", \t\n")
	if end < 0 {
		end = len(text)
	}
	return strings.Trim(text[:end], `'"`), text[end:], nil
}

// pairable reports whether supervisord can hold a value: it has no way to write both kinds of quotes, a line break,
// quotes at the ends, or what looks like a remark.
func pairable(value string) bool {
	both := strings.ContainsRune(value, '"') && strings.ContainsRune(value, '\'')
	return !both && strings.Trim(value, `'"`) == value && !strings.ContainsAny(value, "\n\r") && withoutRemark(" "+value) == " "+value
}

// pair writes a variable that supervisord can hold.
func pair(v environment.Variable) string {
	quote := `"`
	if strings.Contains(v.Value, quote) {
		quote = `'`
	}
	return v.Name + "=" + quote + strings.ReplaceAll(v.Value, "%", "%%") + quote
}
