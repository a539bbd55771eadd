package catalogue

import (
	"strings"
	"testing"

	"upkeep/internal/command"
	"upkeep/internal/diagnose"
	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

// TestTemplatesAreSound: what the form is filled with is valid, and nothing is found wrong with it.
func TestTemplatesAreSound(t *testing.T) {
	seen := map[string]bool{}
	for _, listed := range All() {
		tpl, ok := Find(listed.ID)
		if !ok || seen[tpl.ID] || tpl.Name == "" || tpl.Summary == "" || tpl.Definition.Name != "" || tpl.Port != 0 {
			t.Errorf("%q is listed twice, or not complete: %+v", listed.ID, tpl)
		}
		seen[tpl.ID] = true
		if len(tpl.Sentences) != 3 || len(tpl.Must) == 0 {
			t.Errorf("%s has %d sentences, want three, and demands %q", tpl.ID, len(tpl.Sentences), tpl.Must)
		}
		if _, err := environment.Parse(tpl.Environment); err != nil {
			t.Errorf("%s: %v", tpl.ID, err)
		}
		if tpl.ID == "generic" {
			continue
		}
		cmd, err := command.Parse(tpl.Command)
		if err != nil || cmd.Shell {
			t.Errorf("%s: the command needs a shell, or is none: %v", tpl.ID, err)
			continue
		}
		if uses := strings.Contains(tpl.Command, "$PORT"); uses && !tpl.Listens {
			t.Errorf("%s uses a port that it does not ask for", tpl.ID)
		}
		def := tpl.Definition
		if tpl.Listens {
			def.Port = panel.MinPort
		}
		if found := diagnose.Definition(def, diagnose.Facts{}); len(found) > 0 {
			t.Errorf("%s: %+v", tpl.ID, found)
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d templates, want 8", len(seen))
	}
	if _, ok := Find("nothing"); ok {
		t.Error("a template that does not exist is found")
	}
}

func TestSecretsAreMadeEachTime(t *testing.T) {
	first, _ := Find("redis")
	second, _ := Find("redis")
	if strings.Contains(first.Environment, secret) || first.Environment == second.Environment || len(first.Environment) < 40 {
		t.Errorf("got %q and %q", first.Environment, second.Environment)
	}
}
