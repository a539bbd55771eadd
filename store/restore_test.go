package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"upkeep/internal/panel"
)

// backedUp returns the path of a database and a backup of it that knows the account "acme" and one service.
func backedUp(t *testing.T) (path, file string) {
	t.Helper()
	path, file = filepath.Join(t.TempDir(), "upkeep.db"), filepath.Join(t.TempDir(), "backup.db")
	s := must(Open(t.Context(), path))(t)
	newService(t, s, newAccount(t, s, "acme"), "web")
	session := panel.Session{IDHash: []byte("hash"), CreatedAt: noon, LastSeenAt: noon, ExpiresAt: noon.AddDate(1, 0, 0)}
	if err := errors.Join(s.SaveSession(t.Context(), session), Backup(t.Context(), path, file, false)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"later", "latest"} {
		newService(t, s, must(s.Account(t.Context(), "acme"))(t), name)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, file
}

func TestRestore(t *testing.T) {
	path, file := backedUp(t)
	original := must(os.ReadFile(file))(t)
	kept := must(Restore(t.Context(), path, file, 0, noon))(t)
	if want := path + ".before-20260301T120000Z"; kept != want {
		t.Errorf("the former database is %s, want %s", kept, want)
	}
	s := openStore(t, path)
	acct := must(s.Account(t.Context(), "acme"))(t)
	if all := must(s.AllServices(t.Context()))(t); len(all) != 1 || all[0].Name != "web" {
		t.Errorf("got services %+v, want those of the backup", all)
	}
	if x := newService(t, s, acct, "new"); x.ID != 4 {
		t.Errorf("the next service has the ID %d, want 4: three were given before", x.ID)
	}
	_, err := s.Session(t.Context(), []byte("hash"), noon)
	wantErr(t, "a session of the backup", err, panel.ErrNotFound)
	if all := must(openStore(t, kept).AllServices(t.Context()))(t); len(all) != 3 {
		t.Errorf("the former database has %d services, want 3", len(all))
	}
	if !bytes.Equal(must(os.ReadFile(file))(t), original) {
		t.Error("the backup was changed")
	}
}

func TestRestoreInPlaceOfWhatIsLeft(t *testing.T) {
	for name, ruin := range map[string]func(path string) error{
		"nothing":     os.Remove,
		"empty":       func(path string) error { return os.Truncate(path, 0) },
		"half a file": func(path string) error { return os.Truncate(path, 8192) },
		"garbage":     func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("garbage!"), 4096), 0o600) },
		"a log that is not its own": func(path string) error {
			return os.WriteFile(path+"-wal", bytes.Repeat([]byte("garbage!"), 4096), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, file := backedUp(t)
			if err := ruin(path); err != nil {
				t.Fatal(err)
			}
			if name != "a log that is not its own" { // SQLite sees that it is none
				_, err := Open(t.Context(), path)
				if err == nil || !strings.Contains(err.Error(), "damaged") && !strings.Contains(err.Error(), "not a database") {
					t.Errorf("Open before: got error %v", err)
				}
			}
			kept := must(Restore(t.Context(), path, file, 7, noon))(t)
			if (kept == "") != (name == "nothing") {
				t.Errorf("the former database is %q", kept)
			}
			s := openStore(t, path)
			if x := newService(t, s, must(s.Account(t.Context(), "acme"))(t), "new"); x.ID != 8 {
				t.Errorf("the next service has the ID %d, want 8", x.ID)
			}
			for _, end := range []string{".restored", "-journal"} {
				if _, err := os.Stat(path + end); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left: %v", end, err)
				}
			}
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRestoreRefuses(t *testing.T) {
	path, file := backedUp(t)
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := must(os.ReadFile(file))(t)
	for name, c := range map[string]struct{ file, want string }{
		"text":                {write("text", []byte(strings.Repeat("text\n", 999))), "is not a database of upkeep"},
		"nothing":             {write("empty", nil), "is not a database of upkeep"},
		"half a backup":       {write("half", good[:len(good)/2]), "is damaged"},
		"a damaged history":   {ruined(t, "events"), "is damaged"},
		"one that is missing": {filepath.Join(dir, "missing"), "no such file"},
		"of another program":  {write("songs", made(t, filepath.Join(dir, "x"), `CREATE TABLE songs (x)`)), "belongs to another program"},
	} {
		_, err := Restore(t.Context(), path, c.file, 0, noon)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q", name, err, c.want)
		}
	}
	s := openStore(t, path)
	_, err := Restore(t.Context(), path, file, 0, noon)
	wantErr(t, "while it is open", err, ErrInUse)
	if all := must(s.AllServices(t.Context()))(t); len(all) != 3 {
		t.Errorf("%d services are left, want 3", len(all))
	}
}

// A damage that a start would trip over is found by it, one in the history by the check that follows.
func TestDamageIsFound(t *testing.T) {
	for _, table := range []string{"services", "recovery", "accounts", "users", "meta", "grants"} {
		_, err := Open(t.Context(), ruined(t, table))
		if err == nil || !strings.Contains(err.Error(), "is damaged, restore a backup") {
			t.Errorf("%s: got error %v", table, err)
		}
	}
	for _, table := range []string{"events", "events_at", "runs"} {
		s := openStore(t, ruined(t, table))
		if err := s.Trouble(); err != nil {
			t.Errorf("%s: trouble before anybody looked: %v", table, err)
		}
		if err := s.Check(t.Context()); err == nil || s.Trouble() == nil {
			t.Errorf("%s: the check says %v, and then the trouble is %v", table, err, s.Trouble())
		}
	}
	s := newStore(t)
	if err := errors.Join(s.Check(t.Context()), s.Trouble()); err != nil {
		t.Errorf("a sound database: %v", err)
	}
}

// Whichever page is lost: a start says that the database is damaged, or goes on and the check says it.
func TestDamageOfAnyPageIsFound(t *testing.T) {
	good := must(os.ReadFile(ruined(t, "")))(t)
	for page := range len(good) / 4096 {
		path := filepath.Join(t.TempDir(), "upkeep.db")
		text := bytes.Clone(good)
		for i := range 4096 {
			text[page*4096+i] = byte(i*7 + page)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), path)
		if err != nil {
			if ReasonOf(err) != Damage {
				t.Errorf("page %d: Open says %v (%q)", page+1, err, ReasonOf(err))
			}
			continue
		}
		if err := s.Check(t.Context()); ReasonOf(err) != Damage {
			t.Errorf("page %d: nothing is found: %v", page+1, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("page %d: %v", page+1, err)
		}
	}
}

// Damage met by a query is remembered; a later success does not excuse it.
func TestDamageMetByAQueryStays(t *testing.T) {
	s := openStore(t, ruined(t, "events"))
	_, err := s.Events(t.Context(), 1, 10)
	wantErr(t, "a query", err, panel.ErrStorage)
	if err := s.TryWriting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Trouble(); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("the trouble is %v, want the damage", err)
	}
}

func TestTroubleWhenTheFileIsGone(t *testing.T) {
	s := newStore(t)
	if err := os.Rename(s.path, s.path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := s.Trouble(); ReasonOf(err) != Damage || !strings.Contains(err.Error(), "was deleted or replaced") {
		t.Errorf("the trouble is %v", err)
	}
	if err := os.Rename(s.path+".away", s.path); err != nil {
		t.Fatal(err)
	}
	if err := s.Trouble(); err != nil {
		t.Errorf("once it is back: %v", err)
	}
}

func TestTroubleWhileAnotherProcessHoldsTheDatabase(t *testing.T) {
	s := newStore(t)
	other := must(connect(s.path, "_txlock=immediate", 1))(t)
	defer other.Close()
	tx := must(other.BeginTx(t.Context(), nil))(t)
	// What waits in the end is the pragma's five seconds; one of them is enough to know.
	must(s.writer.ExecContext(t.Context(), `PRAGMA busy_timeout = 50`))(t)
	_, err := s.CreateAccount(t.Context(), panel.Account{Name: "acme", UnixUser: "acme", Home: "/home"})
	wantErr(t, "while it is held", err, panel.ErrStorage)
	if err := s.Trouble(); err == nil || !strings.Contains(err.Error(), "another program holds") {
		t.Errorf("the trouble is %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.TryWriting(t.Context()), s.Trouble()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
