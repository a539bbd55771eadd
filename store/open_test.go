package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// secondProcess names, in the environment, the database in which the test binary creates accounts when it was
// started as a second process.
const secondProcess = "UPKEEP_TEST_SECOND_PROCESS"

func TestMain(m *testing.M) {
	if path := os.Getenv(secondProcess); path != "" {
		if err := createAccounts(path, "second"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const accountsEach = 50

func createAccounts(path, prefix string) error {
	ctx := context.Background()
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	for i := range accountsEach {
		name := fmt.Sprintf("%s-%d", prefix, i)
		if _, err = s.CreateAccount(ctx, panel.Account{Name: name, UnixUser: name, Home: "/home"}); err != nil {
			break
		}
	}
	return errors.Join(err, s.Close())
}

func TestSecondProcessWritesWhileTheFirstDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "upkeep.db")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), secondProcess+"="+path)
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil { // both create the file and migrate, too
		t.Fatal(err)
	}
	if err := createAccounts(path, "first"); err != nil {
		t.Error(err)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("second process: %v", err)
	}
	all := must(openStore(t, path).Accounts(t.Context()))(t)
	if len(all) != 2*accountsEach {
		t.Errorf("got %d accounts, want %d", len(all), 2*accountsEach)
	}
}

func TestManyOpenANewFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "upkeep.db")
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = s.InstanceID()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("got instance IDs %q, want one", ids)
			break
		}
	}
}

func TestWhatIsMadeOnceIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "upkeep.db")
	s := openStore(t, path)
	if !regexp.MustCompile(`^[a-z0-9]{8}$`).MatchString(s.InstanceID()) {
		t.Errorf("got instance ID %q, want 8 of [a-z0-9]", s.InstanceID())
	}
	cookie := must(s.Secret(t.Context(), "cookie"))(t)
	other := must(s.Secret(t.Context(), "other"))(t)
	if len(cookie) != 32 || bytes.Equal(cookie, other) {
		t.Errorf("got secrets %x and %x, want two of 32 bytes", cookie, other)
	}
	again := openStore(t, path)
	if again.InstanceID() != s.InstanceID() {
		t.Errorf("got instance ID %q after opening again, want %q", again.InstanceID(), s.InstanceID())
	}
	if got := must(again.Secret(t.Context(), "cookie"))(t); !bytes.Equal(got, cookie) {
		t.Errorf("got secret %x after opening again, want %x", got, cookie)
	}
	if other := newStore(t); other.InstanceID() == s.InstanceID() {
		t.Errorf("two databases have the instance ID %q", s.InstanceID())
	}
}

func TestOnlyTheOwnerReadsTheFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "upkeep.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil { // as somebody may have left it
		t.Fatal(err)
	}
	s := openStore(t, path)
	newAccount(t, s, "acme")
	files := must(os.ReadDir(dir))(t)
	if len(files) < 3 {
		t.Errorf("got %v, want the database and its log at least", files)
	}
	for _, f := range files {
		if info := must(f.Info())(t); info.Mode() != 0o600 {
			t.Errorf("%s: got mode %v, want 0600", f.Name(), info.Mode())
		}
	}
}

func TestAnyPathWillDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?mode=memory#c%41&.db")
	newAccount(t, openStore(t, path), "acme")
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestCloseLeavesOneWholeFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "upkeep.db")
	s := must(Open(t.Context(), path))(t)
	newAccount(t, s, "acme")
	must(s.Accounts(t.Context()))(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + end); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want that it is gone", end, err)
		}
	}
	if s.Ping(t.Context()) == nil {
		t.Error("Ping of a closed store: got no error")
	}
}

func TestConnectionsHaveTheirOptions(t *testing.T) {
	s := newStore(t)
	for _, c := range []struct {
		pragma          string
		writer, readers string
	}{
		{"foreign_keys", "1", "1"},
		{"busy_timeout", "5000", "5000"},
		{"journal_mode", "wal", "wal"},
		{"synchronous", "1", "1"},
		{"query_only", "0", "1"},
	} {
		for db, want := range map[*sql.DB]string{s.writer: c.writer, s.readers.DB: c.readers} {
			got := must(one(t.Context(), db, column[string], "PRAGMA "+c.pragma))(t)
			if got != want {
				t.Errorf("%s: got %s, want %s", c.pragma, got, want)
			}
		}
	}
	if n := s.writer.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("got %d writers, want 1", n)
	}
}

// damaged returns the bytes of a good database after change.
func damaged(t *testing.T, change func(b []byte) []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "upkeep.db")
	s := must(Open(t.Context(), path))(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return change(must(os.ReadFile(path))(t))
}

// made returns the bytes of a database made with SQL.
func made(t *testing.T, path, statements string) []byte {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := must(connect(path, plainOptions, 1))(t)
	must(db.ExecContext(t.Context(), statements))(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return must(os.ReadFile(path))(t)
}

func TestOpenRefusesAndLeavesAlone(t *testing.T) {
	newer := func(b []byte) []byte {
		path := filepath.Join(t.TempDir(), "newer.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		db := must(connect(path, plainOptions, 1))(t)
		must(db.ExecContext(t.Context(), `PRAGMA journal_mode = DELETE;
			INSERT INTO schema_migrations (version_id, is_applied) VALUES (99, 1);
			PRAGMA journal_mode = WAL`))(t)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return must(os.ReadFile(path))(t)
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"a newer database", damaged(t, newer), "was written by a newer upkeep"},
		{"text", []byte(strings.Repeat("no database at all\n", 500)), "is not a database of upkeep"},
		{"another program's database", made(t, filepath.Join(t.TempDir(), "x"), `CREATE TABLE songs (x)`),
			"it belongs to another program"},
		{"a broken schema", damaged(t, func(b []byte) []byte {
			copy(b[100:4096], bytes.Repeat([]byte{0xff}, 3996))
			return b
		}), "is damaged, restore a backup"},
		{"a file cut short", damaged(t, func(b []byte) []byte { return b[:len(b)/2] }), "is damaged, restore a backup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "upkeep.db")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got error %v, want %s and %q", err, path, c.want)
			}
			if !bytes.Equal(must(os.ReadFile(path))(t), c.file) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenSaysThatItCannotWrite(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // root may write anywhere, so look at files as somebody else
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := unix.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Setfsuid(0) }() // for t.Cleanup, which runs on this thread
	}
	_, err := Open(t.Context(), filepath.Join(dir, "upkeep.db"))
	wantErr(t, "in a folder of somebody else", err, fs.ErrPermission)
	if err == nil || !strings.Contains(err.Error(), "must be able to write") {
		t.Errorf("got error %v, want a sentence about writing", err)
	}
}

func TestOpenNeedsAFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), filepath.Join(dir, "missing", "upkeep.db"))
	wantErr(t, "in a missing folder", err, fs.ErrNotExist)
	_, err = Open(t.Context(), filepath.Join(file, "upkeep.db"))
	wantErr(t, "below a file", err, unix.ENOTDIR)
	_, err = Open(t.Context(), dir)
	if err == nil {
		t.Error("a folder as the database: got no error")
	}
}
