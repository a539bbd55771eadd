package main

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// starts is how often a service wrote into its own file.
func (in *installation) starts(account, service string) int {
	in.t.Helper()
	text, err := os.ReadFile(filepath.Join(in.home(account), service+".starts"))
	if err != nil {
		in.t.Error(err)
	}
	return strings.Count(string(text), "\n")
}

// counting is a command that writes a line into the file NAME.starts at each start.
func counting(name string) string { return "sh -c 'echo $$ >> " + name + ".starts; exec sleep 1000'" }

// status runs a command and returns its exit status and what it said on both outputs.
func (in *installation) status(args ...string) (int, string) {
	in.t.Helper()
	out, err := in.command(args...).CombinedOutput()
	return in.exitCode(err), string(out)
}

func TestRestoreNeverDoublesAService(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, in *installation) {
		account := "upkeep-back-" + strconv.Itoa(os.Getpid())
		in.newAccounts(account)
		in.run(testPassword, "user", "create", "--password-stdin", "--admin", "alice@example.net")
		d := in.serve()
		b := d.browser()
		b.SignIn("alice@example.net", testPassword)
		for _, name := range []string{"same", "again"} {
			addService(b, account, name, counting(name))
			mainProcess(t, b, account, name)
		}
		backup := filepath.Join(in.dir, "backup.db")
		in.run("", "backup", backup) // while upkeep runs

		// Since then one service has come to its third run, and one was made.
		for range 2 {
			in.crash(mainProcess(t, b, account, "again"))
		}
		addService(b, account, "later", counting("later"))
		before := mainProcesses(t, b, account, "same", "again", "later")
		eventually(t, "each has written its line", func() bool {
			return in.starts(account, "again") == 3 && in.starts(account, "later") == 1
		})

		lock, err := os.ReadFile(filepath.Join(in.data, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		pid := strings.TrimSpace(string(lock))
		code, said := in.status("restore", "--force", backup)
		if want := "upkeep runs on " + in.data + " (PID " + pid + "); end it first, its services run on"; code != exitConflict || !strings.Contains(said, want) {
			t.Errorf("while upkeep runs: status %d, %q, want %q", code, said, want)
		}
		d.terminate()
		code, said = in.status("restore", backup)
		if want := "service 3, PID " + strconv.Itoa(before["later"]); code != exitConflict || !strings.Contains(said, want) {
			t.Errorf("with a program that the backup does not know: status %d, %q, want %q", code, said, want)
		}
		in.run("", "restore", "--force", backup)

		d = in.serve()
		b = d.browser()
		b.SignIn("alice@example.net", testPassword)
		after := mainProcesses(t, b, account, "same", "again")
		if after["same"] != before["same"] || after["again"] != before["again"] || !alive(before["later"]) {
			t.Errorf("the processes are %v, want the same as before, %v", after, before)
		}
		b.Get("/accounts/" + account + "/services/later").WantStatus(http.StatusNotFound)
		if code, said := in.status("doctor"); code != 1 || !strings.Contains(said, "service 3, which does not exist, runs: PID "+strconv.Itoa(before["later"])) {
			t.Errorf("doctor: status %d, %s", code, said)
		}
		// A new service never gets the ID of the one that nobody knows any more.
		addService(b, account, "newest", counting("newest"))
		if pid := mainProcess(t, b, account, "newest"); pid == before["later"] {
			t.Error("the new service has taken the process of the forgotten one")
		}
		d.crash()
		d = in.serve()
		b = d.browser()
		b.SignIn("alice@example.net", testPassword)
		if got := mainProcesses(t, b, account, "same", "again"); got["same"] != before["same"] || got["again"] != before["again"] {
			t.Errorf("after the next start the processes are %v, want %v", got, before)
		}
		for name, want := range map[string]int{"same": 1, "again": 3, "later": 1, "newest": 1} {
			if got := in.starts(account, name); got != want {
				t.Errorf("%s was started %d times, want %d", name, got, want)
			}
		}
	})
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, in *installation) {
		account := "upkeep-ill-" + strconv.Itoa(os.Getpid())
		helper := "--helper=" + filepath.Join(bin, "upkeep-helper")
		if code, said := in.status("doctor", helper); code != 1 || !strings.Contains(said, "start upkeep once") {
			t.Errorf("before the first start: status %d, %s", code, said)
		}
		in.newAccounts(account)
		if verdicts := in.verdicts(1, helper); verdicts["daemon"] != wrong || verdicts["database"] != right {
			t.Errorf("before the first start: %v", verdicts)
		}
		d := in.serve()
		for check, v := range in.verdicts(0, helper) {
			if v == wrong {
				t.Errorf("a running upkeep: %s is wrong", check)
			}
		}
		if got := in.verdicts(1, "--helper=/missing")["helper"]; got != wrong {
			t.Errorf("without a helper: %q", got)
		}
		if err := os.Rename(in.home(account), in.home(account)+".away"); err != nil {
			t.Fatal(err)
		}
		if got := in.verdicts(1, helper)["homes"]; got != wrong {
			t.Errorf("without a home: %q", got)
		}
		if err := os.Rename(in.home(account)+".away", in.home(account)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(in.data, 0o777); err != nil {
			t.Fatal(err)
		}
		if got := in.verdicts(1, helper)["data directory"]; got != wrong {
			t.Errorf("a directory that everybody can write: %q", got)
		}
		if err := os.Chmod(in.data, 0o711); err != nil {
			t.Fatal(err)
		}
		d.terminate()
		if err := ruins["cut short"](in.database()); err != nil {
			t.Fatal(err)
		}
		if got := in.verdicts(1, helper)["database"]; got != wrong {
			t.Errorf("a damaged database: %q", got)
		}
	})
}

// verdicts runs the doctor, which must end with a status, and returns the worst verdict of each check.
func (in *installation) verdicts(status int, args ...string) map[string]verdict {
	in.t.Helper()
	out, err := in.command(append([]string{"doctor", "--json"}, args...)...).Output()
	if code := in.exitCode(err); code != status {
		in.t.Errorf("doctor ended with %d, want %d: %s", code, status, out)
	}
	var report struct {
		OK     bool
		Checks []finding
	}
	if err := json.Unmarshal(out, &report); err != nil {
		in.t.Fatalf("%v: %s", err, out)
	}
	if report.OK != (status == 0) {
		in.t.Errorf("doctor says ok: %v, and ends with %d", report.OK, status)
	}
	found := map[string]verdict{}
	for _, f := range report.Checks {
		if f.Text == "" || (f.Verdict != right && f.Verdict != note && f.Verdict != wrong) {
			in.t.Errorf("finding %+v", f)
		}
		if found[f.Check] != wrong {
			found[f.Check] = f.Verdict
		}
	}
	return found
}

func (in *installation) exitCode(err error) int {
	in.t.Helper()
	if err == nil {
		return 0
	}
	exit, ok := err.(*exec.ExitError)
	if !ok {
		in.t.Fatal(err)
	}
	return exit.ExitCode()
}

// Another process that holds the database for longer than upkeep waits delays a start and nothing else.
func TestBusyDatabase(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	account := "upkeep-busy-" + strconv.Itoa(os.Getpid())
	in.newAccounts(account)
	in.run(testPassword, "user", "create", "--password-stdin", "--admin", "alice@example.net")
	d := in.serve()
	b := d.browser()
	b.SignIn("alice@example.net", testPassword)
	addService(b, account, "steady", "sleep 1000")
	first := mainProcess(t, b, account, "steady")
	db, err := sql.Open("sqlite", "file:"+in.database()+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	in.crash(first)
	path := "/accounts/" + account + "/services/steady"
	eventually(t, "the page says that another program holds the database", func() bool {
		return strings.Contains(b.Get(path).WantStatus(http.StatusOK).Text("#trouble"), "another program holds")
	})
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if second := mainProcess(t, b, account, "steady"); second == first {
		t.Errorf("the process is still %d", first)
	}
	eventually(t, "the page says nothing more", func() bool { return !b.Get(path).WantStatus(http.StatusOK).Has("#trouble") })
	if said := b.Get(path).Text("main"); strings.Contains(said, "failures") && strings.Contains(said, "2 of") {
		t.Errorf("the wait counts as a failure: %s", said)
	}
}

// Damage that happens while upkeep runs is found by the next look at it, and the services run on.
func TestDamageWhileRunning(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	account := "upkeep-worn-" + strconv.Itoa(os.Getpid())
	in.newAccounts(account)
	in.run(testPassword, "user", "create", "--password-stdin", "--admin", "alice@example.net")
	in.serve().terminate()
	// The index of events by time: nothing reads it but the check and the pruning.
	db, err := sql.Open("sqlite", "file:"+in.database())
	if err != nil {
		t.Fatal(err)
	}
	var page int64
	if err := db.QueryRow(`SELECT rootpage FROM sqlite_schema WHERE name = 'events_at'`).Scan(&page); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(in.database(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(strings.Repeat("\xa5", 4096)), (page-1)*4096); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	d := in.serve() // what the start depends on is sound
	b := d.browser()
	b.SignIn("alice@example.net", testPassword)
	eventually(t, "the page says that the database is damaged", func() bool {
		return strings.Contains(b.Get("/accounts/"+account+"/services").WantStatus(http.StatusOK).Text("#trouble"), "is damaged, restore a backup")
	})
	eventually(t, "the log says it", func() bool { return strings.Contains(in.said(), "the database is damaged; restore a backup") })
}
