package process

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"upkeep/internal/panel"
)

func list(t *testing.T, o *Observer, groups ...Group) []panel.Process {
	t.Helper()
	processes, err := o.Processes(t.Context(), groups)
	check(t, err)
	return processes
}

func TestProcesses(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		before := time.Now()
		a := play(t, r, "stray")
		a.numbers(2)
		eventually(t, "the process in between is gone", func() bool { return len(members(t, a.group)) == 2 })
		got := list(t, NewObserver(), a.group)
		if len(got) != 2 {
			t.Fatalf("%d processes, want 2", len(got))
		}
		main, stray := got[0], got[1]
		if !main.Main || main.Strayed || main.PID != a.Process.Pid || main.Parent != os.Getpid() {
			t.Errorf("main process %+v", main)
		}
		if stray.Main || !stray.Strayed {
			t.Errorf("stray process %+v", stray)
		}
		for _, p := range got {
			if p.Service != a.group.Service || p.StartTime == 0 || p.Memory < 1<<20 || p.Threads < 1 || p.CPU >= 0 {
				t.Errorf("figures of %+v", p)
			}
			if p.StartedAt.Before(before.Add(-time.Second)) || p.StartedAt.After(time.Now().Add(time.Second)) {
				t.Errorf("started at %v, the test at %v", p.StartedAt, before)
			}
		}
	})
}

func TestProcessesOrder(t *testing.T) {
	first, second := play(t, rungs[1], "tree", "2"), play(t, rungs[1], "tree", "1")
	first.numbers(3)
	second.numbers(2)
	var services []panel.ServiceID
	for _, p := range list(t, NewObserver(), second.group, first.group) {
		services = append(services, p.Service)
		if p.Strayed || p.Main != (p.PID == first.Process.Pid || p.PID == second.Process.Pid) {
			t.Errorf("in a tree: %+v", p)
		}
	}
	a, b := first.group.Service, second.group.Service
	if want := []panel.ServiceID{b, b, a, a, a}; !slices.Equal(services, want) {
		t.Errorf("services %v, want %v", services, want)
	}
}

func TestDescentInACircle(t *testing.T) {
	f := family{main: 1, parent: map[int]int{1: 9, 2: 3, 3: 2, 4: 1}}
	if f.descends(2) || !f.descends(4) || !f.descends(1) {
		t.Error("descent is wrong")
	}
}

// What a process says of itself is shown on one line, readable and without anything that acts on a terminal.
func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"plain", []string{"--port=8300", "x"}, "--port=8300 x"},
		{"blanks and quotes", []string{"a b", "it's", ""}, `'a b' "it's" ''`},
		{"newline", []string{"a\nb"}, `$'a\nb'`},
		{"markup", []string{"<b>&amp;", "$(reboot)"}, `'<b>&amp;' '$(reboot)'`},
		{"not UTF-8", []string{"\xff\xfe", "é"}, `$'\xff\xfe' é`},
		{"escape sequence", []string{"\x1b[31m"}, `$'\x1b[31m'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := play(t, rung{}, "linger", append(c.args, "end")...)
			a.line()
			got := list(t, NewObserver(), a.group)[0].Command
			if want := "/proc/self/exe " + c.want + " end"; got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}

func TestLongCommandLine(t *testing.T) {
	a := play(t, rung{}, "linger", strings.Repeat("é", 30<<10), strings.Repeat("'", 30<<10))
	a.line()
	got := list(t, NewObserver(), a.group)[0].Command
	if len(got) > maxCommandBytes || len(got) < maxCommandBytes-utf8.UTFMax || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid UTF-8: %v", len(got), utf8.ValidString(got))
	}
}

// A process that writes over its arguments is shown by its title, and is still found by its session: its marker is
// overwritten too.
func TestTitle(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "title", "server: worker 3 (idle)   ")
		a.line()
		got := list(t, NewObserver(), a.group)
		if len(got) != 1 || got[0].Command != "server: worker 3 (idle)" {
			t.Errorf("processes %+v", got)
		}
		if env, err := os.ReadFile(procPath(a.Process.Pid, "environ")); err != nil || !environ(env).blank() {
			t.Errorf("the environment is still there: %q, %v", env, err)
		}
	})
}

func TestEmptyTitle(t *testing.T) {
	a := play(t, rung{}, "title", "")
	a.line()
	// The name of the program is that of the link it was started by.
	if got := list(t, NewObserver(), a.group); len(got) != 1 || got[0].Command != "[exe]" {
		t.Errorf("processes %+v", got)
	}
}

func TestParseStat(t *testing.T) {
	text := "7 (a ) R (b\xff) S 1 7 6 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 12345 1000 77 " +
		strings.Repeat("0 ", 27) + "10752\n"
	got, err := parseStat([]byte(text))
	want := stat{pid: 7, comm: "a ) R (b\xff", state: 'S', parent: 1, session: 6, flags: 4194560, own: 30, reaped: 70, threads: 5,
		start: 12345, rssPages: 77, exitCode: 10752}
	if err != nil || got != want {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	for _, text := range []string{"", "7", "7 (a", "7 (a)", "x (a) S 1", "7 (a) S 1 2 3"} {
		if _, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (a) S 1 7 6"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseStat(text) })
}

func FuzzCommandLine(f *testing.F) {
	f.Add([]byte("a\x00b c\x00\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		line := clip(joinArguments(text))
		if !utf8.ValidString(line) || strings.ContainsAny(line, "\n\r\x1b\x00") {
			t.Errorf("%q", line)
		}
	})
}

func TestState(t *testing.T) {
	a := play(t, rungs[1], "tree", "0")
	a.line()
	pid := a.Process.Pid
	eventually(t, "it sleeps", func() bool { return State(pid) == "sleeping" })
	check(t, a.Process.Signal(syscall.SIGSTOP))
	eventually(t, "it stands still", func() bool { return State(pid) == "stopped" })
	if got := State(1 << 30); got != "" {
		t.Errorf("the state of no process is %q", got)
	}
}
