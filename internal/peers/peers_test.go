package main

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"upkeep/internal/rig"
)

// TestQuickRows does to upkeep what takes a moment only; "make peers" does the rest.
func TestQuickRows(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("services run as other users, so this needs root")
	}
	bin := t.TempDir()
	if err := rig.Build(bin); err != nil {
		t.Fatal(err)
	}
	r, err := newRun(t.Context(), bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	r.copyTime = 3 * time.Second // upkeep comes back at once, so more than enough
	var quick []scenario
	for _, s := range scenarios {
		if s.quick {
			quick = append(quick, s)
		}
	}
	result := r.compare(peers[:1], quick, func(string) {})
	for row, c := range result.columns[0].cells {
		if !c.ok {
			t.Errorf("%s: %s", row, c.text)
		}
	}
	if got := len(result.columns[0].cells); got < len(quick) {
		t.Errorf("%d rows of %d scenarios", got, len(quick))
	}
}

// A check of a log that cannot fail would prove nothing.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       map[int]int
	}{
		{"whole", "L 7 1 x\nL 7 2 x\nL 8 1", map[int]int{7: 0, 8: 0}},
		{"torn by a line of the supervisor", "L 7 1 x\nupkeep: run 1\nL 7 2 x\nL 8 1\n", map[int]int{7: 0, 8: 0}},
		{"one of the first lost", "L 7 2 x\nL 8 1\n", map[int]int{7: 1, 8: 0}},
		{"all of the second lost", "L 7 1 x\nL 7 2 x\n", map[int]int{7: 0, 8: 1}},
		{"behind what was counted", "L 7 1\nL 7 2\nL 7 3\nL 8 1\n", map[int]int{7: 0, 8: 0}},
		{"nothing", "", map[int]int{7: 2, 8: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := missing(c.text, map[int]int{7: 2, 8: 1}); !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	row := []string{"a row", "another"}
	mine := table{rows: row, columns: []column{
		{peer: peer{name: subject}, cells: map[string]cell{"a row": {"fine | so", true}, "another": {"fine", true}}},
		{peer: peer{name: "x"}, cells: map[string]cell{"a row": {"bad", false}, "another": {"good", true}}},
		{peer: peer{name: "y"}, missing: "yd"},
	}}
	var out strings.Builder
	mine.print(&out)
	want := `| scenario | upkeep | x |
|---|---|---|
| a row | fine \| so | **bad** |
| another | fine | good |

Bold: not as it must be for upkeep.
upkeep passes 2 of 2 rows.
x passes 1 of 2 rows.
y is absent: yd is not installed.
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if !mine.passed(subject) || mine.passed("x") || mine.passed("y") {
		t.Error("passed: want upkeep only")
	}
}

func TestFailedScenarioFailsEachRow(t *testing.T) {
	for _, c := range failed(scenario{rows: []string{"a", "b"}}, errors.New("no")) {
		if c.ok || c.text != "error: no" {
			t.Errorf("got %+v, want a failure with its reason", c)
		}
	}
}

func TestRowsAreTheirScenariosOwn(t *testing.T) {
	seen := map[string]string{}
	for _, s := range scenarios {
		for _, row := range s.rows {
			if other, ok := seen[row]; ok {
				t.Errorf("%q belongs to %s and %s", row, other, s.name)
			}
			seen[row] = s.name
		}
	}
}

func TestBelongs(t *testing.T) {
	dir := t.TempDir()
	still := filepath.Join(dir, "still")
	if err := copyFile("/bin/sleep", still); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(still, "60")
	cmd.Env = []string{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for _, c := range []struct {
		name, dir string
		want      bool
	}{
		{"its own", dir, true}, {"one that begins alike", dir[:len(dir)-1], false}, {"another", "/nowhere", false},
	} {
		if got := belongs(cmd.Process.Pid, c.dir); got != c.want {
			t.Errorf("%s directory: got %v, want %v", c.name, got, c.want)
		}
	}
}
