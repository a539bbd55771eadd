package main

import (
	"context"
	"sync"
	"time"

	"upkeep/store"
)

// How often the database is cared for: whether it can be written again, and whether a backup is due.
const (
	troubleEvery = 2 * time.Second
	backupEvery  = 5 * time.Minute
	retryBackup  = time.Hour // after one that failed
)

// care looks after the database while upkeep runs: it checks what the start left out, makes the nightly backup, and
// says in the log when the database cannot be used and when it can again.
func (srv *server) care(ctx context.Context) error {
	var checking sync.WaitGroup
	defer checking.Wait()
	checking.Go(func() { srv.check(ctx) })
	trouble, backup := time.NewTicker(troubleEvery), time.NewTimer(backupEvery)
	defer trouble.Stop()
	defer backup.Stop()
	night := newNightly(srv.store.InstanceID(), time.Now())
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-trouble.C:
			said = srv.watchTrouble(ctx, said)
		case <-backup.C:
			backup.Reset(srv.backUpOrSay(ctx, night))
		}
	}
}

// check looks at the whole database once. It may take a while, and nobody waits for it.
func (srv *server) check(ctx context.Context) {
	start := time.Now()
	err := srv.store.Check(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		srv.log.Error("the database is damaged; restore a backup", "err", err)
	default:
		srv.log.Info("the database is sound", "took", time.Since(start))
	}
}

// watchTrouble logs when the trouble with the database changes, and finds out whether it is over. It returns what was
// said last.
func (srv *server) watchTrouble(ctx context.Context, said string) string {
	err := srv.store.Trouble()
	if err == nil {
		if said != "" {
			srv.log.Info("the database can be used again")
		}
		if err := srv.engine.CatchUp(ctx); err != nil && ctx.Err() == nil {
			srv.log.Error("write what was put off", "err", err)
		}
		return ""
	}
	if store.ReasonOf(err) != store.Damage {
		_ = srv.store.TryWriting(ctx) // the store remembers what came of it
	}
	if text := err.Error(); text != said {
		srv.log.Error("the database cannot be used; services run on", "err", err)
		return text
	}
	return said
}

// backUpOrSay makes a backup when it is due, and returns when to look again.
func (srv *server) backUpOrSay(ctx context.Context, night nightly) time.Duration {
	err := srv.backUp(ctx, night, time.Now())
	if err == nil || ctx.Err() != nil {
		return backupEvery
	}
	srv.log.Error("nightly backup failed", "err", err)
	if store.ReasonOf(err) == store.Damage {
		srv.check(ctx) // of the database itself, so that the page says it too
	}
	return retryBackup
}
