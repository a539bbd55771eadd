package environment

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"upkeep/internal/panel"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		text string
		want []Variable
	}{
		"nothing":               {"", nil},
		"blank and comments":    {"\n  \n# a=b\n  # c\n", nil},
		"plain":                 {"A=1\nB_2=x y", []Variable{{"A", "1", 1, false}, {"B_2", "x y", 2, false}}},
		"empty":                 {"A=\nB=  \nC=''\nD=\"\"", []Variable{{"A", "", 1, false}, {"B", "", 2, false}, {"C", "", 3, false}, {"D", "", 4, false}}},
		"export":                {"export A=1\n\texport\tB=2", []Variable{{"A", "1", 1, false}, {"B", "2", 2, false}}},
		"a name like export":    {"exporter=1\nexport=2", []Variable{{"exporter", "1", 1, false}, {"export", "2", 2, false}}},
		"blanks":                {"  A = 1  \nB\t=\t'x'\t", []Variable{{"A", "1", 1, false}, {"B", "x", 2, false}}},
		"comment behind":        {"A=1 # one\nB=x#y\nC= # none\nD=#x", []Variable{{"A", "1", 1, false}, {"B", "x#y", 2, false}, {"C", "", 3, false}, {"D", "#x", 4, false}}},
		"comment behind quotes": {"A='1' # one\nB=\"2\"#two", []Variable{{"A", "1", 1, false}, {"B", "2", 2, false}}},
		"equals in the value":   {"A=b=c==", []Variable{{"A", "b=c==", 1, false}}},
		"single quotes":         {`A='x # \n "$B" '`, []Variable{{"A", `x # \n "$B" `, 1, false}}},
		"escapes":               {`A="a\nb\tc\r\"\\\$\x"`, []Variable{{"A", "a\nb\tc\r\"\\$\\x", 1, false}}},
		"several lines":         {"A='1  \n 2\n'\nB=\"x \n\\\"\ny\"\nC=3", []Variable{{"A", "1  \n 2\n", 1, false}, {"B", "x \n\"\ny", 4, false}, {"C", "3", 7, false}}},
		"quotes in the middle":  {`A=it's "x"`, []Variable{{"A", `it's "x"`, 1, false}}},
		"backslash unquoted":    {`A=a\nb\`, []Variable{{"A", `a\nb\`, 1, false}}},
		"Windows":               {"\ufeffA=1\r\nB='x\r\ny'\r\n\r\nC=\"z\"\r\n", []Variable{{"A", "1", 1, false}, {"B", "x\ny", 2, false}, {"C", "z", 5, false}}},
		"references": {"A=$B\nC=\"x${D}\"\nE='$F'\nG=\"\\$H\"\nI=$5.00\nJ=\"a$ b\"",
			[]Variable{{"A", "$B", 1, true}, {"C", "x${D}", 2, true}, {"E", "$F", 3, false}, {"G", "$H", 4, false}, {"I", "$5.00", 5, false}, {"J", "a$ b", 6, false}}},
		"JSON":          {`A={"b": [1]}`, []Variable{{"A", `{"b": [1]}`, 1, false}}},
		"not ASCII":     {"A=é ü", []Variable{{"A", "é ü", 1, false}}},
		"names by case": {"a=1\nA=2", []Variable{{"a", "1", 1, false}, {"A", "2", 2, false}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(test.text)
			if err != nil {
				t.Fatalf("Parse(%q): %v", test.text, err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("Parse(%q)\n got %+v\nwant %+v", test.text, got, test.want)
			}
		})
	}
}

func TestParseProblems(t *testing.T) {
	tests := map[string]struct {
		text string
		want string
	}{
		"no equals":            {"A=1\nexport B\nC", "line 2: \"export B\" has no = behind the name\nline 3: \"C\" has no = behind the name"},
		"no name":              {"=1\nexport =2", "line 1: there is no name before the ="},
		"bad names":            {"1A=1\nA-B=2\nÄ=3\nA B=4", strings.Join([]string{badName(1, "1A"), badName(2, "A-B"), badName(3, "Ä"), badName(4, "A B")}, "\n")},
		"duplicate":            {"A=1\n\nA=2\nA=3", "line 3: A was already set on line 1\nline 4: A was already set on line 1"},
		"reserved":             {"RUN_ID=1\nSERVICE_NAME=\nSERVICE_ID=3\nACCOUNT=4", "line 1: RUN_ID is set by upkeep and cannot be changed\nline 2: SERVICE_NAME is set by upkeep and cannot be changed\nline 3: SERVICE_ID is set by upkeep and cannot be changed\nline 4: ACCOUNT is set by upkeep and cannot be changed"},
		"open single quote":    {"A=1\nB='x\nC=2", "line 2: the quote (') that begins the value of B is never closed, so the lines below cannot be read"},
		"open double quote":    {`A="x\"`, "line 1: the quote (\") that begins the value of A is never closed, so the lines below cannot be read"},
		"behind the quote":     {"A='x' y\nB=\"1\n2\"3", "line 1: \"y\" follows the closing quote; put the whole value into one pair of quotes\nline 3: \"3\" follows the closing quote; put the whole value into one pair of quotes"},
		"NUL":                  {"A=1\nB=a\x00b", "line 2: holds a NUL byte, which no variable can"},
		"invalid UTF-8":        {"A=\xff\nB='\n\xfe'", "line 1: is not valid UTF-8\nline 3: is not valid UTF-8"},
		"too large":            {strings.Repeat("#", panel.MaxEnvironmentBytes+1), "the environment has 65537 bytes; at most 65536 are allowed"},
		"everything at once":   {"A=1\n?=2\nA=3\nRUN_ID=4\nB", badName(2, "?") + "\nline 3: A was already set on line 1\nline 4: RUN_ID is set by upkeep and cannot be changed\nline 5: \"B\" has no = behind the name"},
		"a value may be wrong": {"A='x' y\nA=2", "line 1: \"y\" follows the closing quote; put the whole value into one pair of quotes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(test.text)
			var list *Error
			if !errors.As(err, &list) {
				t.Fatalf("Parse(%q) = %v; want an *Error", test.text, err)
			}
			if err.Error() != test.want {
				t.Errorf("Parse(%q)\n got %s\nwant %s", test.text, err, test.want)
			}
		})
	}
}

func badName(line int, name string) string {
	return Problem{line, `"` + name + `" is not a name: letters, digits and _ are allowed, and no digit comes first`}.String()
}

func TestFormatReadsBack(t *testing.T) {
	for _, value := range []string{"", "x", "a b", " a ", "'", `"`, `'"`, "#", "a #b", "$A", `\`, `\n`, "a\nb", "a\r\nb", "\r", "'\n\r$\"\\",
		"it's $5", "é", "\ufeff", "=", "a\tb", "\v\u00a0\u2028"} {
		text := Format([]Variable{{Name: "A", Value: value}, {Name: "B", Value: value}})
		got, err := Parse(text)
		if err != nil || len(got) != 2 || got[0].Value != value || got[1].Value != value {
			t.Errorf("value %q was written as %q and read back as %+v, %v", value, text, got, err)
		}
		for _, v := range got {
			if v.Reference {
				t.Errorf("value %q was written as %q, which looks like a reference", value, text)
			}
		}
	}
}

func TestBuild(t *testing.T) {
	t.Setenv("UPKEEP_TEST_LEAK", "1")
	base := Base{Home: "/home/ann", User: "ann", Shell: "/bin/bash", Port: 8300, ServiceName: "web", ServiceID: "7",
		Account: "ann", RunID: "r1"}
	common := []string{"ACCOUNT=ann", "HOME=/home/ann", "HOST=::", "LANG=C.UTF-8", "LOGNAME=ann",
		"PATH=/home/ann/bin:/home/ann/.local/bin:/usr/local/bin:/usr/bin:/bin", "PORT=8300", "PYTHONUNBUFFERED=1",
		"RUN_ID=r1", "SERVICE_ID=7", "SERVICE_NAME=web", "SHELL=/bin/bash", "TZ=UTC", "USER=ann"}
	tests := map[string]struct {
		change func(*Base)
		vars   []Variable
		drop   []string
		add    []string
	}{
		"upkeep's own": {},
		"no port":      {change: func(b *Base) { b.Port = 0 }, drop: []string{"PORT=8300"}},
		"own port without a declared one": {change: func(b *Base) { b.Port = 0 }, vars: []Variable{{Name: "PORT", Value: "5"}},
			drop: []string{"PORT=8300"}, add: []string{"PORT=5"}},
		"the declared port wins":  {vars: []Variable{{Name: "PORT", Value: "5"}}},
		"the service's own win":   {vars: []Variable{{Name: "TZ", Value: "Europe/Paris"}, {Name: "Z", Value: "a=b\nc"}}, drop: []string{"TZ=UTC"}, add: []string{"TZ=Europe/Paris", "Z=a=b\nc"}},
		"an empty value is one":   {vars: []Variable{{Name: "LANG"}}, drop: []string{"LANG=C.UTF-8"}, add: []string{"LANG="}},
		"reserved names stay":     {vars: []Variable{{Name: "RUN_ID", Value: "x"}, {Name: "ACCOUNT", Value: "x"}, {Name: "SERVICE_ID", Value: "x"}, {Name: "SERVICE_NAME", Value: "x"}}},
		"values of the base":      {change: func(b *Base) { b.Path, b.Lang, b.TZ = "/p", "fr_FR.UTF-8", "Asia/Tokyo" }, drop: []string{common[5], "LANG=C.UTF-8", "TZ=UTC"}, add: []string{"PATH=/p", "LANG=fr_FR.UTF-8", "TZ=Asia/Tokyo"}},
		"nothing for an unknown":  {change: func(b *Base) { b.Shell = "" }, drop: []string{"SHELL=/bin/bash"}},
		"the last of two is used": {vars: []Variable{{Name: "A", Value: "1"}, {Name: "A", Value: "2"}}, add: []string{"A=2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := base
			if test.change != nil {
				test.change(&b)
			}
			want := slices.DeleteFunc(slices.Clone(common), func(e string) bool { return slices.Contains(test.drop, e) })
			want = append(want, test.add...)
			slices.Sort(want)
			if got := Build(b, test.vars); !slices.Equal(got, want) {
				t.Errorf("Build\n got %q\nwant %q", got, want)
			}
		})
	}
}

func TestValue(t *testing.T) {
	env := []string{"AB=1", "A=x=y", "EMPTY="}
	for name, want := range map[string]string{"A": "x=y", "AB": "1", "EMPTY": "", "B": ""} {
		if got := Value(env, name); got != want {
			t.Errorf("Value of %s = %q; want %q", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"A=1", "export A='x\ny' # c", "A=\"\\n$B\"\r\nB", "\ufeff=1", "A='", "A=\x00\xff", "A = b # c\nA=2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		vars, err := Parse(text)
		if err != nil {
			var list *Error
			if !errors.As(err, &list) || len(list.Problems) == 0 {
				t.Fatalf("Parse(%q) = %v; want an *Error with problems", text, err)
			}
			for _, p := range list.Problems {
				if lines := strings.Count(text, "\n") + 1; p.Line < 0 || p.Line > lines {
					t.Fatalf("Parse(%q) names line %d of %d", text, p.Line, lines)
				}
			}
			return
		}
		again, err := Parse(Format(vars))
		if err != nil || len(again) != len(vars) {
			t.Fatalf("%q, written as %q, is read back as %+v, %v", text, Format(vars), again, err)
		}
		for i, v := range vars {
			if again[i].Name != v.Name || again[i].Value != v.Value {
				t.Fatalf("%q, written as %q, is read back as %+v; want %+v", text, Format(vars), again[i], v)
			}
		}
	})
}
