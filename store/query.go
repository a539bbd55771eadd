package store

import (
	"context"
	"database/sql"
	"time"
)

// querier is what reads rows: the readers, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// row is a row to scan from.
type row interface {
	Scan(dest ...any) error
}

// one reads the only row that query answers with; none is panel.ErrNotFound.
func one[T any](ctx context.Context, q querier, scan func(row) (T, error), query string, args ...any) (T, error) {
	v, err := scan(q.QueryRowContext(ctx, query, args...))
	if err != nil {
		noteRead(q, err)
		var zero T
		return zero, translate(err)
	}
	return v, nil
}

// list reads every row that query answers with.
func list[T any](ctx context.Context, q querier, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		noteRead(q, err)
		return nil, translate(err)
	}
	defer func() { _ = rows.Close() }() // Err, below, has said what went wrong
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	noteRead(q, rows.Err())
	return all, translate(rows.Err())
}

// column is the scan function of a query for one value.
func column[T any](r row) (T, error) {
	var v T
	err := r.Scan(&v)
	return v, err
}

// write runs change in a transaction that holds the write lock from its start.
func (s *Store) write(ctx context.Context, change func(tx *sql.Tx) error) error {
	err := s.transact(ctx, change)
	s.noteWrite(err)
	return translate(err)
}

func (s *Store) transact(ctx context.Context, change func(tx *sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if err := change(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// mustChange turns the result of a statement that changed no row into panel.ErrNotFound.
func mustChange(res sql.Result, err error) error {
	if err != nil {
		return translate(err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	return translate(err)
}

// millis and moment are the only way times go into the database and come out of it. The zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// rounded returns t as it will come back from the database; the zero time means now.
func rounded(t time.Time) time.Time {
	if t.IsZero() {
		t = time.Now()
	}
	return moment(millis(t))
}
