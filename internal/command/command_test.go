package command

import (
	"slices"
	"strings"
	"testing"

	"upkeep/internal/panel"
)

func TestPlainCommands(t *testing.T) {
	env := []string{"HOME=/home/ann", "PORT=8300", "HOST=::", "EMPTY=", "TWO=a b", "PADDED= x ", "STAR=*"}
	tests := map[string]struct {
		text string
		want []string
	}{
		"words":                       {"node server.js", []string{"node", "server.js"}},
		"blanks around":               {"  node\t server.js \n", []string{"node", "server.js"}},
		"quotes":                      {`a 'b c' "d  e" f\ g`, []string{"a", "b c", "d  e", "f g"}},
		"empty quotes are words":      {`a '' ""`, []string{"a", "", ""}},
		"quotes within a word":        {`a--x="b c"'d'`, []string{"a--x=b cd"}},
		"escapes in double quotes":    {`a "\"\$\\\n"`, []string{"a", `"$\\n`}},
		"variables":                   {"a $PORT ${PORT}x", []string{"a", "8300", "8300x"}},
		"variable in double quotes":   {`a "$TWO"`, []string{"a", "a b"}},
		"variable in single quotes":   {`a '$TWO'`, []string{"a", "$TWO"}},
		"unquoted variable splits":    {`a x$TWO`, []string{"a", "xa", "b"}},
		"split at the edges":          {`a x${PADDED}y`, []string{"a", "x", "x", "y"}},
		"empty variable vanishes":     {"a $EMPTY b", []string{"a", "b"}},
		"unset variable vanishes":     {"a $MISSING b", []string{"a", "b"}},
		"quoted empty stays":          {`a "$EMPTY" ''$EMPTY`, []string{"a", "", ""}},
		"value is no pattern":         {"a $STAR", []string{"a", "*"}},
		"home":                        {"~/bin/x ~ a~ ~/", []string{"/home/ann/bin/x", "/home/ann", "a~", "/home/ann/"}},
		"quoted tilde":                {`a '~/x' \~/x`, []string{"a", "~/x", "~/x"}},
		"tilde before a quote":        {`a ~"/x" ~$PORT`, []string{"a", "~/x", "~8300"}},
		"IPv6 address":                {"gunicorn -b [::]:$PORT app:app", []string{"gunicorn", "-b", "[::]:8300", "app:app"}},
		"IPv6 address in an URL":      {"puma -b tcp://[::1]:$PORT", []string{"puma", "-b", "tcp://[::1]:8300"}},
		"long IPv6 address":           {"a [2001:db8::1]:80,[::1]:80", []string{"a", "[2001:db8::1]:80,[::1]:80"}},
		"variable in brackets":        {"a [$HOST]:$PORT", []string{"a", "[::]:8300"}},
		"brackets that do not match":  {"[ -f x ]", []string{"[", "-f", "x", "]"}},
		"quoted pattern":              {`a '*' "?" \[a\]`, []string{"a", "*", "?", "[a]"}},
		"braces are literal":          {"a {b,c} {} {1..3}", []string{"a", "{b,c}", "{}", "{1..3}"}},
		"comment":                     {"node a.js # my server", []string{"node", "a.js"}},
		"number sign within a word":   {"a b#c", []string{"a", "b#c"}},
		"semicolon at the end":        {"node a.js;", []string{"node", "a.js"}},
		"continued line":              {"node \\\n  a.js", []string{"node", "a.js"}},
		"continued line from a form":  {"node \\\r\n  a.js\r\n", []string{"node", "a.js"}},
		"lone dollar":                 {`a $ "$" x$`, []string{"a", "$", "$", "x$"}},
		"assignment as an argument":   {"env A=b node", []string{"env", "A=b", "node"}},
		"equals at the start":         {"=a b", []string{"=a", "b"}},
		"not ASCII":                   {`é "ü ö" \ß`, []string{"é", "ü ö", "ß"}},
		"program from a variable":     {"$MISSING a", []string{"a"}},
		"tilde in the middle":         {"a --dir=~/x", []string{"a", "--dir=~/x"}},
		"backslash at the end":        {`a b\`, []string{"a", `b\`}},
		"exclamation mark as a word":  {"a ! b", []string{"a", "!", "b"}},
		"keywords as arguments":       {"a if then } do", []string{"a", "if", "then", "}", "do"}},
		"newlines within single quot": {"a 'b\nc'", []string{"a", "b\nc"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Parse(test.text)
			if err != nil {
				t.Fatalf("Parse(%q): %v", test.text, err)
			}
			if c.Shell {
				t.Fatalf("Parse(%q) needs a shell for %q", test.text, c.Features)
			}
			if got, err := c.Argv(env); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("Argv of %q = %q, %v; want %q", test.text, got, err, test.want)
			}
		})
	}
}

func TestShellCommands(t *testing.T) {
	tests := map[string][]string{
		"a $'b'":                        {"a quote behind $ ($'b')"},
		`a \\$'b'`:                      {`a quote behind $ (\\$'b')`},
		`a x$"b"`:                       {`a quote behind $ (x$"b")`},
		`a \$'b'`:                       nil,
		"a | b":                         {"a pipe"},
		"a && b":                        {"&&"},
		"a || b":                        {"||"},
		"a; b":                          {"several commands"},
		"a\nb":                          {"several commands"},
		"a &":                           {"&"},
		"a > out.txt":                   {"a redirection to out.txt"},
		"a >> 'my log'":                 {"a redirection to 'my log'"},
		"a < in.txt":                    {"a redirection from in.txt"},
		"a > out.txt 2>&1":              {"a redirection to out.txt", "a redirection (2>&1)"},
		"a <<E\nx\nE\n":                 {"a here-document"},
		"A=1 b":                         {"a variable assignment before the command"},
		"A=1":                           {"a variable assignment"},
		"a *.js":                        {"a file name pattern (*.js)"},
		"a b?":                          {"a file name pattern (b?)"},
		"a [0-9]":                       {"a file name pattern ([0-9])"},
		"a [::":                         nil,
		"a [1.2.3.4]:80":                {"a file name pattern ([1.2.3.4]:80)"},
		"a $(b)":                        {"a command substitution"},
		"a `b`":                         {"a command substitution"},
		`a "$(b)"`:                      {"a command substitution"},
		"a $((1+2))":                    {"arithmetic"},
		"a ${B:-c}":                     {"the expansion ${B:-c}"},
		`a "${#B}"`:                     {"the expansion ${#B}"},
		"a $$ $1 $? $@":                 {"the expansion $$", "the expansion $1", "the expansion $?", "the expansion $@"},
		"$PWD/run":                      {"the expansion $PWD"},
		"cd x":                          {"the shell's own command cd"},
		"cd x && node y":                {"&&", "the shell's own command cd"},
		"exec node y":                   {"the shell's own command exec"},
		"'ulimit' -n 100":               {"the shell's own command ulimit"},
		". ./env":                       {"the shell's own command ."},
		"source env":                    {"the shell's own command source"},
		"! a":                           {"!"},
		"(a)":                           {"a group in parentheses"},
		"{ a; }":                        {"a group in braces"},
		"if a; then b; fi":              {"if"},
		"while a; do b; done":           {"a loop"},
		"for i in 1 2; do b; done":      {"a loop"},
		"case a in b) c;; esac":         {"case"},
		"f() { a; }":                    {"a function", "a group in braces"},
		"a ~bob/x":                      {"another user's home (~bob/x)"},
		"a | b && c | d > e":            {"&&", "a pipe", "a redirection to e"},
		"a {b,*}":                       {"a file name pattern ({b,*})"},
		"a -" + strings.Repeat("*", 50): {"a file name pattern (-" + strings.Repeat("*", 39) + "…)"},
	}
	for text, want := range tests {
		c, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if !slices.Equal(c.Features, want) || c.Shell != (want != nil) {
			t.Errorf("Features of %q = %q, shell %v; want %q", text, c.Features, c.Shell, want)
		}
		argv, err := c.Argv(nil)
		if c.Shell && (err != nil || !slices.Equal(argv, []string{"/bin/sh", "-c", text})) {
			t.Errorf("Argv of %q = %q, %v; want the text through /bin/sh", text, argv, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"empty":                 {"", "the command is empty"},
		"blank":                 {" \n\t", "the command is empty"},
		"comment":               {"# node", "the command consists of a comment only"},
		"single quote":          {"node --x 'ab", "a quote that opens at character 10 is never closed"},
		"double quote":          {`node "ab`, "a quote that opens at character 6 is never closed"},
		"characters, not bytes": {`nöde "ab`, "a quote that opens at character 6 is never closed"},
		"quote on line two":     {"a\nb 'c", "a quote that opens at line 2, character 3 is never closed"},
		"substitution":          {"a $(b", "$( at character 3 has no matching )"},
		"backquote":             {"a `b", "a command substitution (`) that opens at character 3 is never closed"},
		"parenthesis":           {"(a", "( at character 1 has no matching )"},
		"brace":                 {"a ${B", "${ at character 3 has no matching }"},
		"and at the end":        {"a &&", "&& at character 3 must be followed by a statement"},
		"pipe at the start":     {"| a", "| at character 1 stands where a command should begin"},
		"redirection":           {"a >", "> at character 3 must be followed by a word"},
		"if without fi":         {"if a; then b", "if at character 1 must end with fi"},
		"NUL":                   {"a b\x00c", "the command holds a NUL byte at character 4; no argument can"},
		"invalid UTF-8":         {"é\xff", "the command is not valid UTF-8 at character 2"},
		"too long":              {strings.Repeat("a", panel.MaxCommandBytes+1), "the command has 16385 bytes; at most 16384 are allowed"},
		"bash only":             {"a <<< b", "herestrings at character 3: /bin/sh, which runs commands of services, does not know this"},
		"here-document":         {"a <<E", "the here-document (<<) that opens at character 3 is never closed"},
	}
	for name, test := range tests {
		c, err := Parse(test.text)
		if err == nil {
			t.Errorf("%s: Parse succeeded with %+v", name, c)
		} else if err.Error() != test.want {
			t.Errorf("%s: error\n got %s\nwant %s", name, err, test.want)
		}
	}
}

func TestArgvOfNothing(t *testing.T) {
	for _, text := range []string{"$MISSING", `""`, "$EMPTY $EMPTY", `"$EMPTY" a`} {
		c, err := Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}
		if argv, err := c.Argv([]string{"EMPTY="}); err == nil {
			t.Errorf("Argv of %q = %q; want an error", text, argv)
		}
	}
}

func TestLastValueCounts(t *testing.T) {
	c, err := Parse("a $B")
	if err != nil {
		t.Fatal(err)
	}
	if argv, err := c.Argv([]string{"B=1", "BB=2", "B=3"}); err != nil || argv[1] != "3" {
		t.Errorf("Argv = %q, %v; want the last value of B", argv, err)
	}
}

func TestBackground(t *testing.T) {
	tests := []struct {
		text  string
		marks []string
		front string
	}{
		{"node a.js", nil, ""},
		{"node a.js &", []string{"a trailing &"}, "node a.js"},
		{"node a.js&", []string{"a trailing &"}, "node a.js"},
		{"nohup node a.js", []string{"nohup"}, "node a.js"},
		{"nohup node a.js > log 2>&1 &", []string{"a trailing &", "nohup"}, "node a.js > log 2>&1"},
		{"cd x && nohup node a.js &", []string{"a trailing &", "nohup"}, "cd x && node a.js"},
		{"setsid node a.js", []string{"setsid"}, "node a.js"},
		{"setsid -f nohup node a.js", []string{"setsid", "nohup"}, "node a.js"},
		{"setsid --wait node a.js", nil, ""},
		{"screen -dmS web node a.js -d", []string{"screen -dm"}, "node a.js -d"},
		{"screen -d -m node a.js", []string{"screen -dm"}, "node a.js"},
		{"screen -D -m node a.js", nil, ""},
		{"tmux new -d 'node a.js'", []string{"tmux new -d"}, ""},
		{"tmux -L x new-session -ds web node", []string{"tmux new -d"}, ""},
		{"daemonize -c /x /usr/bin/node a.js", []string{"daemonize"}, "/usr/bin/node a.js"},
		{"/usr/sbin/start-stop-daemon --start --background --exec /x", []string{"start-stop-daemon --background"}, ""},
		{"a & b", nil, ""},
		{"a & wait", nil, ""},
		{"a & b &", []string{"a trailing &"}, "a & b"},
		{"(a &)", []string{"a trailing &"}, "(a)"},
		{"exec nohup a", []string{"nohup"}, "exec a"},
		{"env A=b nohup a", []string{"nohup"}, "env A=b a"},
		{"grep -d nohup", nil, ""},
		{"echo a '&'", nil, ""},
		{"nohup", []string{"nohup"}, ""},
		{"a & # comment", []string{"a trailing &"}, "a # comment"},
	}
	for _, test := range tests {
		c, err := Parse(test.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", test.text, err)
			continue
		}
		if !slices.Equal(c.Marks, test.marks) || c.Background != (test.marks != nil) {
			t.Errorf("Marks of %q = %q, background %v; want %q", test.text, c.Marks, c.Background, test.marks)
		}
		if got := c.Foreground(); got != test.front {
			t.Errorf("Foreground of %q = %q; want %q", test.text, got, test.front)
		}
	}
}

func TestWords(t *testing.T) {
	tests := map[string][]string{
		"node 'a b' $PORT":         {"node", "a b", "$PORT"},
		"cd x && nginx -g 'a;'":    {"nginx", "-g", "a;"},
		"A=1 node x > y":           {"node", "x"},
		"a | b $(c)":               {"b", "$(c)"},
		"A=1":                      nil,
		"gunicorn -b [::]:${PORT}": {"gunicorn", "-b", "[::]:${PORT}"},
		"~/x":                      {"~/x"},
	}
	for text, want := range tests {
		c, err := Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}
		if got := c.Words(); !slices.Equal(got, want) {
			t.Errorf("Words of %q = %q; want %q", text, got, want)
		}
	}
}

func TestProgram(t *testing.T) {
	env := []string{"HOME=/h", "RUNNER=node"}
	tests := map[string]string{
		"node a": "node", "~/x a": "/h/x", "$RUNNER a": "node", "A=1 node > x": "node", "a | b": "", "cd x": "",
		"$(a) b": "", "*.js": "", "$MISSING": "",
	}
	for text, want := range tests {
		c, err := Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}
		if got := c.Program(env); got != want {
			t.Errorf("Program of %q = %q; want %q", text, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	parse := func(text string) *Command {
		c, err := Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}
		return c
	}
	tests := []struct{ what, got, want string }{
		{"program replaced", parse("A=1 gunicorn  'x y' > z").WithProgram("venv/bin/gunicorn"), "A=1 venv/bin/gunicorn  'x y' > z"},
		{"program of two words", parse("a.js $B").WithProgram("node", "my dir/a.js"), "node 'my dir/a.js' $B"},
		{"program of a pipe", parse("a | b").WithProgram("c"), ""},
		{"word removed", parse("gunicorn -D  app:app").Without(1, 1), "gunicorn  app:app"},
		{"words removed at the end", parse("cd x && redis --daemonize yes > y").Without(1, 2), "cd x && redis > y"},
		{"first word removed", parse("bundle exec a").Without(0, 2), "a"},
		{"words added", parse("cd x && sshd 'a b' > y").With("-D"), "cd x && sshd 'a b' -D > y"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: got %q; want %q", test.what, test.got, test.want)
		}
	}
}

func TestVariables(t *testing.T) {
	c, err := Parse(`~/a $B "${C}$B" '$D'`)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Variables(); !slices.Equal(got, []string{"B", "C"}) {
		t.Errorf("Variables = %q; want B and C", got)
	}
}
