package main

import (
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"upkeep/internal/cgroup"
	"upkeep/internal/htmltest"
)

var demoRunning = []string{"flaky-worker", "hello-web", "ticker"}

// demoAsItShouldBe waits until the demo runs, and returns its processes.
func demoAsItShouldBe(t *testing.T, b *htmltest.Client) map[string]int {
	t.Helper()
	want := map[string]string{"flaky-worker": "running", "hello-web": "running", "ticker": "running", "old-bot": "paused"}
	eventually(t, "three services of the demo run and one is paused", func() bool {
		return maps.Equal(states(b, demoName), want)
	})
	return mainProcesses(t, b, demoName, demoRunning...)
}

func TestDemoLivesThroughEveryEndOfUpkeep(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, in *installation) {
		if in.uid == 0 {
			in.makesUser(demoName)
		}
		d := in.serve("--demo")
		b := d.browser()
		choosePassword(b, d.firstLink()).Follow().WantStatus(http.StatusOK).WantText("h1", "Services").WantSound()
		first := demoAsItShouldBe(t, b)
		wantOwnProcesses(t, in, first)
		wantHello(t, b)
		in.wantOutput(demoName, "ticker", "tick 1 at ")

		d.terminate()
		wantAlive(t, first, "after SIGTERM")
		d = in.serve("--demo")
		b = d.browser()
		b.SignIn("admin@localhost", testPassword)
		wantSame(t, "after SIGTERM", demoAsItShouldBe(t, b), first)

		d.crash()
		wantAlive(t, first, "after SIGKILL")
		d = in.serveInTerminal("--demo")
		b = d.browser()
		b.SignIn("admin@localhost", testPassword)
		wantSame(t, "after SIGKILL", demoAsItShouldBe(t, b), first)
		wantHello(t, b)

		d.press(ctrlC)
		d.expect("Stopping the services as well. Press Ctrl-C again to leave them running.")
		d.end("All services are stopped. They start again with the next start of upkeep.")
		if left := processesOf(in.instance()); len(left) > 0 {
			t.Errorf("processes %v are left after Ctrl-C", left)
		}
		if groups := cgroup.Trees(in.instance()); len(groups) > 0 {
			t.Errorf("the control groups %v are left after Ctrl-C", groups)
		}

		d = in.serve("--demo")
		b = d.browser()
		b.SignIn("admin@localhost", testPassword)
		for name, pid := range demoAsItShouldBe(t, b) {
			if pid == first[name] {
				t.Errorf("%s has the PID %d again", name, pid)
			}
		}
		d.noLink()
	})
}

func wantAlive(t *testing.T, pids map[string]int, when string) {
	t.Helper()
	for name, pid := range pids {
		if !alive(pid) {
			t.Errorf("%s: %s, process %d, is gone", when, name, pid)
		}
	}
}

func wantSame(t *testing.T, when string, got, want map[string]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s the processes are %v, want the same as before, %v", when, got, want)
	}
}

// wantOwnProcesses checks that the processes are those of the account's user, in the account's home.
func wantOwnProcesses(t *testing.T, in *installation, pids map[string]int) {
	t.Helper()
	owner := uidOf(t, in.home(demoName))
	if owner == 0 {
		t.Error("the home of the demo belongs to root")
	}
	for name, pid := range pids {
		folder := "/proc/" + strconv.Itoa(pid)
		if got := uidOf(t, folder); got != owner {
			t.Errorf("%s has the uid %d, want %d", name, got, owner)
		}
		if got, err := os.Readlink(folder + "/cwd"); got != filepath.Join(in.home(demoName), demoFolder) {
			t.Errorf("%s runs in %q (%v)", name, got, err)
		}
	}
}

// wantHello asks the demo's web service for its page, on both families of addresses.
func wantHello(t *testing.T, b *htmltest.Client) {
	t.Helper()
	page := b.Get("/accounts/" + demoName + "/services").WantStatus(http.StatusOK)
	port := page.Text("tr[data-service=hello-web] .c-port b")
	for _, host := range []string{"[::1]", "127.0.0.1"} {
		url := "http://" + host + ":" + port + "/"
		if host == "[::1]" && !haveIPv6() {
			continue
		}
		eventually(t, url+" answers", func() bool {
			answer, err := http.Get(url)
			if err != nil {
				return false
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			return err == nil && string(body) == "Hello from hello-web of account demo.\n"
		})
	}
}

func haveIPv6() bool {
	_, err := os.Stat("/proc/net/if_inet6")
	return err == nil
}
