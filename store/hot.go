package store

import (
	"context"
	"database/sql"
)

// statements are those between the death of a service and its next start. Preparing one takes as long as running
// it, so they are prepared once; closing the writer closes them.
type statements struct {
	beginRun      *sql.Stmt
	endRun        *sql.Stmt
	beginRecovery *sql.Stmt
	endRecovery   *sql.Stmt
	insertEvent   *sql.Stmt
}

func prepareHot(ctx context.Context, db *sql.DB) (s statements, err error) {
	for _, x := range []struct {
		stmt  **sql.Stmt
		query string
	}{
		{&s.beginRun, beginRunSQL},
		{&s.endRun, endRunSQL},
		{&s.beginRecovery, beginRecoverySQL},
		{&s.endRecovery, endRecoverySQL},
		{&s.insertEvent, insertEventSQL},
	} {
		if *x.stmt, err = db.PrepareContext(ctx, x.query); err != nil {
			return s, err
		}
	}
	return s, nil
}
