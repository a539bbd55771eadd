package control

import (
	"context"

	"upkeep/internal/command"
	"upkeep/internal/diagnose"
	"upkeep/internal/environment"
	"upkeep/internal/lookup"
	"upkeep/internal/panel"
)

// Warnings says what a person should know about a definition before it runs. They stop nobody. A definition that
// cannot be read has none: its errors come first.
func (c *Control) Warnings(_ context.Context, acct panel.Account, def panel.Definition) ([]panel.Finding, error) {
	def = clean(def)
	facts := diagnose.Facts{User: acct.UnixUser}
	if found, ok := c.lookUp(acct, def); ok {
		facts.Program = &found
	}
	return diagnose.Definition(def, facts), nil
}

// lookUp finds the command's program as the launcher would. When nobody could look, as for an account whose user
// is missing, or whose home hangs, nothing is known.
func (c *Control) lookUp(acct panel.Account, def panel.Definition) (diagnose.Found, bool) {
	dir, wrong := checkDirectory(acct.Home, def.Directory)
	if wrong != "" {
		return diagnose.Found{}, false
	}
	cmd, err := command.Parse(def.Command)
	if err != nil {
		return diagnose.Found{}, false
	}
	vars, err := environment.Parse(def.Environment)
	if err != nil {
		return diagnose.Found{}, false
	}
	env := environment.Build(environment.Base{Home: acct.Home, Path: environment.DefaultPath(acct.Home), Port: def.Port}, vars)
	name := cmd.Program(env)
	if name == "" {
		return diagnose.Found{}, false
	}
	as := func(look func() error) error { return c.asUser(acct, look) }
	return c.glances.glance(acct.ID, func() (diagnose.Found, error) {
		return lookup.Program(acct.Home, dir, environment.Value(env, "PATH"), as, name)
	})
}
