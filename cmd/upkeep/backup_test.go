package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"upkeep/store"
)

func TestNightlyBackupIsDue(t *testing.T) {
	started := time.Date(2026, 3, 10, 12, 0, 0, 0, time.Local)
	n := nightly{offset: 3 * time.Hour, started: started}
	night := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, time.Local) }
	for _, c := range []struct {
		name      string
		now, last time.Time
		want      bool
	}{
		{"never, just started", started, time.Time{}, false},
		{"never, running for an hour", started.Add(time.Hour), time.Time{}, true},
		{"last night's was made", night(10, 12, 0), night(10, 3, 1), false},
		{"the night has not come", night(11, 2, 59), night(10, 3, 1), false},
		{"the night has come", night(11, 3, 0), night(10, 3, 1), true},
		{"made by day, after the night", night(11, 12, 0), night(11, 11, 0), false},
		{"the machine was off at night", night(12, 9, 0), night(10, 3, 1), true},
		{"made a moment ahead of the clock", night(11, 3, 0), night(11, 3, 30), false},
		{"made by a clock that was a day ahead", night(11, 3, 0), night(12, 3, 0), true},
	} {
		if got := n.due(c.now, c.last); got != c.want {
			t.Errorf("%s: due %v, want %v", c.name, got, c.want)
		}
	}
}

func TestNightlyBackupsAreSpread(t *testing.T) {
	offsets := map[time.Duration]bool{}
	for i := range 200 {
		n := newNightly(fmt.Sprintf("host%d", i), time.Now())
		if n.offset < nightFrom || n.offset >= nightTo {
			t.Errorf("offset %v, want between %v and %v", n.offset, nightFrom, nightTo)
		}
		if n != newNightly(fmt.Sprintf("host%d", i), n.started) {
			t.Error("the minute differs from night to night")
		}
		offsets[n.offset] = true
	}
	if len(offsets) < 100 {
		t.Errorf("200 hosts begin at %d moments", len(offsets))
	}
}

func TestNightlyBackup(t *testing.T) {
	s := &settings{Data: t.TempDir(), BackupKeep: 2}
	st, err := store.Open(t.Context(), s.database())
	if err != nil {
		t.Fatal(err)
	}
	srv := &server{settings: s, log: slog.New(slog.DiscardHandler), store: st}
	defer srv.close()
	made := func() int {
		all, err := store.Backups(s.database())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	started := time.Now()
	night := newNightly(st.InstanceID(), started)
	for day, want := range []int{0, 1, 2, 2} { // the newest two stay
		now := started.AddDate(0, 0, day)
		for range 2 { // and the second look of a day finds nothing to do
			if err := srv.backUp(t.Context(), night, now); err != nil {
				t.Fatal(err)
			}
		}
		if got := made(); got != want {
			t.Errorf("day %d: %d backups, want %d", day, got, want)
		}
	}
	s.BackupKeep = 0
	if err := srv.backUp(t.Context(), night, started.AddDate(0, 0, 9)); err != nil || made() != 2 {
		t.Errorf("switched off: %v, %d backups", err, made())
	}
	// One that fails is tried again in an hour, and deletes nothing.
	s.BackupKeep = 1
	if err := os.RemoveAll(store.BackupDir(s.database())); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(store.BackupDir(s.database()), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	night.started = started.AddDate(0, 0, -1)
	if next := srv.backUpOrSay(context.Background(), night); next != retryBackup {
		t.Errorf("after a failure the next look is in %v, want %v", next, retryBackup)
	}
	if _, err := os.Stat(filepath.Join(s.Data, "backups")); err != nil {
		t.Error(err)
	}
}

func TestShellQuote(t *testing.T) {
	for text, want := range map[string]string{
		"/var/lib/upkeep": "/var/lib/upkeep", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "ä": "'ä'",
	} {
		if got := shellQuote(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
