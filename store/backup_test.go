package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"upkeep/internal/panel"
)

// names lists the files of a folder.
func names(t *testing.T, dir string) (found []string) {
	t.Helper()
	for _, e := range must(os.ReadDir(dir))(t) {
		found = append(found, e.Name())
	}
	return found
}

func TestBackupWhileTheDatabaseIsWritten(t *testing.T) {
	s := newStore(t)
	a := newAccount(t, s, "acme")
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan int)
	go func() {
		n := 0
		for ctx.Err() == nil {
			if err := s.AddEvent(t.Context(), panel.Event{Account: a.ID, Kind: panel.EventStarted, At: noon}); err != nil {
				t.Error(err)
				break
			}
			n++
		}
		written <- n
	}()
	file := filepath.Join(t.TempDir(), "copy.db")
	for range 3 {
		if err := Backup(t.Context(), s.path, file, true); err != nil {
			t.Error(err)
		}
	}
	stop()
	if n := <-written; n < 3 {
		t.Errorf("%d events were written beside the backups, want that nobody waits", n)
	}
	if got := names(t, filepath.Dir(file)); len(got) != 1 {
		t.Errorf("the folder holds %q, want the backup alone", got)
	}
	if mode := must(os.Stat(file))(t).Mode(); mode != 0o600 {
		t.Errorf("mode %v, want 0600", mode)
	}
	copied := openStore(t, file)
	if copied.InstanceID() != s.InstanceID() {
		t.Error("the copy has another instance")
	}
	must(copied.Account(t.Context(), "acme"))(t)
}

func TestBackupRefuses(t *testing.T) {
	s := newStore(t)
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	for name, c := range map[string]struct {
		file    string
		replace bool
		want    error
	}{
		"a file that exists":      {there, false, fs.ErrExist},
		"a link to nowhere":       {link, false, fs.ErrExist},
		"the database":            {s.path, true, nil},
		"the log of the database": {s.path + "-wal", true, nil},
		"a missing folder":        {filepath.Join(dir, "missing", "file"), false, fs.ErrNotExist},
	} {
		err := Backup(t.Context(), s.path, c.file, c.replace)
		if err == nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
	}
	if err := Backup(t.Context(), filepath.Join(dir, "missing"), filepath.Join(dir, "new"), false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no database: got error %v", err)
	}
	if got := names(t, dir); strings.Join(got, " ") != strings.Join(before, " ") {
		t.Errorf("the folder holds %q, want %q", got, before)
	}
	if text := must(os.ReadFile(there))(t); string(text) != "mine" {
		t.Errorf("the file was changed: %q", text)
	}
}

// ruined returns the path of a database with many events in which a page of the named table or index was overwritten;
// in none without a name.
func ruined(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "upkeep.db")
	s := must(Open(t.Context(), path))(t)
	a := newAccount(t, s, "acme")
	svc := newService(t, s, a, "web")
	for range 200 {
		event := panel.Event{Account: a.ID, Service: svc.ID, ServiceName: "web", Kind: panel.EventStarted, At: noon,
			Detail: strings.Repeat("x", 200)}
		if err := s.AddEvent(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	if name == "" {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root := must(one(t.Context(), s.readers, column[int64], `SELECT rootpage FROM sqlite_schema WHERE name = ?`, name))(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f := must(os.OpenFile(path, os.O_RDWR, 0))(t)
	defer f.Close()
	must(f.WriteAt(bytes.Repeat([]byte{0xa5}, 4096), (root-1)*4096))(t)
	return path
}

func TestBackupOfADamagedDatabaseIsNone(t *testing.T) {
	for _, table := range []string{"services", "events", "events_at"} {
		path := ruined(t, table)
		dir := t.TempDir()
		err := Backup(t.Context(), path, filepath.Join(dir, "copy.db"), false)
		if err == nil || !strings.Contains(err.Error(), "is damaged, restore a backup") {
			t.Errorf("%s: got error %v", table, err)
		}
		if got := names(t, dir); len(got) != 0 {
			t.Errorf("%s: %q were left", table, got)
		}
	}
}

func TestOwnBackupsArePruned(t *testing.T) {
	s := newStore(t)
	other := filepath.Join(BackupDir(s.path), "mine.db")
	for day := range 5 {
		file := must(BackupByItself(t.Context(), s.path, KindNightly, 3, noon.AddDate(0, 0, day)))(t)
		if day == 0 {
			if err := os.WriteFile(other, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			must(BackupByItself(t.Context(), s.path, KindSchema, 3, noon.Add(-time.Hour)))(t)
		}
		if all := must(Backups(s.path))(t); all[0].Path != file || all[0].Kind != KindNightly || all[0].Size == 0 {
			t.Errorf("day %d: the newest is %+v, want %s", day, all[0], file)
		}
	}
	want := "mine.db upkeep-20260301T110000Z-schema.db upkeep-20260303T120000Z-nightly.db " +
		"upkeep-20260304T120000Z-nightly.db upkeep-20260305T120000Z-nightly.db"
	if got := strings.Join(names(t, BackupDir(s.path)), " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if mode := must(os.Stat(BackupDir(s.path)))(t).Mode().Perm(); mode != 0o700 {
		t.Errorf("the folder has the mode %v, want 0700", mode)
	}
}

func TestBackupBeforeAMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "upkeep.db")
	s := must(Open(t.Context(), path))(t)
	if got := must(Backups(path))(t); len(got) != 0 {
		t.Errorf("a new database was backed up: %+v", got)
	}
	newAccount(t, s, "acme")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	newer := fstest.MapFS{"09999_more.sql": {Data: []byte("-- +goose Up\nDROP TABLE links;\n")}}
	files := must(migrations())(t)
	for _, name := range must(fs.Glob(files, "*.sql"))(t) {
		newer[name] = &fstest.MapFile{Data: must(fs.ReadFile(files, name))(t)}
	}
	db := must(connect(path, writerOptions, 1))(t)
	if err := migrate(t.Context(), db, path, newer); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path)
	wantErr(t, "by the older upkeep", err, ErrNewer)
	all := must(Backups(path))(t)
	if len(all) != 1 || all[0].Kind != KindSchema || time.Since(all[0].At) > time.Hour {
		t.Fatalf("got backups %+v, want one from before the migration", all)
	}
	must(Restore(t.Context(), path, all[0].Path, 0, noon))(t)
	must(openStore(t, path).Account(t.Context(), "acme"))(t)
}
