package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// eachKind runs a test for every kind of installation that can be made here: with a Unix user for each account, which
// takes root, and with one for all of them.
func eachKind(t *testing.T, test func(*testing.T, *installation)) {
	if os.Geteuid() == 0 {
		t.Run("root", func(t *testing.T) { test(t, newInstallation(t)) })
		t.Run("nobody", func(t *testing.T) { test(t, newInstallationOf(t, nobody)) })
		return
	}
	test(t, newInstallation(t))
}

// newAccounts makes accounts. As root, the Unix users are made as well, and removed after the test.
func (in *installation) newAccounts(names ...string) {
	in.t.Helper()
	for _, name := range names {
		if in.uid == 0 {
			in.makesUser(name)
		}
		if got, want := in.run("", "account", "create", name), "Account "+name+" is ready. Home: "+in.home(name)+"\n"; got != want {
			in.t.Errorf("account create %s printed %q, want %q", name, got, want)
		}
	}
}

func (in *installation) home(account string) string { return filepath.Join(in.homes, account) }

func TestCommandsWorkWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, in *installation) {
		number := strconv.Itoa(os.Getpid())
		own, other := "upkeep-own-"+number, "upkeep-other-"+number
		d := in.serve()
		in.newAccounts(own, other)
		in.run(testPassword, "user", "create", "--password-stdin", "--account", own, "alice@example.net")

		b := d.browser()
		b.SignIn("alice@example.net", testPassword).WantStatus(http.StatusOK).WantSound()
		services := "/accounts/" + own + "/services"
		b.Get(services).WantStatus(http.StatusOK)
		b.Get("/accounts/" + other + "/services").WantStatus(http.StatusNotFound)

		addService(b, own, "sleeper", "sleep 1000")
		pid := mainProcess(t, b, own, "sleeper")
		if got, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd"); got != in.home(own) {
			t.Errorf("the service runs in %q (%v), want %q", got, err, in.home(own))
		}
		if got, want := uidOf(t, "/proc/"+strconv.Itoa(pid)), uidOf(t, in.home(own)); got != want || got == 0 {
			t.Errorf("the service has the uid %d, want the home's owner %d and never root", got, want)
		}
	})
}
