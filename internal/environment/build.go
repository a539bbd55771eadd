package environment

import (
	"slices"
	"strconv"
)

// Base is what upkeep itself knows of a run. An empty field leaves its variable out, except where a default is
// named.
type Base struct {
	Home  string
	User  string // Unix user: USER and LOGNAME
	Shell string
	Path  string // default: DefaultPath(Home)
	Lang  string // default: C.UTF-8
	TZ    string // default: UTC
	Port  int    // 0: the service declared none

	ServiceName string
	ServiceID   string
	Account     string
	RunID       string
}

// DefaultPath returns where programs are looked for unless the service says otherwise.
func DefaultPath(home string) string {
	return home + "/bin:" + home + "/.local/bin:/usr/local/bin:/usr/bin:/bin"
}

// Build returns the whole environment of a run as NAME=value, sorted, each name once. The service's own
// variables win over what upkeep gives, except the reserved names and the declared port. Nothing comes from
// the environment of the calling process.
func Build(base Base, vars []Variable) []string {
	env := base.general()
	for _, v := range vars {
		env[v.Name] = v.Value
	}
	base.own(env)
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// general are the variables that a service may replace.
func (b Base) general() map[string]string {
	env := map[string]string{"PATH": b.Path, "LANG": b.Lang, "TZ": b.TZ, "HOST": "::", "PYTHONUNBUFFERED": "1"}
	for name, value := range map[string]string{"PATH": DefaultPath(b.Home), "LANG": "C.UTF-8", "TZ": "UTC"} {
		if env[name] == "" {
			env[name] = value
		}
	}
	for name, value := range map[string]string{"HOME": b.Home, "USER": b.User, "LOGNAME": b.User, "SHELL": b.Shell} {
		if value != "" {
			env[name] = value
		}
	}
	return env
}

// own sets the variables that nobody replaces.
func (b Base) own(env map[string]string) {
	env["SERVICE_NAME"] = b.ServiceName
	env["SERVICE_ID"] = b.ServiceID
	env["ACCOUNT"] = b.Account
	env["RUN_ID"] = b.RunID
	if b.Port > 0 {
		env["PORT"] = strconv.Itoa(b.Port)
	}
}
