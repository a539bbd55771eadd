package exchange

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

// samples are definitions like those of the round trip.
func samples(n int) []panel.Definition {
	defs := make([]panel.Definition, n)
	for i := range defs {
		defs[i] = definitions().Example(i)
	}
	return defs
}

// supervisor reads a configuration with the two modules that supervisord reads it with, and in its way.
const supervisor = `
import configparser, json, shlex, sys

def pairs(text):
    lexer = shlex.shlex(text)
    lexer.wordchars += '/.+-():'
    tokens, found = list(lexer), {}
    for i in range(0, len(tokens), 4):
        key, equals, value = tokens[i:i+3]
        assert equals == '='
        found[key] = value.strip('\'"')
    return found

out = []
for text in json.load(sys.stdin):
    p = configparser.RawConfigParser(inline_comment_prefixes=(';', '#'), strict=False)
    p.read_string(text)
    s = p[p.sections()[0]]
    out.append({
        'Argv': shlex.split(s['command'] % {}), 'Env': pairs(s['environment'] % {}),
        'Directory': s.get('directory', '') % {},
    })
json.dump(out, sys.stdout)
`

// TestSupervisordReadsTheSame has Python's own readers look at what was written for supervisord.
func TestSupervisordReadsTheSame(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	var defs []panel.Definition
	var texts []string
	for _, def := range samples(400) {
		out, err := Write(ann, def, panel.FormatSupervisord)
		if err != nil {
			continue // a command of several lines
		}
		defs, texts = append(defs, def), append(texts, out.Text)
	}
	question, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", supervisor)
	cmd.Stdin = bytes.NewReader(question)
	answer, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	var read []struct {
		Argv      []string
		Env       map[string]string
		Directory string
	}
	if err := json.Unmarshal(answer, &read); err != nil {
		t.Fatal(err)
	}
	if len(read) < 200 {
		t.Fatalf("only %d were read", len(read))
	}
	for i, def := range defs {
		env := map[string]string{}
		for _, v := range given(def) {
			if pairable(v.Value) {
				env[v.Name] = v.Value
			}
		}
		if dir := directoryOf(ann, def); read[i].Directory != dir && pairable(dir) {
			t.Errorf("directory %q, want %q", read[i].Directory, dir)
		}
		if !slices.Equal(read[i].Argv, wordsOf(def)) || !maps.Equal(read[i].Env, env) {
			t.Errorf("read as %q %q\nwant %q %q\nof\n%s", read[i].Argv, read[i].Env, wordsOf(def), env, texts[i])
		}
	}
}

// TestSystemdTakesTheUnits has systemd itself look at units: it complains about every line that it cannot read.
func TestSystemdTakesTheUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	acct := panel.Account{Name: "root", UnixUser: "root", Home: "/root"}
	dir := t.TempDir()
	var paths []string
	write := func(name string, def panel.Definition) {
		def.Name, def.Command, def.Directory = name, "/bin/sh "+def.Command, ""
		out, err := Write(acct, def, panel.FormatSystemd)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, filepath.Join(dir, out.FileName))
		if err := os.WriteFile(paths[len(paths)-1], []byte(out.Text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	value := "a \"quoted\" 'word' 100% $HOME ${HOME} \\ back; #no remark\nnext line\té日😀"
	write("values", panel.Definition{Command: "-c 'echo \"$A\" %h; exit' x", Annotation: value,
		Environment: environment.Format([]environment.Variable{{Name: "A", Value: value}, {Name: "LONG", Value: strings.Repeat("x ", 20_000)}})})
	write("plain", panel.Definition{Command: `-x 'a b' 'it'\''s' '100%' ';' '$HOME' é`, Port: 8300})
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, paths...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("systemd-analyze (%v) says:\n%s", err, out)
	}
}
