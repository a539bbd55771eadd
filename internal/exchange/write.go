package exchange

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

// Write writes a service of an account for another supervisor, or another upkeep. panel.ErrNotFound says that there
// is no such format to write, a *panel.ValidationError that the format cannot hold the service.
func Write(acct panel.Account, def panel.Definition, format panel.Format) (panel.Export, error) {
	switch format {
	case panel.FormatSystemd:
		return panel.Export{FileName: def.Name + ".service", Text: unit(acct, def)}, nil
	case panel.FormatSupervisord:
		return program(acct, def)
	case panel.FormatJSON:
		text, err := own(def)
		return panel.Export{FileName: def.Name + ".json", Text: text}, err
	}
	return panel.Export{}, fmt.Errorf("format %q: %w", format, panel.ErrNotFound)
}

// own writes definitions as they were typed.
func own(defs ...panel.Definition) (string, error) {
	file := ownFile{Upkeep: version}
	for _, def := range defs {
		file.Services = append(file.Services, ownOf(def))
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(file)
	return b.String(), err
}

// directoryOf is the absolute working directory.
func directoryOf(acct panel.Account, def panel.Definition) string {
	return path.Join("/", acct.Home, def.Directory)
}

// unit writes a unit of systemd. The numbers are those of panel.DefaultPolicy.
func unit(acct panel.Account, def panel.Definition) string {
	var b strings.Builder
	line := func(key, value string) { b.WriteString(key + "=" + value + "\n") }
	p := panel.DefaultPolicy()
	seconds := func(d float64) string { return strconv.FormatFloat(d, 'f', -1, 64) }
	b.WriteString("# /etc/systemd/system/" + def.Name + ".service\n[Unit]\n")
	line("Description", strings.ReplaceAll(def.Name, "%", "%%"))
	line("StartLimitIntervalSec", seconds(p.BudgetWindow.Seconds()))
	line("StartLimitBurst", strconv.Itoa(p.BudgetLimit))
	b.WriteString("\n[Service]\n")
	line("Type", "exec")
	line("User", acct.UnixUser)
	line("WorkingDirectory", unitDirectory(directoryOf(acct, def)))
	for _, v := range given(def) {
		line("Environment", quoteUnit(v.Name+"="+v.Value, false))
	}
	words := wordsOf(def)
	for i, w := range words {
		words[i] = quoteUnit(w, true)
	}
	line("ExecStart", strings.Join(words, " "))
	line("Restart", "always")
	line("TimeoutStopSec", seconds(p.StopTimeout.Seconds()))
	b.WriteString("\n[Install]\nWantedBy=multi-user.target\n\n[" + ownSection + "]\n")
	line("Name", def.Name)
	line("Port", strconv.Itoa(def.Port))
	line("Note", quoteUnit(def.Annotation, false))
	return b.String()
}

// unitDirectory writes a path, which systemd does not cut into words: only % has a meaning. Line breaks and blanks
// at the ends need quotes, which it does not know there; upkeep does.
func unitDirectory(dir string) string {
	if strings.TrimSpace(dir) != dir || strings.ContainsAny(dir, "\n\r\"'\\") {
		return quoteUnit(dir, false)
	}
	return strings.ReplaceAll(dir, "%", "%%")
}

// program writes a section of supervisord.
func program(acct panel.Account, def panel.Definition) (panel.Export, error) {
	words := wordsOf(def)
	for i, w := range words {
		if strings.ContainsAny(w, "\n\r") {
			return panel.Export{}, &panel.ValidationError{Fields: map[string]string{
				"command": "supervisord cannot hold a command of several lines. Put it into a script and start that."}}
		}
		words[i] = strings.ReplaceAll(quoteWord(w), "%", "%%")
	}
	var b strings.Builder
	line := func(key, value string) { b.WriteString(key + "=" + value + "\n") }
	b.WriteString("[program:" + def.Name + "]\n")
	line("command", strings.Join(words, " "))
	if dir := directoryOf(acct, def); strings.TrimSpace(dir) == dir && pairable(dir) {
		line("directory", strings.ReplaceAll(dir, "%", "%%"))
	} else {
		line("upkeep_directory", toJSON(dir))
	}
	writePairs(line, given(def))
	line("user", acct.UnixUser)
	for _, pair := range [][2]string{{"autostart", "true"}, {"autorestart", "true"}, {"startsecs", "1"}, {"stopsignal", "TERM"},
		{"stopwaitsecs", "10"}, {"stopasgroup", "true"}, {"killasgroup", "true"}, {"redirect_stderr", "true"}} {
		line(pair[0], pair[1])
	}
	b.WriteString("; for upkeep; supervisord does not look at these\n")
	line("upkeep_port", strconv.Itoa(def.Port))
	line("upkeep_note", toJSON(def.Annotation))
	return panel.Export{FileName: def.Name + ".conf", Text: b.String()}, nil
}

// writePairs writes variables. Those that supervisord cannot hold stand in a key of upkeep's own.
func writePairs(line func(key, value string), vars []environment.Variable) {
	var held []string
	var others []environment.Variable
	for _, v := range vars {
		if pairable(v.Value) {
			held = append(held, pair(v))
		} else {
			others = append(others, v)
		}
	}
	line("environment", strings.Join(held, ","))
	if len(others) > 0 {
		line("upkeep_environment", toJSON(environment.Format(others)))
	}
}

// toJSON writes a text on one line that holds nothing that supervisord takes for a remark.
func toJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return `""` // a string always has a JSON form
	}
	return strings.NewReplacer(";", `\u003b`, "#", `\u0023`).Replace(string(quoted))
}

// quoteWord writes a word so that splitWords, and supervisord, read it as it is. A ; or # never follows a blank: it
// would begin a remark, quotes or not.
func quoteWord(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return blank(r) || strings.ContainsRune(`'"\;#`, r) }) {
		return word
	}
	var b strings.Builder
	b.WriteByte('\'')
	before := 'x'
	for _, r := range word {
		switch {
		case r == '\'':
			b.WriteString(`'"'"'`)
		case (r == ';' || r == '#') && blank(before):
			b.WriteString(`''` + string(r))
		default:
			b.WriteRune(r)
		}
		before = r
	}
	b.WriteByte('\'')
	return b.String()
}
