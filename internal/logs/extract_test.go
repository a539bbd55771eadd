package logs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"upkeep/internal/panel"
)

// naive cuts a whole log into pieces by the rule that pieces.go states.
func naive(log []byte) (starts []int64) {
	starts = []int64{}
	for start := 0; start < len(log); {
		end := len(log)
		if i := bytes.IndexByte(log[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		starts = append(starts, int64(start))
		for g := (start/blockBytes + 1) * blockBytes; g < end; g += blockBytes {
			if g-blockBytes >= start {
				starts = append(starts, int64(g))
			}
		}
		start = end
	}
	return starts
}

// naiveExtract answers a query from all pieces.
func naiveExtract(log []byte, q panel.LogQuery) panel.LogExtract {
	starts, size := naive(log), int64(len(log))
	n := min(q.Lines, maxLines)
	if n <= 0 {
		n = defaultLines
	}
	line := func(i int) panel.LogLine {
		end := size
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		text := bytes.TrimSuffix(log[starts[i]:end], []byte("\n"))
		return panel.LogLine{Position: panel.Position(starts[i]), Text: text[:min(len(text), maxLineBytes)], Cut: len(text) > maxLineBytes}
	}
	// at is the index of the piece that pos is in.
	at := func(pos int64) int {
		i, found := slices.BinarySearch(starts, pos)
		if !found {
			i--
		}
		return i
	}
	first, last, text := 0, 0, 0 // last is behind the last one
	if q.HasAfter || q.After > 0 {
		first = len(starts)
		if pos := max(int64(q.After), 0); pos < size {
			first = at(pos)
		}
		for last = first; last < len(starts) && last-first < n; last++ {
			if text += len(line(last).Text); text > maxExtractBytes {
				break
			}
		}
	} else {
		last = len(starts)
		if pos := int64(q.Before); 0 < pos && pos < size {
			last = at(pos)
		}
		for first = last; first > 0 && last-first < n; first-- {
			if text += len(line(first - 1).Text); text > maxExtractBytes {
				break
			}
		}
	}
	position := func(i int) panel.Position {
		if i == len(starts) {
			return panel.Position(size)
		}
		return panel.Position(starts[i])
	}
	x := panel.LogExtract{From: position(first), To: position(last), Size: size, Older: first > 0, Newer: last < len(starts)}
	for i := first; i < last; i++ {
		x.Lines = append(x.Lines, line(i))
	}
	return x
}

func extractBytes(t interface{ Fatal(...any) }, log []byte, q panel.LogQuery) panel.LogExtract {
	x, err := extractFrom(bytes.NewReader(log), int64(len(log)), q)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestExtractWindow(t *testing.T) {
	const log = "one\ntwo\n\nfour\nfive" // lines at 0, 4, 8, 9, 14; 18 bytes
	tests := []struct {
		name     string
		log      string
		q        panel.LogQuery
		want     string // the lines, each with its position
		from, to panel.Position
		older    bool
		newer    bool
	}{
		{"newest", log, panel.LogQuery{}, "0:one 4:two 8: 9:four 14:five", 0, 18, false, false},
		{"newest two", log, panel.LogQuery{Lines: 2}, "9:four 14:five", 9, 18, true, false},
		{"before a line", log, panel.LogQuery{Before: 9, Lines: 2}, "4:two 8:", 4, 9, true, true},
		{"before the middle of a line", log, panel.LogQuery{Before: 11, Lines: 1}, "8:", 8, 9, true, true},
		{"before the first line", log, panel.LogQuery{Before: 2}, "", 0, 0, false, true},
		{"before the end", log, panel.LogQuery{Before: 18, Lines: 1}, "14:five", 14, 18, true, false},
		{"before what is not there yet", log, panel.LogQuery{Before: 1e12, Lines: 1}, "14:five", 14, 18, true, false},
		{"before a negative position", log, panel.LogQuery{Before: -5, Lines: 1}, "14:five", 14, 18, true, false},
		{"from the beginning", log, panel.LogQuery{HasAfter: true, Lines: 2}, "0:one 4:two", 0, 8, false, true},
		{"after a line", log, panel.LogQuery{After: 8, Lines: 2}, "8: 9:four", 8, 14, true, true},
		{"after the middle of a line", log, panel.LogQuery{After: 16}, "14:five", 14, 18, true, false},
		{"after the end", log, panel.LogQuery{After: 18}, "", 18, 18, true, false},
		{"after what is not there yet", log, panel.LogQuery{After: 1e12}, "", 18, 18, true, false},
		{"after a negative position", log, panel.LogQuery{After: -1, HasAfter: true, Lines: 1}, "0:one", 0, 4, false, true},
		{"negative number of lines", log, panel.LogQuery{Lines: -1}, "0:one 4:two 8: 9:four 14:five", 0, 18, false, false},
		{"last line with newline", "a\nb\n", panel.LogQuery{Lines: 1}, "2:b", 2, 4, true, false},
		{"only a newline", "\n", panel.LogQuery{}, "0:", 0, 1, false, false},
		{"carriage returns and NULs stay", "a\r\n\x00\n", panel.LogQuery{}, "0:a\r 3:\x00", 0, 5, false, false},
		{"empty", "", panel.LogQuery{}, "", 0, 0, false, false},
		{"empty, before", "", panel.LogQuery{Before: 7}, "", 0, 0, false, false},
		{"empty, after", "", panel.LogQuery{After: 7}, "", 0, 0, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := extractBytes(t, []byte(tt.log), tt.q)
			var lines []string
			for _, l := range x.Lines {
				lines = append(lines, fmt.Sprintf("%d:%s", l.Position, l.Text))
			}
			if got := strings.Join(lines, " "); got != tt.want {
				t.Errorf("lines: got %q, want %q", got, tt.want)
			}
			if x.From != tt.from || x.To != tt.to || x.Older != tt.older || x.Newer != tt.newer || x.Size != int64(len(tt.log)) {
				t.Errorf("window: got %d to %d of %d, older %v, newer %v; want %d to %d, older %v, newer %v",
					x.From, x.To, x.Size, x.Older, x.Newer, tt.from, tt.to, tt.older, tt.newer)
			}
		})
	}
}

func TestExtractLimits(t *testing.T) {
	short := []byte(strings.Repeat("x\n", 3000))
	for _, tt := range []struct{ asked, want int }{{0, defaultLines}, {7, 7}, {5000, maxLines}} {
		if got := len(extractBytes(t, short, panel.LogQuery{Lines: tt.asked}).Lines); got != tt.want {
			t.Errorf("%d lines asked: got %d, want %d", tt.asked, got, tt.want)
		}
	}
	long := []byte(strings.Repeat(strings.Repeat("x", 5000)+"\n", 3000))
	for _, q := range []panel.LogQuery{{Lines: 1000}, {Lines: 1000, HasAfter: true}} {
		x := extractBytes(t, long, q)
		if got, want := len(x.Lines), maxExtractBytes/5000; got != want {
			t.Errorf("%+v: got %d long lines, want %d", q, got, want)
		}
		if x.Older == x.Newer {
			t.Errorf("%+v: older %v, newer %v", q, x.Older, x.Newer)
		}
	}
}

func TestExtractCutsLongLines(t *testing.T) {
	for _, tt := range []struct {
		length, text int
		cut          bool
	}{{maxLineBytes - 1, maxLineBytes - 1, false}, {maxLineBytes, maxLineBytes, false}, {maxLineBytes + 1, maxLineBytes, true}, {60_000, maxLineBytes, true}} {
		for _, end := range []string{"\n", ""} {
			x := extractBytes(t, []byte("a\n"+strings.Repeat("x", tt.length)+end), panel.LogQuery{})
			last := x.Lines[len(x.Lines)-1]
			if len(x.Lines) != 2 || len(last.Text) != tt.text || last.Cut != tt.cut || last.Position != 2 {
				t.Errorf("line of %d bytes and %q: got %d lines, %d bytes, cut %v", tt.length, end, len(x.Lines), len(last.Text), last.Cut)
			}
		}
	}
}

// hugeLine is a file of three lines, the second of which is n NULs that take no space.
func hugeLine(t *testing.T, n int64) (file *os.File, size int64) {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/log")
	must(t, err)
	t.Cleanup(func() { f.Close() })
	_, err = f.WriteAt([]byte("before\n"), 0)
	must(t, err)
	_, err = f.WriteAt([]byte("\nafter\n"), 7+n)
	must(t, err)
	return f, 7 + n + 7
}

// A page in a line of 1 GB takes no more memory, and moves no less far, than another.
func TestExtractInAHugeLine(t *testing.T) {
	f, size := hugeLine(t, 1<<30)
	for _, q := range []panel.LogQuery{{}, {Before: 1 << 29}, {After: 1 << 29}, {After: 7}, {HasAfter: true}} {
		x, err := extractFrom(f, size, q)
		must(t, err)
		kept := 0
		for _, line := range x.Lines {
			kept += cap(line.Text)
		}
		if kept > maxExtractBytes+len(x.Lines)*maxLineBytes/4 || len(x.Lines) > maxLines {
			t.Errorf("%+v: %d lines, %d bytes", q, len(x.Lines), kept)
		}
		if got := x.To - x.From; got < 100*blockBytes {
			t.Errorf("%+v: the page goes through %d bytes only", q, got)
		}
	}
}

// Paging through a long line comes to what is before it and behind it.
func TestExtractThroughALongLine(t *testing.T) {
	f, size := hugeLine(t, 20<<20)
	page := func(q panel.LogQuery) panel.LogExtract {
		t.Helper()
		x, err := extractFrom(f, size, q)
		must(t, err)
		return x
	}
	x, pages := page(panel.LogQuery{}), 1
	for ; x.Older; pages++ {
		x = page(panel.LogQuery{Before: x.From})
	}
	wantLine(t, x.Lines[0], "before")
	for x = page(panel.LogQuery{HasAfter: true}); x.Newer; pages++ {
		x = page(panel.LogQuery{After: x.To})
	}
	wantLine(t, x.Lines[len(x.Lines)-1], "after")
	if pages > 8 {
		t.Errorf("%d pages there and back", pages)
	}
}

func wantLine(t *testing.T, got panel.LogLine, want string) {
	t.Helper()
	if string(got.Text) != want {
		t.Errorf("line: got %.20q, want %q", got.Text, want)
	}
}

// hostileLog draws logs whose lines are around the sizes where something changes.
func hostileLog(t *rapid.T) []byte {
	lengths := []int{0, 1, 2, 100, maxLineBytes - 1, maxLineBytes, maxLineBytes + 1, blockBytes - 1, blockBytes,
		blockBytes + 1, 2*blockBytes - 1, 2 * blockBytes, 3*blockBytes + 5}
	var log []byte
	for range rapid.IntRange(0, 12).Draw(t, "runs") {
		n := rapid.SampledFrom(lengths).Draw(t, "length")
		for range rapid.IntRange(1, 3).Draw(t, "repeat") {
			log = append(log, bytes.Repeat([]byte{'x'}, n)...)
			log = append(log, '\n')
		}
	}
	if rapid.Bool().Draw(t, "unfinished") && len(log) > 0 {
		log = log[:len(log)-1]
	}
	return log
}

func position(t *rapid.T, log []byte, name string) panel.Position {
	near := rapid.SampledFrom(append(naive(log), 0, int64(len(log)))).Draw(t, name+" near")
	return panel.Position(near + rapid.Int64Range(-2, 2).Draw(t, name+" offset"))
}

func TestExtractLikeNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := hostileLog(t)
		q := panel.LogQuery{Lines: rapid.SampledFrom([]int{0, 1, 2, 3, 1000}).Draw(t, "lines")}
		if rapid.Bool().Draw(t, "after") {
			q.After, q.HasAfter = position(t, log, "after"), true
		} else {
			q.Before = position(t, log, "before")
		}
		got, want := extractBytes(t, log, q), naiveExtract(log, q)
		if !sameExtract(got, want) {
			t.Fatalf("%+v of %d bytes: got %s, want %s", q, len(log), describe(got), describe(want))
		}
	})
}

// Pages joined are the log, in both directions: no line twice, none left out.
func TestExtractPagesJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := hostileLog(t)
		lines := rapid.SampledFrom([]int{1, 2, 5}).Draw(t, "lines")
		var older, newer []panel.LogLine
		for q, more := (panel.LogQuery{Lines: lines}), true; more; {
			x := extractBytes(t, log, q)
			older = append(slices.Clone(x.Lines), older...)
			q.Before, more = x.From, x.Older
		}
		for q, more := (panel.LogQuery{Lines: lines, HasAfter: true}), true; more; {
			x := extractBytes(t, log, q)
			newer = append(newer, x.Lines...)
			q.After, more = x.To, x.Newer
		}
		want := naive(log)
		for name, got := range map[string][]panel.LogLine{"older": older, "newer": newer} {
			if starts := startsOf(got); !slices.Equal(starts, want) {
				t.Fatalf("%s pages: got lines at %v, want %v", name, starts, want)
			}
		}
	})
}

func startsOf(lines []panel.LogLine) []int64 {
	starts := []int64{}
	for _, l := range lines {
		starts = append(starts, int64(l.Position))
	}
	return starts
}

func sameExtract(a, b panel.LogExtract) bool {
	la, lb := a.Lines, b.Lines
	a.Lines, b.Lines = nil, nil
	return reflect.DeepEqual(a, b) && slices.EqualFunc(la, lb, func(x, y panel.LogLine) bool {
		return x.Position == y.Position && x.Cut == y.Cut && bytes.Equal(x.Text, y.Text)
	})
}

func describe(x panel.LogExtract) string {
	return fmt.Sprintf("%d to %d, older %v, newer %v, lines at %v", x.From, x.To, x.Older, x.Newer, startsOf(x.Lines))
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nfour"), int64(5), false, 2, uint32(0))
	f.Add([]byte("\n\n\n"), int64(1), true, 1, uint32(blockBytes))
	f.Add([]byte("a\nb"), int64(blockBytes), false, 3, uint32(2*blockBytes+7))
	f.Fuzz(func(t *testing.T, text []byte, pos int64, after bool, lines int, stretch uint32) {
		// A long run in the middle reaches the sizes that a fuzzer would not find by itself.
		half := len(text) / 2
		log := slices.Concat(text[:half], bytes.Repeat([]byte{'x'}, int(stretch%(5*blockBytes))), text[half:])
		q := panel.LogQuery{Before: panel.Position(pos), Lines: lines}
		if after {
			q = panel.LogQuery{After: panel.Position(pos), HasAfter: true, Lines: lines}
		}
		if got, want := extractBytes(t, log, q), naiveExtract(log, q); !sameExtract(got, want) {
			t.Errorf("%+v of %d bytes: got %s, want %s", q, len(log), describe(got), describe(want))
		}
	})
}

func TestExtractOfAFileThatShrinks(t *testing.T) {
	_, err := extractFrom(strings.NewReader("a\nb\n"), 100, panel.LogQuery{})
	if !errors.Is(err, errShrunk) {
		t.Errorf("got %v, want %v", err, errShrunk)
	}
	want := errors.New("broken disk")
	if _, err := extractFrom(brokenReader{want}, 100, panel.LogQuery{}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

type brokenReader struct{ err error }

func (r brokenReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }
