package command

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shellEnv is what both sides get. No value holds a pattern: a shell would match it, and upkeep does not.
var shellEnv = []string{"HOME=/home/ann", "PORT=8300", "A=a b", "B=", "C=  x  y ", "D=~/x", "E=\\$A'\"", "F=\n1\t2\n"}

// realArgv asks /bin/sh how it expands the words of a plain command. dir is empty,
// so that patterns match nothing.
func realArgv(t testing.TB, dir, text string) ([]string, bool) {
	script := "report() { printf '%s\\0' \"$@\"; }\nreport " + text
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir, cmd.Env = dir, shellEnv
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err := cmd.Run(); err != nil || trouble.Len() > 0 {
		t.Logf("sh on %q: %v %s", text, err, &trouble)
		return nil, false
	}
	fields := strings.Split(out.String(), "\x00")
	return fields[:len(fields)-1], true
}

var plainTexts = []string{
	"node server.js --port $PORT", `a 'b c' "d  e" f\ g`, `a '' "" ''""`, `a "$A" $A x$A "$A"x$A`, `a $B b "$B" ''$B`,
	`a $C x$C ${C}y x${C}y "$C"`, `a ""$C"" ''$A''`, `a ~ ~/ ~/x x~ ~x=~/y "~" '~/x' \~ ~\/x`, `a ~"/x" ~'' ~$PORT ~""`,
	`a $D $E "$E" $F x${F}y`, `a "\"\$\\\n\x\` + "`" + `" \a\b\\`, `a $ "$" x$ $. $/ \$'b' \$"c"`, "a \\\nb 'c\\\nd' \"e\\\nf\" g\\\nh",
	`a {b,c} {} {1..3}`, `a b#c #d`, `a [::]:$PORT tcp://[::1]:$PORT [2001:db8::1]`, `a =b A=c --x=~/y`, `a ! if }`,
	`é "ü ö" \ß $ß ${A}ß`, "a \u00a0 b\u0081\u0085\u0088 '\u0082'", "a 'b\nc' \"d\n$A\"", "a $A$A $A$B$A $C$C", `[ -f x ]`,
	`a $PORTX ${PORT}X "$PORT"X $PORT/x $PORT-1`, `a b;`, `a "'" '"' \' \"`, "a \x0b\x0c b", `a $B$B "" $B""`, `a "a"$B`, `a x$C$C`,
	"a \x7f \x01 \x1f", `a $'b' $"c"`, `a %s \%d "\\0" '\0'`, `a \` + "\t" + `b`, `a ${A}`, `a @ ^ : , . + - _ / ] } % a]b`,
}

// TestLikeRealShell compares with the shell of the system: what runs without one must come out the same.
func TestLikeRealShell(t *testing.T) {
	needPOSIX(t)
	dir := emptyDir(t)
	plain := 0
	for _, text := range plainTexts {
		if compare(t, dir, text) {
			plain++
		}
	}
	if plain < len(plainTexts)-2 {
		t.Errorf("only %d of %d texts were plain and comparable", plain, len(plainTexts))
	}
}

// compare reports whether the text was a plain command that both sides could expand.
func compare(t testing.TB, dir, text string) bool {
	c, err := Parse(text)
	if err != nil || c.Shell {
		return false
	}
	want, ok := realArgv(t, dir, c.Text[c.single.Pos().Offset():]) // blanks and comments before it are not for report
	if !ok {
		t.Errorf("%q is plain, but /bin/sh does not accept it", text)
		return false
	}
	var got []string
	for _, w := range c.words {
		got = append(got, w.expand(shellEnv)...)
	}
	if !slices.Equal(got, want) && !(len(got) == 0 && slices.Equal(want, []string{""})) {
		t.Errorf("%q\n got %q\n  sh %q", text, got, want)
	}
	return true
}

// needPOSIX skips where /bin/sh has extensions that are on by default, as bash has: there is nothing to compare
// with.
func needPOSIX(t testing.TB) {
	if argv, ok := realArgv(t, t.TempDir(), "{a,b}"); !ok || !slices.Equal(argv, []string{"{a,b}"}) {
		t.Skip("/bin/sh expands braces, which a POSIX shell does not")
	}
}

// emptyDir is a directory without files, so that patterns match nothing there.
func emptyDir(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), "empty")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestHomeLikeRealShell(t *testing.T) {
	needPOSIX(t)
	saved := shellEnv
	defer func() { shellEnv = saved }()
	for _, env := range [][]string{{"HOME="}, {"HOME=/a b"}, {"HOME=/"}, {}} {
		shellEnv = env
		for _, text := range []string{"a ~", "a ~/x", `a ~/"$HOME"`, "a $HOME/x"} {
			compare(t, t.TempDir(), text)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range plainTexts {
		f.Add(text)
	}
	for _, text := range []string{"a | b", "a && b &", "a $(b `c`) > d", "if a; then b; fi", "a <<E\n$x\nE", "nohup a &",
		"screen -dmS x y", "'", "a ${b:-c}", "(a;b)&", "f() { a; }", "a $((1+2))", "\xff", "a \x00", "a\rb", "case a in b) ;; esac"} {
		f.Add(text)
	}
	needPOSIX(f)
	dir := emptyDir(f)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		c.Words()
		c.Variables()
		c.Program(shellEnv)
		if front := c.Foreground(); front != "" && !c.Background {
			t.Errorf("%q is no background command, but its foreground is %q", text, front)
		}
		if _, err := c.Argv(shellEnv); err == nil {
			compare(t, dir, text)
		}
	})
}
