package diagnose

import (
	"strings"
	"testing"

	"upkeep/internal/panel"
)

func TestProgramFindings(t *testing.T) {
	tests := map[string]struct {
		command string
		found   Found
		id, fix string
		says    []string
	}{
		"all is well": {command: "gunicorn app", found: Found{Path: "/usr/bin/gunicorn", Executable: true, Format: FormatBinary}},
		"not found":   {command: "gunicorn app", id: "D01", says: []string{"`gunicorn` was not found for user ann", "cannot start", "full path"}},
		"not found, but in a virtual environment": {command: "gunicorn -b [::]:$PORT app:app",
			found: Found{Candidates: []string{"venv/bin/gunicorn", "bin/gunicorn"}}, id: "D01",
			fix: "venv/bin/gunicorn -b [::]:$PORT app:app", says: []string{"There is one at `venv/bin/gunicorn`"}},
		"no such file":  {command: "bin/run", id: "D01", says: []string{"There is no file `bin/run` below the working directory"}},
		"no such path":  {command: "/opt/run", id: "D01", says: []string{"There is no file `/opt/run`, so"}},
		"before a pipe": {command: "gunicorn app > log", found: Found{Candidates: []string{"x/gunicorn"}}, id: "D01", fix: "x/gunicorn app > log"},
		"script of the directory": {command: "server.js --x 'a b'", found: Found{Here: true}, id: "D02",
			fix: "node server.js --x 'a b'", says: []string{"`server.js` is a file here but not a command", "Did you mean `node server.js`?"}},
		"Python":            {command: "app.py", found: Found{Here: true}, id: "D02", fix: "python3 app.py"},
		"Ruby":              {command: "app.rb", found: Found{Here: true}, id: "D02", fix: "ruby app.rb"},
		"PHP":               {command: "app.php", found: Found{Here: true}, id: "D02", fix: "php app.php"},
		"shell":             {command: "run.sh", found: Found{Here: true}, id: "D02", fix: "sh run.sh"},
		"Java":              {command: "app.jar", found: Found{Here: true}, id: "D02", fix: "java -jar app.jar"},
		"executable file":   {command: "app x", found: Found{Here: true, HereExecutable: true}, id: "D02", fix: "./app x"},
		"executable script": {command: "app.py x", found: Found{Here: true, HereExecutable: true}, id: "D02", fix: "./app.py x"},
		"unknown file":      {command: "app x", found: Found{Here: true}, id: "D02", says: []string{"Make it executable and write `./app`"}},
		"directory":         {command: "./app", found: Found{Path: "/h/app", Directory: true}, id: "D03", says: []string{"is a directory"}},
		"not executable":    {command: "./app", found: Found{Path: "/h/app"}, id: "D03", says: []string{"may not be executed", "chmod +x"}},
		"script without the right": {command: "./app.py -x", found: Found{Path: "/h/app.py"}, id: "D03",
			fix: "python3 ./app.py -x", says: []string{"or run it with `python3`"}},
		"Windows line end": {command: "./run.sh x", found: Found{Path: "/h/run.sh", Executable: true, Format: FormatScript, CarriageReturn: true}, id: "D04",
			fix: "sh ./run.sh x", says: []string{"Windows line break"}},
		"no interpreter": {command: "./run", found: Found{Path: "/h/run", Executable: true, Format: FormatScript, Interpreter: "ruby", InterpreterMissing: true}, id: "D04",
			says: []string{"names `ruby`, which was not found"}},
		"text without first line": {command: "./app.js", found: Found{Path: "/h/app.js", Executable: true, Format: FormatText}, id: "D04",
			fix: "node ./app.js", says: []string{"neither a program nor a script"}},
		"other machine": {command: "./app", found: Found{Path: "/h/app", Executable: true, Format: FormatForeign, Machine: "macOS"}, id: "D04", says: []string{"was built for macOS"}},
		"empty file":    {command: "./app", found: Found{Path: "/h/app", Executable: true, Format: FormatEmpty}, id: "D04", says: []string{"empty file"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.found.Name, _, _ = strings.Cut(test.command, " ")
			got := only(Definition(panel.Definition{Command: test.command, Port: 8300}, Facts{User: "ann", Program: &test.found}), "D05")
			check(t, got, test.id, "command", test.fix, test.says)
		})
	}
}

// only removes findings with an id that a test is not about.
func only(list []panel.Finding, without string) (out []panel.Finding) {
	for _, f := range list {
		if f.ID != without {
			out = append(out, f)
		}
	}
	return out
}

// check wants exactly one finding, or none when id is empty.
func check(t *testing.T, got []panel.Finding, id, field, fix string, says []string) {
	t.Helper()
	if id == "" {
		if len(got) != 0 {
			t.Errorf("got %+v; want nothing", got)
		}
		return
	}
	if len(got) != 1 || got[0].ID != id || got[0].Field != field || got[0].Fix != fix {
		t.Fatalf("got %+v; want one %s on %s with fix %q", got, id, field, fix)
	}
	for _, part := range says {
		if !strings.Contains(got[0].Text, part) {
			t.Errorf("%q does not say %q", got[0].Text, part)
		}
	}
}

func TestTextFindings(t *testing.T) {
	tests := map[string]struct {
		def            panel.Definition
		id, field, fix string
		says           []string
	}{
		"nothing":       {def: panel.Definition{Command: "node a.js"}},
		"a pipe":        {def: panel.Definition{Command: "a | b > c"}, id: "D05", field: "command", says: []string{"(a pipe, a redirection to c)", "/bin/sh", "signals reach the whole group"}},
		"ampersand":     {def: panel.Definition{Command: "node a.js &"}, id: "D06", field: "command", fix: "node a.js", says: []string{"(a trailing &)", "would end at once"}},
		"both marks":    {def: panel.Definition{Command: "nohup node a.js &"}, id: "D06", field: "command", fix: "node a.js", says: []string{"a trailing & and nohup"}},
		"nohup":         {def: panel.Definition{Command: "nohup node a.js"}, id: "D06", field: "command", fix: "node a.js", says: []string{"deaf to SIGHUP"}},
		"tmux":          {def: panel.Definition{Command: "tmux new -d 'node a.js'"}, id: "D06", field: "command", says: []string{"tmux new -d"}},
		"unset":         {def: panel.Definition{Command: "node a.js $DB"}, id: "D25", field: "command", says: []string{"$DB, which is not set"}},
		"set":           {def: panel.Definition{Command: "node a.js $DB $HOME $USER $HOST", Environment: "DB=x"}},
		"no port":       {def: panel.Definition{Command: "node a.js $PORT"}, id: "D25", field: "command", says: []string{"Declare a port"}},
		"own port":      {def: panel.Definition{Command: "node a.js $PORT", Environment: "PORT=1"}},
		"password":      {def: panel.Definition{Command: "a --db-password=xyz"}, id: "D28", field: "command", says: []string{"visible in the process list"}},
		"two words":     {def: panel.Definition{Command: "a --api-key xyz"}, id: "D28", field: "command"},
		"redis":         {def: panel.Definition{Command: "redis-server --requirepass xyz"}, id: "D28", field: "command"},
		"URL":           {def: panel.Definition{Command: "a postgres://u:xyz@db/x"}, id: "D28", field: "command"},
		"npm":           {def: panel.Definition{Command: "npm run prod"}, id: "D29", field: "command", says: []string{"`npm run` stands between"}},
		"yarn":          {def: panel.Definition{Command: "env A=b yarn start"}, id: "D29", field: "command"},
		"port replaced": {def: panel.Definition{Command: "a", Port: 8300, Environment: "A=1\nPORT=3000"}, id: "E01", field: "environment", says: []string{"line 2", "PORT=8300"}},
		"port repeated": {def: panel.Definition{Command: "a", Port: 8300, Environment: "PORT=8300"}},
		"reference":     {def: panel.Definition{Command: "a", Environment: "A=$B/x"}, id: "E02", field: "environment", says: []string{"A on line 1", "literally"}},
		"quoted dollar": {def: panel.Definition{Command: "a", Environment: "A='$B'"}},
		"long dash":     {def: panel.Definition{Command: "a –port 1"}, id: "E03", field: "command", says: []string{"a long dash", "type -- or -"}},
		"curved quotes": {def: panel.Definition{Command: "a “b”"}, id: "E03", field: "command", says: []string{`type " instead`}},
		"hard space":    {def: panel.Definition{Command: "a\u00a0b"}, id: "E03", field: "command", says: []string{"a non-breaking space"}},
		"unreadable":    {def: panel.Definition{Command: "a 'b", Environment: "?"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			check(t, Definition(test.def, Facts{}), test.id, test.field, test.fix, test.says)
		})
	}
}

func TestFindingsComeInOrder(t *testing.T) {
	def := panel.Definition{Command: "cd x && nohup gunicorn -D --token=abc $(y) &", Port: 8300, Environment: "PORT=1\nA=$B"}
	var ids []string
	for _, f := range Definition(def, Facts{}) {
		ids = append(ids, f.ID)
	}
	if got := strings.Join(ids, " "); got != "D05 D06 D07 D28 E01 E02" {
		t.Errorf("findings %s", got)
	}
}

func TestTextIsReadByTheShellItself(t *testing.T) {
	found := &Found{Name: "./run", Path: "/h/run", Executable: true, Format: FormatText}
	for _, f := range Definition(panel.Definition{Command: "./run > log"}, Facts{Program: found}) {
		if f.ID == "D04" {
			t.Errorf("false alarm: %+v", f)
		}
	}
}
