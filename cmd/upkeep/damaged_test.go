package main

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"upkeep/store"
)

// serveDamaged starts upkeep on a database that it cannot use, and returns once the page says so.
func (in *installation) serveDamaged(args ...string) *daemon {
	in.t.Helper()
	d := in.begin(in.serving(args), nil)
	d.expect("upkeep cannot use its database: ")
	d.awaitPage()
	return d
}

// awaitPage learns the address from the line that says where the page is.
func (d *daemon) awaitPage() {
	d.t.Helper()
	line := d.expect("http://")
	d.address = "http://" + strings.TrimSuffix(line, " says what to do. Services run on.")
}

// ruins are what can become of a database.
var ruins = map[string]func(path string) error{
	"overwritten in the middle": func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for page := 2; page < len(text)/4096; page += 2 {
			copy(text[page*4096:], bytes.Repeat([]byte{0xa5}, 4096))
		}
		return os.WriteFile(path, text, 0o600)
	},
	"cut short": func(path string) error { return os.Truncate(path, 12288) },
	"garbage":   func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("garbage!"), 8192), 0o600) },
	"empty":     func(path string) error { return os.Truncate(path, 0) },
	"missing":   os.Remove,
}

func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	account := "upkeep-hurt-" + strconv.Itoa(os.Getpid())
	in.newAccounts(account)
	in.run(testPassword, "user", "create", "--password-stdin", "--admin", "alice@example.net")
	d := in.serve()
	b := d.browser()
	b.SignIn("alice@example.net", testPassword)
	addService(b, account, "steady", "sleep 1000")
	pid := mainProcess(t, b, account, "steady")
	d.terminate()
	backup, err := store.BackupByItself(t.Context(), in.database(), store.KindNightly, 3, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, ruin := range ruins {
		if err := ruin(in.database()); err != nil {
			t.Fatal(err)
		}
		d := in.serveDamaged()
		page := d.browser().Get("/accounts/" + account + "/services").WantStatus(http.StatusServiceUnavailable)
		page.WantText("h1", "The database is damaged").WantSound()
		for _, path := range []string{"/", "/signin", "/missing", "/accounts/" + account + "/events", "/version"} {
			d.browser().Get(path).WantStatus(http.StatusServiceUnavailable)
		}
		d.browser().Get("/livez").WantStatus(http.StatusOK)
		d.browser().Get("/readyz").WantStatus(http.StatusServiceUnavailable)
		form := d.browser().Post("/signin", url.Values{"email": {"x"}}).WantStatus(http.StatusServiceUnavailable)
		if form.Header.Get("Content-Security-Policy") == "" || form.Header.Get("Retry-After") == "" {
			t.Errorf("%s: a form is answered with the headers %v", name, form.Header)
		}
		if !alive(pid) {
			t.Fatalf("%s: the service has ended", name)
		}
		// The page says what to do: that, word for word, mends it.
		command := page.Text(".copy code")
		if want := "upkeep restore --data " + in.data + " " + backup; command != want {
			t.Fatalf("%s: the page says %q, want %q", name, command, want)
		}
		said := in.run("", strings.Fields(command)[1:]...)
		if !strings.Contains(said, "goes on by itself") || !strings.Contains(said, "Programs of 1 services run on") {
			t.Errorf("%s: restore said %q", name, said)
		}
		d.awaitReady()
		b := d.browser()
		b.SignIn("alice@example.net", testPassword)
		if got := mainProcess(t, b, account, "steady"); got != pid {
			t.Errorf("%s: the service has the process %d, want the same as before, %d", name, got, pid)
		}
		d.terminate()
	}
	if n := len(processesOf(in.instance())); n != 1 {
		t.Errorf("%d processes of the service, want 1", n)
	}
}

// A signal ends the wait for a database, and services run on.
func TestDamagedDatabaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.run("", "user", "create", "alice@example.net")
	if err := ruins["garbage"](in.database()); err != nil {
		t.Fatal(err)
	}
	d := in.serveDamaged()
	page := d.browser().Get("/").WantStatus(http.StatusServiceUnavailable)
	if text := page.Text("[data-damaged]"); !strings.Contains(text, "no usable backup of its own") {
		t.Errorf("without a backup the page says %q", text)
	}
	d.terminate()
	if text, err := os.ReadFile(in.database()); err != nil || !bytes.HasPrefix(text, []byte("garbage!garbage!")) {
		t.Errorf("the file was changed: %v", err)
	}
}

// smallDisk mounts a file system of a few megabytes on the data directory.
func (in *installation) smallDisk() {
	in.t.Helper()
	if os.Geteuid() != 0 {
		in.t.Skip("only root can mount a file system")
	}
	if err := os.Mkdir(in.data, 0o711); err != nil {
		in.t.Fatal(err)
	}
	mount(in.t, "-t", "tmpfs", "-o", "size=3m,mode=0711", "tmpfs", in.data)
	in.t.Cleanup(func() { // before the folder is removed, behind everything that uses it
		if out, err := exec.Command("umount", in.data).CombinedOutput(); err != nil {
			in.t.Errorf("umount: %v: %s", err, out)
		}
	})
	in.t.Cleanup(in.cleanUp)
}

func mount(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		t.Fatalf("mount %v: %v: %s", args, err, out)
	}
}

// fill leaves no space on the data directory's file system.
func (in *installation) fill() {
	in.t.Helper()
	f, err := os.Create(filepath.Join(in.data, "filler"))
	if err != nil {
		in.t.Fatal(err)
	}
	defer f.Close()
	for block := 64 << 10; block > 0; block /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, block))
		}
	}
}

func (in *installation) makeRoom() {
	in.t.Helper()
	if err := os.Remove(filepath.Join(in.data, "filler")); err != nil {
		in.t.Fatal(err)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.smallDisk()
	account := "upkeep-full-" + strconv.Itoa(os.Getpid())
	in.newAccounts(account)
	in.run(testPassword, "user", "create", "--password-stdin", "--admin", "alice@example.net")
	d := in.serve()
	b := d.browser()
	b.SignIn("alice@example.net", testPassword)
	addService(b, account, "steady", "sleep 1000")
	addService(b, account, "hit", "sleep 1000")
	steady, hit := mainProcess(t, b, account, "steady"), mainProcess(t, b, account, "hit")
	path := "/accounts/" + account + "/services"
	if b.Get(path).WantStatus(http.StatusOK).Has("#trouble") {
		t.Error("the page speaks of trouble before there is any")
	}

	in.fill()
	in.crash(hit)
	eventually(t, "the page says that the database cannot be written", func() bool {
		return b.Get(path).WantStatus(http.StatusOK).Has("#trouble")
	})
	page := b.Get(path + "/hit").WantStatus(http.StatusOK)
	if text := page.Text("#trouble"); !strings.Contains(text, "no space left") {
		t.Errorf("the administrator reads %q", text)
	}
	eventually(t, "the service waits for its next start, by the host's fault", func() bool {
		return strings.Contains(b.Get(path+"/hit").WantStatus(http.StatusOK).Text("main"), "its start cannot be recorded")
	})
	if !alive(steady) {
		t.Error("the other service has ended")
	}
	in.makeRoom()
	if got := mainProcess(t, b, account, "hit"); got == hit {
		t.Errorf("the service has its former process %d", got)
	}
	eventually(t, "the page says nothing more", func() bool { return !b.Get(path).WantStatus(http.StatusOK).Has("#trouble") })
	hit = mainProcess(t, b, account, "hit")

	// A start on the full disk waits, and goes on once there is room.
	d.terminate()
	in.fill()
	d = in.serveDamaged()
	d.browser().Get("/").WantStatus(http.StatusServiceUnavailable).WantText("h1", "The database cannot be used")
	in.makeRoom()
	d.awaitReady()
	d.terminate()
	mount(t, "-o", "remount,ro", in.data)
	d = in.serveDamaged()
	d.browser().Get("/").WantStatus(http.StatusServiceUnavailable)
	mount(t, "-o", "remount,rw", in.data)
	d.awaitReady()
	b = d.browser()
	b.SignIn("alice@example.net", testPassword)
	if a, c := mainProcess(t, b, account, "steady"), mainProcess(t, b, account, "hit"); a != steady || c != hit {
		t.Errorf("the processes are %d and %d, want the same as before, %d and %d", a, c, steady, hit)
	}
}

// crash kills a process and waits until it is gone.
func (in *installation) crash(pid int) {
	in.t.Helper()
	p, err := os.FindProcess(pid)
	if err != nil {
		in.t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		in.t.Fatal(err)
	}
	eventually(in.t, "the process is gone", func() bool { return !alive(pid) })
}
