package lookup

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/diagnose"
	"upkeep/internal/privilege"
)

// direct looks with the rights that the test has.
func direct(f func() error) error { return f() }

// home makes a home with the files of a tree: path to content. A path that ends with * is executable, one that
// ends with / is a directory, and content that begins with "->" makes a link.
func home(t *testing.T, tree map[string]string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range tree {
		full := filepath.Join(root, strings.TrimSuffix(name, "*"))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := put(full, name, strings.ReplaceAll(content, "HOME", root)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func put(full, name, content string) error {
	if target, ok := strings.CutPrefix(content, "->"); ok {
		return os.Symlink(target, full)
	}
	if strings.HasSuffix(name, "/") {
		return os.MkdirAll(full, 0o755)
	}
	mode := os.FileMode(0o644)
	if strings.HasSuffix(name, "*") {
		mode = 0o755
	}
	return os.WriteFile(full, []byte(content), mode)
}

const script = "#!/bin/sh\nexit\n"

func elfHead(machine byte) string {
	return "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00" + string([]byte{machine, 0}) + strings.Repeat("\x00", 100)
}

func TestProgram(t *testing.T) {
	root := home(t, map[string]string{
		"bin/tool*":                   script,
		"bin/tool.js":                 "x",
		"other/blocked":               "x",
		"other/tool*":                 script,
		"other/sub/":                  "",
		"app/server.js":               "x",
		"app/run*":                    script,
		"app/venv/bin/gunicorn*":      "#!HOME/app/venv/bin/python\n",
		"app/venv/bin/python":         "->/bin/sh",
		"app/venv/bin/absolute":       "->HOME/app/run",
		"app/crlf*":                   "#!/bin/sh\r\necho\r\n",
		"app/ghost*":                  "#!/nowhere/ruby -w\n",
		"app/env*":                    "#!/usr/bin/env -S A=1 sh -e\n",
		"app/envghost*":               "#!/usr/bin/env nowhere-to-be-found\n",
		"app/envtool*":                "#!/usr/bin/env tool\n",
		"app/text*":                   "console.log(1)\n",
		"app/empty*":                  "",
		"app/bang*":                   "#!\n",
		"app/long*":                   "#!/" + strings.Repeat("x", 400) + "\n",
		"app/windows*":                "MZ\x90\x00",
		"app/mac*":                    "\xcf\xfa\xed\xfe",
		"app/s390*":                   elfHead(22),
		"app/riscv*":                  elfHead(243),
		"app/self":                    "->/proc/self/exe",
		"app/loop":                    "->loop",
		"venv/bin/celery*":            script,
		"app/node_modules/.bin/vite*": script,
	})
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/app/native", binary[:4096], 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(root+"/app/pipe", 0o777); err != nil {
		t.Fatal(err)
	}
	search := root + "/bin:" + root + "/other:/usr/local/bin:/usr/bin:/bin"
	ok := func(path string) diagnose.Found {
		return diagnose.Found{Path: path, Executable: true, Format: diagnose.FormatScript, Interpreter: "/bin/sh"}
	}
	with := func(f diagnose.Found, change func(*diagnose.Found)) diagnose.Found { change(&f); return f }
	tests := map[string]struct {
		name string
		want diagnose.Found
	}{
		"first in PATH":               {"tool", ok(root + "/bin/tool")},
		"not executable in PATH":      {"blocked", diagnose.Found{Path: root + "/other/blocked"}},
		"directory in PATH":           {"sub", diagnose.Found{}},
		"nowhere":                     {"nowhere-to-be-found", diagnose.Found{}},
		"no name":                     {"", diagnose.Found{}},
		"NUL":                         {"a\x00b", diagnose.Found{}},
		"file here":                   {"server.js", diagnose.Found{Here: true}},
		"executable here":             {"run", diagnose.Found{Here: true, HereExecutable: true}},
		"directory here":              {"venv", diagnose.Found{}},
		"relative path":               {"./run", ok(root + "/app/run")},
		"path with dots":              {"../bin/tool", ok(root + "/bin/tool")},
		"absolute path":               {root + "/app/run", ok(root + "/app/run")},
		"not executable":              {"./server.js", diagnose.Found{Path: root + "/app/server.js"}},
		"directory":                   {"./venv", diagnose.Found{Path: root + "/app/venv", Directory: true}},
		"pipe":                        {"./pipe", diagnose.Found{Path: root + "/app/pipe"}},
		"in a virtual environment":    {"gunicorn", diagnose.Found{Candidates: []string{"venv/bin/gunicorn"}}},
		"wrong directory":             {"env/bin/gunicorn", diagnose.Found{Candidates: []string{"venv/bin/gunicorn"}}},
		"virtual environment at home": {"celery", diagnose.Found{Candidates: []string{root + "/venv/bin/celery"}}},
		"in node_modules":             {"vite", diagnose.Found{Candidates: []string{"node_modules/.bin/vite"}}},
		"link out of the home":        {"venv/bin/gunicorn", with(ok(root+"/app/venv/bin/gunicorn"), func(f *diagnose.Found) { f.Interpreter = root + "/app/venv/bin/python" })},
		"absolute link in the home":   {"venv/bin/absolute", ok(root + "/app/venv/bin/absolute")},
		"Windows line end":            {"./crlf", with(ok(root+"/app/crlf"), func(f *diagnose.Found) { f.CarriageReturn = true })},
		"missing interpreter":         {"./ghost", with(ok(root+"/app/ghost"), func(f *diagnose.Found) { f.Interpreter, f.InterpreterMissing = "/nowhere/ruby", true })},
		"through env":                 {"./env", with(ok(root+"/app/env"), func(f *diagnose.Found) { f.Interpreter = "sh" })},
		"through env, missing":        {"./envghost", with(ok(root+"/app/envghost"), func(f *diagnose.Found) { f.Interpreter, f.InterpreterMissing = "nowhere-to-be-found", true })},
		"through env, of the home":    {"./envtool", with(ok(root+"/app/envtool"), func(f *diagnose.Found) { f.Interpreter = "tool" })},
		"text":                        {"./text", diagnose.Found{Path: root + "/app/text", Executable: true, Format: diagnose.FormatText}},
		"empty":                       {"./empty", diagnose.Found{Path: root + "/app/empty", Executable: true, Format: diagnose.FormatEmpty}},
		"first line without name":     {"./bang", diagnose.Found{Path: root + "/app/bang", Executable: true, Format: diagnose.FormatText}},
		"endless first line":          {"./long", diagnose.Found{Path: root + "/app/long", Executable: true, Format: diagnose.FormatScript}},
		"Windows program":             {"./windows", diagnose.Found{Path: root + "/app/windows", Executable: true, Format: diagnose.FormatForeign, Machine: "Windows"}},
		"macOS program":               {"./mac", diagnose.Found{Path: root + "/app/mac", Executable: true, Format: diagnose.FormatForeign, Machine: "macOS"}},
		"unknown processor":           {"./s390", diagnose.Found{Path: root + "/app/s390", Executable: true, Format: diagnose.FormatBinary}},
		"other processor":             {"./riscv", diagnose.Found{Path: root + "/app/riscv", Executable: true, Format: diagnose.FormatForeign, Machine: "RISC-V processors"}},
		"this processor":              {"./native", diagnose.Found{Path: root + "/app/native", Executable: true, Format: diagnose.FormatBinary}},
		"magic link":                  {"./self", diagnose.Found{}},
		"loop of links":               {"./loop", diagnose.Found{}},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			test.want.Name = test.name
			got, err := Program(root, "app", search, direct, test.name)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("Program(%q)\n got %+v, %v\nwant %+v", test.name, got, err, test.want)
			}
		})
	}
}

func TestRelativePathEntries(t *testing.T) {
	root := home(t, map[string]string{"app/tool*": script, "app/bin/other*": script})
	for search, name := range map[string]string{"": "tool", ".:/bin": "tool", "/bin::/usr/bin": "tool", "bin": "other"} {
		got, err := Program(root, root+"/app", search, direct, name)
		if err != nil || !got.Executable {
			t.Errorf("PATH %q: %s was not found: %+v, %v", search, name, got, err)
		}
	}
}

func TestWorkingDirectory(t *testing.T) {
	root := home(t, map[string]string{"app/": "", "file": "x", "out": "->/etc", "in": "->app"})
	for dir, want := range map[string]string{
		"": "", ".": "", "app": "", root: "", root + "/app/": "", "in": "",
		"..": "outside of the home", "/": "outside of the home", "/etc": "outside of the home", root + "x": "outside of the home",
		"out": "outside of the home", "missing": "no such file", "file": "not a directory",
	} {
		_, err := Program(root, dir, "/bin", direct, "sh")
		switch {
		case want == "" && err != nil:
			t.Errorf("directory %q: %v", dir, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("directory %q: error %v; want one with %q", dir, err, want)
		}
	}
	for _, home := range []string{"relative", root + "/missing"} {
		if _, err := Program(home, "", "/bin", direct, "sh"); err == nil {
			t.Errorf("home %q was accepted", home)
		}
	}
}

// TestRightsOfTheAccount looks as another user: what that user may not see, or execute, is not found.
func TestRightsOfTheAccount(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can look with the rights of another user")
	}
	root := home(t, map[string]string{"app/run*": script, "app/unreadable*": script, "app/secret/tool*": script})
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file, mode := range map[string]os.FileMode{"app/run": 0o700, "app/unreadable": 0o711, "app/secret": 0o700} {
		if err := os.Chmod(filepath.Join(root, file), mode); err != nil {
			t.Fatal(err)
		}
	}
	as := func(f func() error) error {
		return privilege.As(privilege.Credentials{UID: 65534, GID: 65534}, f)
	}
	for name, want := range map[string]diagnose.Found{
		"./run":         {Path: root + "/app/run"},
		"./unreadable":  {Path: root + "/app/unreadable", Executable: true},
		"./secret/tool": {},
		"sh":            {Path: "/bin/sh", Executable: true, Format: diagnose.FormatBinary},
	} {
		want.Name = name
		if got, err := Program(root, "app", "/bin", as, name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Program(%q)\n got %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}
