package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The words of a book, in their order; testdata/child.go writes the same.
const (
	wordLines = iota
	wordLast
	wordPID
	wordBirth
	wordExit
	wordLocked
	wordErrno
	wordHangups
	wordStall
	wordMain
	wordAlive
	words
)

// book is what one writer, a process of a service, noted about itself.
type book struct {
	stream string // <RUN_ID>.<number>
	run    string // RUN_ID: <instance>-<service>-<run>
	id     int64  // of the service
	number int    // of the run
	lines  uint64
	last   time.Time // when the last line was written; zero when none was
	alive  time.Time // when it was last alive, to some 50 ms
	pid    int
	birth  time.Time
	exits  bool // status is what it was about to exit with
	status int
	locked bool // others of its service lived at its birth
	errno  int
	stall  time.Duration
	main   bool
}

// readBooks reads all books, and the names of writers that found theirs taken.
func readBooks(dir string) (books []*book, twice []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, "lock.") {
			continue
		}
		if stream, ok := strings.CutPrefix(name, "twice."); ok {
			twice = append(twice, stream)
			continue
		}
		b, err := readBook(filepath.Join(dir, name), name)
		if err != nil {
			return nil, nil, err
		}
		if b != nil {
			books = append(books, b)
		}
	}
	return books, twice, nil
}

// readBook reads one; nil for a writer that was killed before it could begin its book.
func readBook(path, stream string) (*book, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(text) < words*8 {
		return nil, nil
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(text[i*8:]) }
	if word(wordBirth) == 0 {
		return nil, nil
	}
	b := &book{stream: stream, lines: word(wordLines), pid: int(word(wordPID)), birth: time.Unix(0, int64(word(wordBirth))),
		exits: word(wordExit) != 0, status: int(word(wordExit)) - 1, locked: word(wordLocked) != 0,
		errno: int(word(wordErrno)), stall: time.Duration(word(wordStall)), main: word(wordMain) != 0,
		alive: time.Unix(0, int64(word(wordAlive)))}
	if word(wordLast) != 0 {
		b.last = time.Unix(0, int64(word(wordLast)))
	}
	return b, b.parse()
}

// parse takes the name of the writer apart.
func (b *book) parse() error {
	dot := strings.LastIndexByte(b.stream, '.')
	parts := strings.Split(b.stream[:max(dot, 0)], "-")
	if len(parts) != 3 {
		return fmt.Errorf("book %q is nobody's", b.stream)
	}
	var err error
	b.run = b.stream[:dot]
	if b.id, err = strconv.ParseInt(parts[1], 10, 64); err == nil {
		b.number, err = strconv.Atoi(parts[2])
	}
	return err
}
