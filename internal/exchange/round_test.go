package exchange

import (
	"errors"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"upkeep/internal/command"
	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

var ann = panel.Account{Name: "ann", UnixUser: "ann", Home: "/home/ann"}

// hostile is text made of what the formats give a meaning to.
func hostile() *rapid.Generator[string] {
	special := []rune("\"'%$ \t\n\r;#\\=,:()[]{}`~*?!&|<>-@+^aAxns01é日\u00a0\u2028\v\x01\x7f😀")
	pieces := []string{"%(here)s", "%h", "%%", "$$", "$HOME", "${PORT}", " ; ", " #", "\\n", "\\\n", "''", `""`, "\n[Service]\n", "\nPORT=1\n", "%"}
	char := rapid.OneOf(
		rapid.Map(rapid.SampledFrom(special), func(r rune) string { return string(r) }),
		rapid.SampledFrom(pieces),
		rapid.Map(rapid.Rune(), func(r rune) string { return string(r) }))
	return rapid.Custom(func(t *rapid.T) string {
		text := strings.Join(rapid.SliceOfN(char, 0, 12).Draw(t, "characters"), "")
		return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
	})
}

func commands() *rapid.Generator[string] {
	program := rapid.SampledFrom([]string{"node", "/usr/bin/env", "./app", "venv/bin/python", "/opt/a b/x", "sh", "-x", "a$b", "50%", "/opt/it's"})
	words := rapid.Custom(func(t *rapid.T) string {
		all := append([]string{program.Draw(t, "program")}, rapid.SliceOfN(hostile(), 0, 4).Draw(t, "words")...)
		return command.Join(all...)
	})
	scripts := rapid.SampledFrom([]string{
		"node server.js --port $PORT", `node "$A B" ${C}x ~/y`, "cd app && exec ./run 2>&1 | tee 'a b.log'",
		"echo \"a;b # c\" ; sleep 1 #d", "A=1 node x", "while true; do date; sleep 5; done", "printf '%s\\n' 100%", "gunicorn -b [::]:$PORT app:app",
		"node x # a remark", "first\nsecond", "exec cat <<X\na b\nX",
	})
	return rapid.OneOf(words, scripts)
}

func definitions() *rapid.Generator[panel.Definition] {
	return rapid.Custom(func(t *rapid.T) panel.Definition {
		var vars []environment.Variable
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"A", "B_2", "PATH", "PORT", "HOST", "LANG", "_x", "TZ"}), 0, 5, rapid.ID)
		for _, name := range names.Draw(t, "names") {
			vars = append(vars, environment.Variable{Name: name, Value: hostile().Draw(t, "value")})
		}
		def := panel.Definition{
			Name:        rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?`).Filter(tidy).Draw(t, "name"),
			Command:     strings.TrimSpace(commands().Draw(t, "command")),
			Environment: environment.Format(vars),
			Port:        rapid.SampledFrom([]int{0, panel.MinPort, 8321, panel.MaxPort}).Draw(t, "port"),
			Annotation:  strings.TrimSpace(hostile().Draw(t, "note")),
		}
		if dir := path.Clean(strings.TrimSpace(hostile().Draw(t, "directory"))); dir != "." && !strings.HasPrefix(dir, "..") {
			def.Directory = strings.TrimSpace(strings.TrimLeft(dir, "/~"))
		}
		if _, err := command.Parse(def.Command); err != nil {
			t.Skip("no command")
		}
		return def
	})
}

// tidy names do not change when names are made valid.
func tidy(name string) bool { return ServiceName(name) == name }

// behaviour is what a definition comes to when it is run.
type behaviour struct {
	argv, env             []string
	directory, name, note string
	port                  int
}

func behaviourOf(t *rapid.T, def panel.Definition) behaviour {
	vars, err := environment.Parse(def.Environment)
	if err != nil {
		t.Fatalf("environment %q: %v", def.Environment, err)
	}
	cmd, err := command.Parse(def.Command)
	if err != nil {
		t.Fatalf("command %q: %v", def.Command, err)
	}
	env := environment.Build(environment.Base{Home: ann.Home, User: ann.UnixUser, Port: def.Port}, vars)
	argv, err := cmd.Argv(env)
	if err != nil {
		argv = []string{err.Error()}
	}
	return behaviour{argv, env, path.Clean(def.Directory), def.Name, def.Annotation, def.Port}
}

func (b behaviour) equal(o behaviour) bool {
	return slices.Equal(b.argv, o.argv) && slices.Equal(b.env, o.env) && b.directory == o.directory && b.name == o.name &&
		b.note == o.note && b.port == o.port
}

// TestRoundTrip exports services, imports what came out, and wants the same service.
func TestRoundTrip(t *testing.T) {
	for _, format := range []panel.Format{panel.FormatSystemd, panel.FormatSupervisord, panel.FormatJSON} {
		t.Run(string(format), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				def := definitions().Draw(t, "definition")
				if format == panel.FormatJSON { // the others have no room for it
					span := rapid.Map(rapid.IntRange(0, 7200), func(n int) time.Duration { return time.Duration(n) * time.Second })
					def.Monitoring = panel.Monitoring{Command: hostile().Draw(t, "monitoring"), Interval: span.Draw(t, "interval"),
						Timeout: span.Draw(t, "timeout"), Failures: rapid.IntRange(0, 9).Draw(t, "checks"), Grace: span.Draw(t, "grace")}
					def.Budget = panel.Budget{Failures: rapid.IntRange(0, 99).Draw(t, "failures"), Window: span.Draw(t, "window"),
						Probation: span.Draw(t, "probation")}
				}
				out, err := Write(ann, def, format)
				if refused := (*panel.ValidationError)(nil); errors.As(err, &refused) {
					if format != panel.FormatSupervisord || !strings.ContainsAny(def.Command, "\n\r") {
						t.Fatalf("refused: %v", err)
					}
					return
				}
				if err != nil || !utf8.ValidString(out.Text) {
					t.Fatalf("Write: %v\n%s", err, out.Text)
				}
				in, err := Read(ann, panel.ImportFile{Name: out.FileName, Text: out.Text})
				if err != nil || len(in.Drafts) != 1 || in.Format != format {
					t.Fatalf("%s: %d drafts, %v of\n%s", in.Format, len(in.Drafts), err, out.Text)
				}
				d := in.Drafts[0]
				if !d.Possible() {
					t.Fatalf("refused: %+v of\n%s", d.Remarks, out.Text)
				}
				want, got := behaviourOf(t, def), behaviourOf(t, d.Definition)
				if !got.equal(want) {
					t.Fatalf("got  %+q\nwant %+q\nof\n%s", []any{got}, []any{want}, out.Text)
				}
				if format == panel.FormatJSON && d.Definition != def {
					t.Fatalf("got  %+v\nwant %+v", d.Definition, def)
				}
				again, err := Write(ann, d.Definition, format)
				if err != nil || again.Text != out.Text {
					t.Fatalf("exported again (%v):\n%s\nwant\n%s", err, again.Text, out.Text)
				}
			})
		})
	}
}
