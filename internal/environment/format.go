package environment

import "strings"

// Format writes variables, for round trips, as text that Parse reads back to the same names and values.
func Format(vars []Variable) string {
	var b strings.Builder
	for _, v := range vars {
		b.WriteString(v.Name + "=" + quote(v.Value) + "\n")
	}
	return b.String()
}

// quote leaves a value as it is when it needs no quotes, and prefers the literal ones.
func quote(value string) string {
	switch {
	case !strings.ContainsAny(value, " \t\r\n\"'#\\$"):
		return value
	case !strings.ContainsAny(value, "'\r"):
		return "'" + value + "'"
	}
	return `"` + escaper.Replace(value) + `"`
}

// A carriage return is always escaped: before a newline it would be taken for a Windows line end.
var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\n`, "\r", `\r`)
