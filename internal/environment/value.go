package environment

import "strings"

// Value returns what a variable is set to in an environment of NAME=value strings; empty when it is not.
func Value(env []string, name string) string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
