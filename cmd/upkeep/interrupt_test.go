package main

import (
	"os"
	"strconv"
	"syscall"
	"testing"
)

// deaf ignores the signal that asks it to end, and says when it does.
const deaf = `sh -c 'trap "" TERM; echo "deaf now"; while :; do sleep 1; done'`

func TestInterrupts(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	account := "upkeep-deaf-" + strconv.Itoa(os.Getpid())
	in.newAccounts(account)
	in.run(testPassword, "user", "create", "--password-stdin", "--admin", "alice@example.net")
	d := in.serveInTerminal()
	b := d.browser()
	b.SignIn("alice@example.net", testPassword)
	addService(b, account, "deaf", deaf)
	pid := mainProcess(t, b, account, "deaf")
	in.wantOutput(account, "deaf", "deaf now")

	// The second Ctrl-C does not wait for a service that takes its time.
	d.press(ctrlC)
	d.expect("Stopping the services as well.")
	d.press(ctrlC)
	d.end("Some services may still run; the next start takes them over.")
	same := func(after string) {
		t.Helper()
		b = d.browser()
		b.SignIn("alice@example.net", testPassword)
		if got := mainProcess(t, b, account, "deaf"); got != pid {
			t.Errorf("after %s the service has the process %d, want the same as before, %d", after, got, pid)
		}
	}

	// Without a terminal SIGINT leaves services running, as SIGTERM does.
	d = in.serve()
	same("a second Ctrl-C")
	d.send(syscall.SIGINT)
	d.end("upkeep stops; services run on")

	// In the end a service is killed.
	d = in.serveInTerminal("--stop-timeout", "100ms")
	same("SIGINT without a terminal")
	d.press(ctrlC)
	d.end("All services are stopped.")
	if alive(pid) {
		t.Errorf("process %d is left after Ctrl-C", pid)
	}
}
