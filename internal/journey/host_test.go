package journey

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/htmltest"
	"upkeep/internal/panel"
	"upkeep/internal/rig"
	"upkeep/store"
)

// The one account of a host and the person who looks after it.
const (
	accountName = "shop"
	email       = "owner@example.net"
	password    = "correct horse battery"
	services    = "/accounts/" + accountName + "/services"
	processes   = "/accounts/" + accountName + "/processes/services"
)

// nobody is the uid and gid that services run as when the tests are run by root.
const nobody = 65534

// host is a running "upkeep serve" with its own data.
type host struct {
	t        *testing.T
	dir      string
	home     string   // of the account
	flags    []string // of serve
	instance string
	address  string // of the panel: http://localhost:12345

	serve     *exec.Cmd
	ended     chan error // of serve
	terminals []*os.File
	starts    int
}

// startHost starts upkeep with an account and a person. When the test ends so does upkeep, with everything it runs.
func startHost(t *testing.T, flags ...string) *host {
	t.Helper()
	need(t)
	dir := openDir(t)
	h := &host{t: t, dir: dir, home: filepath.Join(dir, "homes", accountName)}
	h.flags = append([]string{"--listen", "127.0.0.1:0", "--stop-timeout", "5s"}, flags...)
	if err := os.WriteFile(h.config(), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.makeAccount()
	h.command(password+"\n", "user", "create", email, "--password-stdin", "--account", accountName)
	t.Cleanup(h.end)
	h.start()
	return h
}

func (h *host) config() string { return filepath.Join(h.dir, "config.toml") }
func (h *host) data() string   { return filepath.Join(h.dir, "data") }

// makeAccount makes the account: as root with a Unix user that every machine has, which the command would refuse
// because that user has no home.
func (h *host) makeAccount() {
	h.t.Helper()
	if os.Geteuid() != 0 {
		h.command("", "account", "create", accountName)
	}
	if err := os.MkdirAll(h.data(), 0o711); err != nil {
		h.t.Fatal(err)
	}
	st, err := store.Open(h.t.Context(), filepath.Join(h.data(), "upkeep.db"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer st.Close()
	h.instance = st.InstanceID()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.MkdirAll(h.home, 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chown(h.home, nobody, nobody); err != nil {
		h.t.Fatal(err)
	}
	a := panel.Account{Name: accountName, UnixUser: "nobody", Home: h.home}
	if _, err := st.CreateAccount(h.t.Context(), a); err != nil {
		h.t.Fatal(err)
	}
}

// upkeep is a command of upkeep on this host's data, apart from the settings of the machine.
func (h *host) upkeep(args ...string) *exec.Cmd {
	args = append(args, "--data", h.data(), "--homes", filepath.Dir(h.home))
	cmd := exec.Command(filepath.Join(bin, "upkeep"), args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "UPKEEP_") })
	cmd.Env = append(cmd.Env, "UPKEEP_CONFIG="+h.config())
	return cmd
}

// command runs a command that ends by itself.
func (h *host) command(stdin string, args ...string) {
	h.t.Helper()
	cmd := h.upkeep(args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("upkeep %s: %v: %s", args[0], err, out)
	}
}

var readyLine = regexp.MustCompile(`upkeep is ready: (\S+)\n`)

// start starts the server and waits until it says where it is. Its standard input is a terminal, so that an
// interrupt stops the services as well.
func (h *host) start() {
	h.t.Helper()
	h.starts++
	said, err := os.Create(h.transcript())
	if err != nil {
		h.t.Fatal(err)
	}
	defer said.Close()
	h.serve = h.upkeep(append([]string{"serve"}, h.flags...)...)
	h.serve.Stdin = h.terminal()
	h.serve.Stdout, h.serve.Stderr = said, said
	if err := h.serve.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait() }(h.serve, h.ended)
	eventually(h.t, "upkeep is ready", func() bool {
		ready := readyLine.FindStringSubmatch(h.said())
		if ready != nil {
			h.address = ready[1]
		}
		return ready != nil
	}, h.said)
}

func (h *host) transcript() string {
	return filepath.Join(h.dir, fmt.Sprintf("serve-%d.txt", h.starts))
}

// said is what the server has printed.
func (h *host) said() string {
	text, err := os.ReadFile(h.transcript())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// terminal returns the terminal's side of a pair, which stays open until the host ends.
func (h *host) terminal() *os.File {
	h.t.Helper()
	master := h.openTerminal("/dev/ptmx")
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		h.t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.openTerminal("/dev/pts/" + strconv.Itoa(number))
}

func (h *host) openTerminal(path string) *os.File {
	h.t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	h.terminals = append(h.terminals, f)
	return f
}

// crash kills the daemon and its keeper, and nothing else.
func (h *host) crash() {
	h.t.Helper()
	if err := rig.Crash(h.data()); err != nil {
		h.t.Fatal(err)
	}
	<-h.ended
	h.serve = nil
}

// end stops the server and its services, as Ctrl-C in a terminal does, and makes sure that nothing is left.
func (h *host) end() {
	if h.serve != nil && h.serve.Process != nil {
		h.interrupt()
	}
	if h.t.Failed() {
		h.t.Logf("upkeep said:\n%s", h.said())
	}
	for _, pid := range h.living() {
		h.t.Errorf("process %d (%s) is left", pid, commandLine(pid))
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			h.t.Error(err)
		}
	}
	h.removeGroups()
	for _, f := range h.terminals {
		f.Close()
	}
}

// removeGroups makes sure that upkeep took its control groups away, where it can have any.
func (h *host) removeGroups() {
	for _, base := range cgroup.Trees(h.instance) {
		h.t.Errorf("control groups are left below %s: %v", base, cgroup.Remove(base))
	}
}

func (h *host) interrupt() {
	if err := h.serve.Process.Signal(os.Interrupt); err != nil {
		h.t.Errorf("interrupt upkeep: %v", err)
	}
	select {
	case err := <-h.ended:
		if err != nil {
			h.t.Errorf("upkeep: %v", err)
		}
	case <-time.After(patience):
		h.t.Errorf("upkeep does not end: %v", rig.Crash(h.data()))
		<-h.ended
	}
}

// living lists every process that runs in the account's home.
func (h *host) living() []int {
	folders, err := os.ReadDir("/proc")
	if err != nil {
		h.t.Error(err)
	}
	var pids []int
	for _, folder := range folders {
		pid, err := strconv.Atoi(folder.Name())
		if err == nil && slices.Contains(environ(pid), "HOME="+h.home) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// write puts a program into the account's home, in a folder that may be new.
func (h *host) write(name, content string) {
	h.t.Helper()
	path := filepath.Join(h.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		h.t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		h.t.Fatal(err)
	}
}

// log returns what a service has printed, as it lies in the home.
func (h *host) log(service string) string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.home, "admin/logs/services", service+".log"))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// client signs in without a browser, to set the scene for a test quickly.
func (h *host) client() *htmltest.Client {
	h.t.Helper()
	c := htmltest.Open(h.t, h.address)
	c.SignIn(email, password)
	return c
}

// add creates a service and waits until it is in a state.
func (h *host) add(c *htmltest.Client, def panel.Definition, paused bool, want panel.State) {
	h.t.Helper()
	c.Get(services+"/new").Form("main form").
		Set("name", def.Name).Set("command", def.Command).Set("port", number(def.Port)).Set("annotation", def.Annotation).
		Set("environment", def.Environment).Set("monitoring", def.Monitoring.Command).
		Set("monitoring_grace", span(def.Monitoring.Grace)).Set("monitoring_failures", number(def.Monitoring.Failures)).Check("paused", paused).
		Submit().WantStatus(303)
	h.await(c, def.Name, want)
}

// number and span are how a form is given a number and a time: nothing for none.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func span(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// await waits until a service is in a state.
func (h *host) await(c *htmltest.Client, service string, want panel.State) {
	h.t.Helper()
	state := ""
	eventually(h.t, service+" is "+string(want), func() bool {
		state = c.Get(services+"/"+service).Attr("main [data-service]", "data-state")
		return state == string(want)
	}, func() string { return state })
}
