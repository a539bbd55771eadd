package exchange

import (
	"regexp"
	"slices"
	"strconv"

	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

var validVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// setVariables takes an environment. Of two values for a name the last counts, as everywhere. What upkeep sets by
// itself is left out: the port becomes the declared one unless the file spoke of that already.
func (d *draft) setVariables(vars []environment.Variable, portKnown bool) {
	last := map[string]int{}
	for i, v := range vars {
		last[v.Name] = i
	}
	var kept []environment.Variable
	for i, v := range vars {
		if last[v.Name] != i {
			continue
		}
		if !d.wants(v) {
			continue
		}
		if v.Name == "PORT" && d.takesPort(v, portKnown) {
			continue
		}
		kept = append(kept, v)
	}
	d.Environment = environment.Format(kept)
	if _, err := environment.Parse(d.Environment); err != nil {
		d.refused(d.Line, "The environment cannot be used: %v.", err)
	}
}

// wants reports whether a variable has to stand in the environment of the service.
func (d *draft) wants(v environment.Variable) bool {
	switch {
	case !validVariable.MatchString(v.Name):
		d.ignored(v.Line, "%q is no name of a variable: letters, digits and _ are allowed, and no digit comes first.", clip(v.Name))
	case slices.Contains(environment.Reserved(), v.Name):
		d.ignored(v.Line, "%s is set by upkeep.", v.Name)
	case v.Name == "HOST" && v.Value == "::":
	default:
		return true
	}
	return false
}

// takesPort makes a variable PORT the declared port.
func (d *draft) takesPort(v environment.Variable, portKnown bool) bool {
	if portKnown {
		return d.Port != 0 // which is given as PORT
	}
	port, err := strconv.Atoi(v.Value)
	switch {
	case err != nil:
		return false
	case port < panel.MinPort || port > panel.MaxPort:
		d.AnyPort = true
		d.mapped(v.Line, "PORT=%d: only ports %d to %d are opened for services, so another one is proposed.", port, panel.MinPort, panel.MaxPort)
	default:
		d.Port = port
		d.mapped(v.Line, "PORT=%d becomes the declared port, which upkeep gives as PORT.", port)
	}
	return true
}

// given are the variables that upkeep gives and a program relies on elsewhere too, with the service's own. A
// declared port wins over a variable of that name.
func given(def panel.Definition) []environment.Variable {
	own, _ := environment.Parse(def.Environment) // what is stored can be read
	vars := []environment.Variable{{Name: "HOST", Value: "::"}}
	if def.Port != 0 {
		vars = append(vars, environment.Variable{Name: "PORT", Value: strconv.Itoa(def.Port)})
	}
	for _, v := range own {
		if v.Name == "HOST" {
			vars[0].Value = v.Value
			continue
		}
		if v.Name != "PORT" || def.Port == 0 {
			vars = append(vars, v)
		}
	}
	return vars
}
