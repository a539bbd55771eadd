package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"upkeep/store"
)

func newBackup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the database to FILE",
		Long: `Write a copy of the database to FILE, verified, readable by its owner only. It works while upkeep runs, which does
not wait for it, and while it does not.

upkeep makes a backup of its own each night, in DATA/backups.`,
		Args: args(cobra.ExactArgs(1)),
	}
	force := cmd.Flags().Bool("force", false, "replace FILE when it exists")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		s, err := readSettings(cmd.Flags())
		if err != nil {
			return err
		}
		file, err := filepath.Abs(given[0])
		if err != nil {
			return err
		}
		err = store.Backup(cmd.Context(), s.database(), file, *force)
		if errors.Is(err, fs.ErrExist) {
			return &exitError{fmt.Errorf("%s exists already; choose another name, or replace it with --force", file), exitConflict}
		}
		if err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Backed up to %s (%s), and verified.\n", file, humanize.IBytes(uint64(info.Size())))
		return nil
	}
	return cmd
}

// The nightly backup begins between one and five o'clock, local time, at the same minute each night. Which minute
// follows from the installation, so that the machines of one host do not all write at once.
const (
	nightFrom = time.Hour
	nightTo   = 5 * time.Hour
)

// firstBackupAfter is how long upkeep has to run before a backup is made at once because there is none.
const firstBackupAfter = time.Hour

// nightly decides when a backup is due.
type nightly struct {
	offset  time.Duration // after midnight
	started time.Time
}

func newNightly(instance string, started time.Time) nightly {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(instance)) // never fails
	minutes := uint32((nightTo - nightFrom) / time.Minute)
	return nightly{nightFrom + time.Duration(sum.Sum32()%minutes)*time.Minute, started}
}

// latest is the moment in the past at which a backup was to be made last.
func (n nightly) latest(now time.Time) time.Time {
	at := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()).Add(n.offset)
	if at.After(now) {
		at = at.AddDate(0, 0, -1)
	}
	return at
}

// due reports whether a backup has to be made now, when the newest was made at last; zero for never. What was missed
// because the machine was off is made up for. A backup from the future was made by a clock that was wrong.
func (n nightly) due(now, last time.Time) bool {
	if last.IsZero() {
		return now.Sub(n.started) >= firstBackupAfter
	}
	return last.Before(n.latest(now)) || last.After(now.Add(time.Hour))
}

// backUp makes the nightly backup when it is due.
func (srv *server) backUp(ctx context.Context, n nightly, now time.Time) error {
	keep, path := srv.settings.BackupKeep, srv.settings.database()
	if keep == 0 {
		return nil
	}
	all, err := store.Backups(path)
	if err != nil {
		return err
	}
	if !n.due(now, newest(all, store.KindNightly)) {
		return nil
	}
	start := time.Now()
	file, err := store.BackupByItself(ctx, path, store.KindNightly, keep, now)
	if err != nil {
		return err
	}
	srv.log.Info("nightly backup", "file", file, "took", time.Since(start))
	return nil
}

// newest is when the newest backup of a kind was made; zero when there is none.
func newest(all []store.BackupFile, kind string) time.Time {
	for _, b := range all {
		if b.Kind == kind {
			return b.At
		}
	}
	return time.Time{}
}
