package diagnose

import (
	"testing"

	"upkeep/internal/command"
	"upkeep/internal/panel"
)

// FuzzDefinition checks that nothing one can type upsets the diagnoses, and that every cure can be read.
func FuzzDefinition(f *testing.F) {
	for _, text := range append(quiet, "nginx -g", "docker run -d", "docker container run", "bundle exec", "python3 -m",
		"pm2 start a.js", "nohup gunicorn -D --token x &", "env A=b", "redis-server --daemonize", "uwsgi -d", "'' -d") {
		f.Add(text, "A=$B\nPORT=1")
	}
	f.Fuzz(func(t *testing.T, text, env string) {
		def := panel.Definition{Command: text, Environment: env, Port: 8300}
		for _, program := range []*Found{nil, {Name: "a.js", Here: true}, {Name: "x", Candidates: []string{"a b/x"}}} {
			for _, finding := range Definition(def, Facts{Program: program}) {
				if _, err := command.Parse(finding.Fix); finding.Fix != "" && err != nil {
					t.Errorf("%q: the cure %q of %s cannot be read: %v", text, finding.Fix, finding.ID, err)
				}
			}
		}
	})
}
