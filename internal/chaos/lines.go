package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The rule for lines: every line that a writer's book counts stands exactly once in the logs, and in each file in the
// order of writing. All files count that were at the place of a log at any time, upkeep's own of the state directory,
// and files that were removed or replaced while upkeep wrote to them: a line in a log that its owner deleted is not
// upkeep's loss. One line more than the book says is fine when its writer was killed between line and book.
//
// A line may be cut in two by a full disk: what still fitted stands at the end of one file, and the rest where the
// output went on. Both pieces together have to make the line.
//
// Only one loss has an excuse: when neither daemon nor keeper lived and the last process of a run ended, the kernel
// drops what was still in the FIFO. The lines must then be the last of their writer.

// tally is what the logs hold of one writer.
type tally struct {
	seen  []uint8 // by number of the line, from 1
	wrong []string
}

// count enters a line.
func (t *tally) count(number int) {
	if need := number + 1 - len(t.seen); need > 0 {
		t.seen = append(t.seen, make([]uint8, need)...)
	}
	if t.seen[number] < 255 {
		t.seen[number]++
	}
}

// logs is what all files together hold.
type logs struct {
	instance string // begins the name of every writer
	tallies  map[string]*tally
	torn     []piece
	files    int
	lines    int
}

// piece is text that is no whole line.
type piece struct{ where, text string }

// readLogs reads every log there is, and was.
func readLogs(instance string, files []*heldFile) (*logs, error) {
	l := &logs{instance: instance, tallies: map[string]*tally{}}
	for _, f := range files {
		if _, err := f.file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		var text io.Reader = bufio.NewReaderSize(f.file, 1<<16)
		if strings.HasSuffix(f.name, ".gz") {
			unpacked, err := gzip.NewReader(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			text = unpacked
		}
		l.files++
		if err := l.read(f.name, text); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return l, nil
}

// ownPrefix begins the lines of upkeep's own.
var ownPrefix = []byte("upkeep: ")

// read reads one file.
func (l *logs) read(name string, text io.Reader) error {
	last := map[string]int{}
	scanner := bufio.NewScanner(text)
	scanner.Buffer(make([]byte, 0, 1<<16), 1<<20)
	for at := 1; scanner.Scan(); at++ {
		line := scanner.Bytes()
		if bytes.HasPrefix(line, ownPrefix) {
			continue
		}
		text := string(line)
		stream, number, ok := l.parseLine(text)
		if begin := strings.LastIndex(text, l.instance+"-"); !ok && begin > 0 {
			// A whole line may stand behind a piece: the file was left in the middle of a line, and come back to.
			l.torn = append(l.torn, piece{fmt.Sprintf("%s, line %d", name, at), text[:begin]})
			text = text[begin:]
			stream, number, ok = l.parseLine(text)
		}
		if !ok {
			l.torn = append(l.torn, piece{fmt.Sprintf("%s, line %d", name, at), text})
			continue
		}
		t := l.tallyOf(stream)
		if before := last[stream]; number <= before {
			t.wrong = append(t.wrong, fmt.Sprintf("%s, line %d: %d after %d", name, at, number, before))
		}
		last[stream] = number
		t.count(number)
		l.lines++
	}
	return scanner.Err()
}

// parseLine takes a line of a service apart: writer, number, padding and end mark.
func (l *logs) parseLine(line string) (stream string, number int, ok bool) {
	text, whole := strings.CutSuffix(line, "~")
	fields := strings.Split(text, " ")
	if !whole || len(fields) != 3 || fields[2] != padding || !strings.HasPrefix(fields[0], l.instance+"-") {
		return "", 0, false
	}
	number, err := strconv.Atoi(fields[1])
	return fields[0], number, err == nil && number > 0
}

// padding makes lines longer than their number; testdata/child.go writes the same.
var padding = strings.Repeat("x", 40)

func (l *logs) tallyOf(stream string) *tally {
	t := l.tallies[stream]
	if t == nil {
		t = &tally{}
		l.tallies[stream] = t
	}
	return t
}

// join counts lines that a full disk cut in two, and returns how many; the pieces that are left over stay. Two pieces of
// different lines may look like a line too: only one that is wanted counts.
func (l *logs) join(wanted func(stream string, number int) bool) (joined int) {
	for i := 0; i < len(l.torn); i++ {
		for j := range l.torn {
			// A line of upkeep's own may stand behind the first piece, which it did not know to be one.
			head, _, _ := strings.Cut(l.torn[i].text, string(ownPrefix))
			stream, number, ok := l.parseLine(head + l.torn[j].text)
			if i == j || !ok || !wanted(stream, number) {
				continue
			}
			l.tallyOf(stream).count(number)
			l.torn = slices.Delete(l.torn, max(i, j), max(i, j)+1)
			l.torn = slices.Delete(l.torn, min(i, j), min(i, j)+1)
			joined++
			i = -1
			break
		}
	}
	return joined
}

// numbers writes a list of numbers as ranges: 3-7, 9.
func numbers(list []int) string {
	var text []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if i == j {
			text = append(text, strconv.Itoa(list[i]))
		} else {
			text = append(text, fmt.Sprintf("%d-%d", list[i], list[j]))
		}
		i = j + 1
	}
	return strings.Join(text, ", ")
}

// verdict compares a book with what the logs hold of its writer.
func (t *tally) verdict(b *book) (missing, doubled []int) {
	for n := 1; n <= max(int(b.lines), len(t.seen)-1); n++ {
		var seen uint8
		if n < len(t.seen) {
			seen = t.seen[n]
		}
		switch {
		case seen > 1:
			doubled = append(doubled, n)
		case seen == 0 && n <= int(b.lines):
			missing = append(missing, n)
		}
	}
	return missing, doubled
}

// missingIn says which lines the logs lack.
func missingIn(l *logs, books []*book) func(stream string, number int) bool {
	written := map[string]int{}
	for _, b := range books {
		written[b.stream] = int(b.lines)
	}
	return func(stream string, number int) bool {
		n, known := written[stream]
		if !known || number > n+1 {
			return false
		}
		seen := l.tallyOf(stream).seen
		return number >= len(seen) || seen[number] == 0
	}
}

// auditLines compares all books with all logs.
func (c *chaos) auditLines(books []*book) error {
	l, err := readLogs(c.instance, c.holdAll())
	if err != nil {
		return err
	}
	if n := l.join(missingIn(l, books)); n > 0 {
		if len(c.full) == 0 {
			c.report.violation("lines", "%d lines are cut in two, and no disk was full", n)
		}
		c.report.excuse("lines cut in two by a full disk", n, "%d", n)
	}
	c.report.lines, c.report.files = l.lines, l.files
	for _, torn := range l.torn {
		c.report.violation("lines", "neither a line of a service nor of upkeep: %s: %.200q", torn.where, torn.text)
	}
	for _, b := range books {
		t := l.tallies[b.stream]
		delete(l.tallies, b.stream)
		if t == nil {
			t = &tally{}
		}
		c.auditWriter(b, t)
	}
	for stream := range l.tallies {
		c.report.violation("lines", "lines of %s, which has no book", stream)
	}
	return nil
}

func (c *chaos) auditWriter(b *book, t *tally) {
	missing, doubled := t.verdict(b)
	if len(doubled) > 0 {
		c.report.violation("lines", "%s: doubled: %s", b.stream, numbers(doubled))
	}
	for _, wrong := range t.wrong {
		c.report.violation("lines", "%s: out of order: %s", b.stream, wrong)
	}
	if most := int(b.lines) + 1; len(t.seen)-1 > most {
		c.report.violation("lines", "%s: line %d is there, and only %d were written", b.stream, len(t.seen)-1, b.lines)
	}
	if b.errno != 0 {
		c.report.violation("lines", "%s: a write failed with errno %d", b.stream, b.errno)
	}
	if len(missing) == 0 {
		return
	}
	if c.wentUnheld(b, missing) {
		c.report.excuse("lines lost with the FIFO that nobody held", len(missing), "%s: %s of %d", b.stream, numbers(missing), b.lines)
		return
	}
	c.report.violation("lines", "%s: missing of %d: %s; last written %s", b.stream, b.lines, numbers(missing),
		c.report.at(b.last))
}

// pipeTime is how long before a death of upkeep a line may have been written that it has not moved yet.
const pipeTime = time.Second

// wentUnheld reports whether the missing lines are the last of a writer that ended when nobody held its FIFO, or
// shortly before.
func (c *chaos) wentUnheld(b *book, missing []int) bool {
	if !slices.Contains(missing, int(b.lines)) || missing[len(missing)-1]-missing[0] != len(missing)-1 {
		return false
	}
	return c.during(&c.blind, b.alive, beatTime) || c.during(&c.blind, b.last.Add(pipeTime), 0)
}
