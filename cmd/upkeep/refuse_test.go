package main

import (
	"database/sql"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// content is every file below a folder. What only locks does not count.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(d.Name(), "lock") {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// wantRefusal checks that a start fails with one sentence that contains a text, and changes nothing.
func (in *installation) wantRefusal(text string, args ...string) {
	in.t.Helper()
	before := content(in.t, in.dir)
	if got := in.refuses(append([]string{"serve"}, args...)...); !strings.Contains(got, text) {
		in.t.Errorf("upkeep said %q, want %q", got, text)
	}
	if after := content(in.t, in.dir); !maps.Equal(after, before) {
		in.t.Errorf("there are the files %q, want %q with the same content", keys(after), keys(before))
	}
}

func keys(files map[string]string) (names []string) {
	for name := range files {
		names = append(names, name)
	}
	return names
}

func TestServeRefusesATakenAddress(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	in.wantRefusal("the address "+addr+" is taken by another program; choose another one with --listen", "--listen", addr)
	in.wantRefusal("the panel cannot listen on \"localhost\"", "--listen", "localhost")
	in.wantRefusal("choose another address with --listen", "--listen", "192.0.2.1:80")
}

func TestServeRefusesASecondOne(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	d := in.serve()
	pid := strconv.Itoa(d.cmd.Process.Pid)
	said := in.refuses("serve")
	if want := "another upkeep already runs on " + in.data + " (PID " + pid + "); stop it, or"; !strings.Contains(said, want) {
		t.Errorf("upkeep said %q, want %q", said, want)
	}
	if said != in.refuses("serve") {
		t.Error("the second attempt is answered in another way")
	}
	d.browser().Get("/readyz").WantStatus(http.StatusOK)
	d.crash()
	in.serve() // a crash leaves no lock
}

func TestServeRefusesAFolderThatItCannotWrite(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	below := filepath.Join(in.config(), "data")
	in.wantRefusal("the data directory cannot be made: mkdir "+in.config()+": not a directory; choose another one with --data",
		"--data", below)
}

func TestServeRefusesToRunWithoutItsHelper(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	if got := in.refuses("serve", "--helper", "/missing"); !strings.Contains(got, "helper /missing: no such file or directory") {
		t.Errorf("upkeep said %q, want the path of the helper", got)
	}
}

func TestServeRefusesAFolderOfSomebodyElse(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	if in.uid == 0 {
		in = newInstallationOf(t, nobody)
	}
	closed := filepath.Join(in.dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	in.wantRefusal("the data directory cannot be written: ", "--data", closed)
	in.wantRefusal("the data directory cannot be made: ", "--data", filepath.Join(closed, "data"))
	in.wantRefusal("permission denied; choose another one with --data", "--data", filepath.Join(closed, "data"))
}

func TestServeRefusesADatabaseThatItCannotRead(t *testing.T) {
	t.Parallel()
	t.Run("newer", func(t *testing.T) {
		in := newInstallation(t)
		in.run("", "user", "create", "alice@example.net")
		db, err := sql.Open("sqlite", in.database())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`INSERT INTO schema_migrations (version_id, is_applied) VALUES (9999, 1)`); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		in.wantRefusal("was written by a newer upkeep")
	})
	for name, text := range map[string]string{
		"garbage":       strings.Repeat("no database at all\n", 500),
		"half a header": "SQLite format 3\x00\x10\x00",
	} {
		t.Run(name, func(t *testing.T) {
			in := newInstallation(t)
			if err := os.Mkdir(in.data, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(in.database(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			in.wantRefusal(in.database() + " is not a database of upkeep")
		})
	}
}

// A lock that is only left by somebody who is about to be gone is waited for.
func TestDirectoryOfOneThatWasJustKilled(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { f.Close() })
	unlock, err := takeDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
