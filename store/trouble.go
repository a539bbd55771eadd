package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite/lib"
)

// trouble remembers why the database could not be used the last time.
type trouble struct {
	mu      sync.Mutex
	damage  error // stays: a damaged database does not heal
	writing error // until something can be written
}

// note files an error of the database. Errors of a request, such as a broken constraint, say nothing about it.
func (t *trouble) note(err error) {
	if err == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch kindOf(err) {
	case lasting:
		if t.damage == nil {
			t.damage = err
		}
	case passing:
		t.writing = err
	}
}

// written notes that the database can be written.
func (t *trouble) written() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writing = nil
}

// kind is what an error says about the database as a whole.
type kind int

const (
	none    kind = iota
	lasting      // it is damaged
	passing      // the disk is full or read-only, another process has it
)

func kindOf(err error) kind {
	if errors.Is(err, ErrDamaged) {
		return lasting
	}
	switch code(err) & primaryCode {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return lasting
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return passing
	}
	return none
}

// Reason is what stands behind an error of the database, as far as somebody can do something about it.
type Reason string

// The reasons that are told apart; empty for an error that says nothing about the database.
const (
	Damage   Reason = "damage"
	NoSpace  Reason = "no space"
	ReadOnly Reason = "read-only"
	Busy     Reason = "busy" // another process holds it
	Disk     Reason = "disk" // it does not do what it is told
)

// ReasonOf tells the reason of an error.
func ReasonOf(err error) Reason {
	switch c := code(err) & primaryCode; {
	case kindOf(err) == lasting, errors.Is(err, errForeign):
		return Damage
	case c == sqlite3.SQLITE_FULL, code(err) == sqlite3.SQLITE_IOERR_SHMSIZE, errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return NoSpace
	case c == sqlite3.SQLITE_READONLY, c == sqlite3.SQLITE_CANTOPEN, errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission):
		return ReadOnly
	case c == sqlite3.SQLITE_BUSY, c == sqlite3.SQLITE_LOCKED:
		return Busy
	case c == sqlite3.SQLITE_IOERR, c == sqlite3.SQLITE_PROTOCOL, errors.Is(err, unix.EIO):
		return Disk
	}
	return ""
}

// Mendable reports whether the database at path was in use before and the error of an [Open] is one that somebody can
// mend, so that waiting for that makes sense. What was never a database of upkeep is a mistake of whoever starts it,
// and what a newer one wrote needs that one.
func Mendable(path string, err error) bool {
	last, lookErr := LastInstance(path)
	return lookErr == nil && last != "" && ReasonOf(err) != "" && !errors.Is(err, ErrNewer)
}

// Trouble is why the database is damaged, or could not be written the last time; nil when all is well.
func (s *Store) Trouble() error {
	if now, err := os.Stat(s.path); err != nil || !os.SameFile(now, s.file) {
		return fmt.Errorf("%w: %s was deleted or replaced while upkeep works with it, so that what is stored now is lost; "+
			"restart upkeep, services run on", ErrDamaged, s.path)
	}
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	if s.trouble.damage != nil {
		return explain(s.path, s.trouble.damage)
	}
	if s.trouble.writing != nil {
		return explain(s.path, s.trouble.writing)
	}
	return nil
}

// TryWriting writes something that changes nothing, so that [Store.Trouble] knows when the database can be written
// again.
func (s *Store) TryWriting(ctx context.Context) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE meta SET value = value WHERE name = 'instance'`)
		return err
	})
}

// readers are the connections that only read.
type readers struct {
	*sql.DB
	trouble *trouble
}

// noteRead files what went wrong with a query of the readers.
func noteRead(q querier, err error) {
	if r, ok := q.(readers); ok && kindOf(err) == lasting {
		r.trouble.note(err)
	}
}

// exec runs one statement that changes something as a transaction of its own.
func (s *Store) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	res, err := s.writer.ExecContext(ctx, query, args...)
	s.noteWrite(err)
	return res, err
}

func (s *Store) noteWrite(err error) {
	if err != nil {
		s.trouble.note(err)
		return
	}
	s.trouble.written()
}
