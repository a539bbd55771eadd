package exchange

import (
	"path"
	"regexp"
	"strings"

	"upkeep/internal/panel"
)

// signs of the formats, the surest first.
var signs = []struct {
	format panel.Format
	sign   *regexp.Regexp
}{
	{panel.FormatJSON, regexp.MustCompile(`\A\s*\{[^{]*"upkeep"\s*:`)},
	{panel.FormatPM2, regexp.MustCompile(`\A\s*[{\[]\s*["{\]}]`)},
	{panel.FormatSupervisord, regexp.MustCompile(`(?m)^\[(program|fcgi-program|eventlistener|group):|^\[(supervisord|supervisorctl|unix_http_server)\]`)},
	{panel.FormatSystemd, regexp.MustCompile(`(?m)^\[(Unit|Service|Install|Socket|Timer)\]\s*$`)},
}

// endings of file names.
var endings = []struct {
	ending string
	format panel.Format
}{
	{".service", panel.FormatSystemd}, {".socket", panel.FormatSystemd}, {".timer", panel.FormatSystemd},
	{".conf", panel.FormatSupervisord}, {".ini", panel.FormatSupervisord}, {".json", panel.FormatPM2},
	{".env", panel.FormatDotenv},
}

var (
	procfileLine = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(\S.*)$`)
	dotenvLine   = regexp.MustCompile(`^\s*(export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=`)
)

// detect finds out what kind of file a text is; empty when it is none that is known.
func detect(name, text string) panel.Format {
	for _, s := range signs {
		if s.sign.MatchString(text) {
			return s.format
		}
	}
	base := strings.ToLower(path.Base(name))
	if strings.HasPrefix(base, "procfile") {
		return panel.FormatProcfile
	}
	if strings.HasPrefix(base, ".env") {
		return panel.FormatDotenv
	}
	for _, e := range endings {
		if strings.HasSuffix(base, e.ending) {
			return e.format
		}
	}
	return byFirstLine(text)
}

// byFirstLine looks at the first line that says something.
func byFirstLine(text string) panel.Format {
	if javaScript.MatchString(text) || yaml.MatchString(text) {
		return ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case dotenvLine.MatchString(line):
			return panel.FormatDotenv
		case procfileLine.MatchString(line):
			return panel.FormatProcfile
		}
		return ""
	}
	return ""
}

var (
	javaScript = regexp.MustCompile(`(?m)^\s*(module\.exports|export default|exports\.)`)
	yaml       = regexp.MustCompile(`(?m)^(apps|services):\s*$`)
)

// unknown says what can be done about a file that is none of the formats.
func unknown(name, text string) string {
	switch {
	case javaScript.MatchString(text) || strings.HasSuffix(name, ".js") || strings.HasSuffix(name, ".cjs"):
		return "This is a JavaScript program, and nothing is executed here. Print it as JSON and paste that: " +
			`node -p 'JSON.stringify(require("./ecosystem.config.js"))'`
	case yaml.MatchString(text) || strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml"):
		return "YAML is not read here. If it is a file of pm2, paste what “pm2 jlist” prints."
	}
	return "What kind of file this is cannot be told. Choose it from the list."
}
