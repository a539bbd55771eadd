package failpoint_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"upkeep/internal/keeper"
	"upkeep/internal/panel"
	"upkeep/internal/rig"
	"upkeep/internal/token"
	"upkeep/store"
)

// world is an upkeep of the test build with services, and what a test wants of them.
type world struct {
	t       *testing.T
	dir     string
	data    string
	home    string
	store   *store.Store
	account panel.Account
	secret  string // of a session
	posts   sync.WaitGroup
	environ []string // what upkeep gets besides

	wanted  map[string]panel.Wanted // of each service that must exist
	leaving map[string]bool         // services whose removal was asked
	unknown bool                    // the step under way may lose an exit status
	lost    map[string]bool         // runs whose status was lost in such a step
	cut     map[string]bool         // runs that ended in such a step: the FIFO was nobody's, and with it the last lines
	made    int                     // number of the latest service or status that is used once
}

// The services of a world. Those in paused are so at first.
var (
	programs = map[string]string{"writer": "writer", "ender": "ender", "parent": "parent", "stubborn": "stubborn",
		"late": "writer", "brief": "ender"}
	paused = map[string]bool{"late": true, "brief": true}
)

const accountName = "ann"

// newWorld makes a world and starts upkeep. All is ended after the test.
func newWorld(t *testing.T, environ ...string) *world {
	t.Helper()
	// Not t.TempDir: the users of accounts could not pass it.
	dir, err := os.MkdirTemp("", "upkeep-failpoint-")
	check(t, err)
	w := &world{t: t, dir: dir, data: filepath.Join(dir, "data"), home: filepath.Join(dir, "home"), environ: environ,
		wanted: map[string]panel.Wanted{}, leaving: map[string]bool{}, lost: map[string]bool{},
		cut: map[string]bool{}}
	t.Cleanup(w.clear)
	check(t, errors.Join(os.Chmod(dir, 0o755), os.Mkdir(w.data, 0o711), os.Mkdir(w.home, 0o755),
		os.WriteFile(w.config(), nil, 0o644), os.WriteFile(w.order(), nil, 0o666), os.Chmod(w.order(), 0o666)))
	w.store, err = store.Open(t.Context(), filepath.Join(w.data, "upkeep.db"))
	check(t, err)
	w.fill()
	w.serve()
	w.settle()
	return w
}

func (w *world) config() string { return filepath.Join(w.dir, "config.toml") }
func (w *world) order() string  { return filepath.Join(w.dir, "order") }
func (w *world) output() string { return filepath.Join(w.dir, "output") }

// fill stores the account, its services and a session of its user.
func (w *world) fill() {
	acct := panel.Account{Name: accountName, UnixUser: "nobody", Home: w.home, Shared: os.Geteuid() != 0,
		CreatedAt: time.Now()}
	var err error
	if acct.Shared {
		u, err := user.Current()
		check(w.t, err)
		acct.UnixUser = u.Username
	} else {
		u, err := user.Lookup(acct.UnixUser)
		check(w.t, err)
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		check(w.t, errors.Join(err1, err2, os.Chown(w.home, uid, gid)))
	}
	w.account, err = w.store.CreateAccount(w.t.Context(), acct)
	check(w.t, err)
	for name, program := range programs {
		w.wanted[name] = panel.WantedOn
		if paused[name] {
			w.wanted[name] = panel.WantedPaused
		}
		_, err := w.store.CreateService(w.t.Context(), panel.Service{Account: w.account.ID, CreatedAt: time.Now(),
			Wanted: w.wanted[name], Definition: panel.Definition{Name: name, Command: command(program)}}, panel.Actor{})
		check(w.t, err)
	}
	person, err := w.store.CreateUser(w.t.Context(), "ann@localhost", "", false, []panel.AccountID{w.account.ID})
	check(w.t, err)
	secret, hash := token.New()
	w.secret = secret
	now := time.Now()
	check(w.t, w.store.SaveSession(w.t.Context(), panel.Session{IDHash: hash, User: person.ID, Data: []byte("{}"),
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(time.Hour)}))
}

func command(program string) string { return filepath.Join(bin, "child") + " " + program }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve starts upkeep, which becomes a keeper with its daemon.
func (w *world) serve() {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "upkeep"), "serve", "--backoff", "20ms", "--budget-failures", "1000",
		"--stop-timeout", "400ms")
	cmd.Dir = w.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "UPKEEP_CONFIG=" + w.config(),
		"UPKEEP_DATA=" + w.data, "UPKEEP_LISTEN=127.0.0.1:0", "UPKEEP_FAILPOINT=" + w.order()}, w.environ...)
	f, err := os.OpenFile(w.output(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	check(w.t, err)
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	check(w.t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // only to reap it
	}()
	for w.gone() { // until it has the directory
		select {
		case <-ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// clear ends everything, also after a failure.
func (w *world) clear() {
	if w.t.Failed() {
		said, _ := os.ReadFile(w.output()) // none is fine
		w.t.Logf("upkeep: %s", said[max(0, len(said)-6000):])
	}
	for len(w.own()) > 0 {
		w.killOwn()
		time.Sleep(10 * time.Millisecond)
	}
	w.posts.Wait()
	if w.store != nil {
		w.clearServices()
		check(w.t, w.store.Close())
	}
	check(w.t, os.RemoveAll(w.dir))
}

// patience bounds every wait. It is only ever used up by a test that fails.
const patience = 30 * time.Second

// eventually waits until good returns nothing to complain of.
func (w *world) eventually(what string, good func() []string) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		wrong := good()
		if len(wrong) == 0 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("never: %s: %s", what, strings.Join(wrong, "; "))
		}
	}
}

// is makes a complaint of a condition.
func is(good bool) []string {
	if good {
		return nil
	}
	return []string{"it is not so"}
}

// arm writes the order.
func (w *world) arm(point string, n int, what string) {
	w.t.Helper()
	check(w.t, os.WriteFile(w.order(), fmt.Appendf(nil, "%s %d %s\n", point, n, what), 0o666))
}

// fired reports whether the order was carried out.
func (w *world) fired() bool {
	text, err := os.ReadFile(w.order())
	check(w.t, err)
	return strings.Contains(string(text), "fired")
}

// address is where the panel was last seen.
func (w *world) address() string {
	said, err := os.ReadFile(w.output())
	check(w.t, err)
	const ready = "upkeep is ready: "
	i := strings.LastIndex(string(said), ready)
	if i < 0 {
		w.t.Fatalf("upkeep was never ready: %s", said)
	}
	line, _, _ := strings.Cut(string(said[i+len(ready):]), "\n")
	return strings.TrimSpace(line)
}

// post sends a form as the panel's pages do. Whether there is an answer is not waited for: upkeep may die meanwhile.
func (w *world) post(path string, fields ...string) {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost,
		w.address()+"/accounts/"+accountName+"/services"+path, strings.NewReader(form.Encode()))
	check(w.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: "upkeep", Value: w.secret})
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w.posts.Go(func() {
		answer, err := client.Do(r)
		if err != nil {
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusSeeOther {
			w.t.Errorf("POST %s: status %d", path, answer.StatusCode)
		}
	})
}

func (w *world) pause(name string) {
	w.wanted[name] = panel.WantedPaused
	w.post("/" + name + "/pause")
}

func (w *world) resume(name string) {
	w.wanted[name] = panel.WantedOn
	w.post("/" + name + "/resume")
}

// end has the program of a service end.
func (w *world) end(name, how string) {
	w.t.Helper()
	// By another name first, so that the program finds it whole.
	path := filepath.Join(w.home, name+".go")
	check(w.t, errors.Join(os.WriteFile(path+".new", []byte(how), 0o644), os.Rename(path+".new", path)))
}

// endEnder has it end by a status that was not used before, or by a signal.
func (w *world) endEnder() {
	w.made++
	how := strconv.Itoa(w.made%120 + 1)
	if w.made%4 == 0 {
		how = "s9"
	}
	w.end("ender", how)
}

// crash kills daemon and keeper.
func (w *world) crash() { check(w.t, rig.Crash(w.data)) }

// signalDaemon signals the daemon that runs.
func (w *world) signalDaemon(sig syscall.Signal) {
	w.t.Helper()
	check(w.t, syscall.Kill(rig.Daemon(w.data), sig))
}

// killDaemon kills the daemon alone. The ender ends while there is none.
func (w *world) killDaemon() {
	w.t.Helper()
	w.signalDaemon(syscall.SIGSTOP)
	w.endAndWait()
	w.signalDaemon(syscall.SIGKILL)
}

// endAndWait returns when the ender has ended.
func (w *world) endAndWait() {
	w.t.Helper()
	before := len(w.lines("ender.ends"))
	w.endEnder()
	w.eventually("the ender ends", func() []string { return is(len(w.lines("ender.ends")) > before) })
}

// lines are those of a file of the home; none when there is no file.
func (w *world) lines(name string) []string {
	text, err := os.ReadFile(filepath.Join(w.home, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	check(w.t, err)
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// gone reports whether neither a keeper nor a daemon is there to go on.
func (w *world) gone() bool {
	return free(filepath.Join(w.data, "lock")) && free(filepath.Join(w.data, "keeper.lock"))
}

func free(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}

// ready says why upkeep is not.
func (w *world) ready() []string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	status, err := keeper.Status(ctx, w.data)
	if err != nil {
		return []string{err.Error()}
	}
	if status["state"] != "ready" || status["daemon"] != strconv.Itoa(rig.Daemon(w.data)) {
		return []string{fmt.Sprint("keeper: ", status)}
	}
	return nil
}
