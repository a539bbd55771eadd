package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
	"upkeep/internal/password"
	"upkeep/internal/rig"
	"upkeep/store"
)

// upkeep is driven as a person does it, through the pages of its panel.
type upkeep struct {
	*site
	address  string
	instance string
	browser  *browser
	accounts map[string]string // by service
}

func openUpkeep(s *site) supervisor { return &upkeep{site: s, accounts: map[string]string{}} }

// The person who looks after the services.
const (
	email      = "peers@localhost"
	passphrase = "correct horse battery staple"
)

// shorterBackoff makes the rows of the failure rule shorter in time, and nothing else: with the default delays the
// tenth failure comes after two minutes.
const shorterBackoff = "0s,1s"

func (u *upkeep) data() string { return filepath.Join(u.dir, "data") }

func (u *upkeep) start(services []service) error {
	ctx := context.Background()
	err := os.MkdirAll(u.data(), 0o711)
	if err == nil {
		err = u.fill(ctx, services)
	}
	if err == nil {
		u.address, err = freeAddress()
	}
	if err == nil {
		err = u.serve()
	}
	if err == nil {
		u.browser, err = signIn("http://" + u.address)
	}
	for _, s := range services {
		if err == nil {
			err = u.browser.post("/accounts/"+u.accounts[s.name]+"/services", map[string]string{
				"name": s.name, "command": strings.Join(s.argv, " "), "directory": s.dir})
		}
	}
	return err
}

// fill stores an account for each user and a person who may open them all.
func (u *upkeep) fill(ctx context.Context, services []service) (err error) {
	st, err := store.Open(ctx, filepath.Join(u.data(), "upkeep.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	u.instance = st.InstanceID()
	var ids []panel.AccountID
	byUser := map[string]string{}
	for _, s := range services {
		if byUser[s.user] == "" {
			a := panel.Account{Name: fmt.Sprintf("account%d", len(ids)+1), UnixUser: s.user, Home: s.home}
			if a, err = st.CreateAccount(ctx, a); err != nil {
				return err
			}
			byUser[s.user], ids = a.Name, append(ids, a.ID)
		}
		u.accounts[s.name] = byUser[s.user]
	}
	hash, err := password.Hash(passphrase)
	if err != nil {
		return err
	}
	_, err = st.CreateUser(ctx, email, hash, false, ids)
	return err
}

// freeAddress is an address that was free a moment ago: it has to stay the same when upkeep comes back.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (u *upkeep) serve() error {
	err := u.begin(u.site.upkeep, "serve", "--config", os.DevNull, "--data", u.data(), "--homes", filepath.Join(u.dir, "homes"),
		"--listen", u.address, "--backoff", shorterBackoff)
	if err != nil {
		return err
	}
	return u.awaitReady()
}

// readyTime is more than any start needs.
const readyTime = 20 * time.Second

func (u *upkeep) awaitReady() error {
	if u.within(readyTime, u.ready) {
		return nil
	}
	said, _ := os.ReadFile(u.said())
	return fmt.Errorf("upkeep did not become ready: %s", said)
}

// ready does not wait long for an answer: the socket may be there before anybody serves it.
func (u *upkeep) ready() bool {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + u.address + "/readyz")
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func (u *upkeep) page(name string) string {
	return "/accounts/" + u.accounts[name] + "/services/" + name
}

func (u *upkeep) stop(name string) error { return u.browser.post(u.page(name)+"/pause", nil) }

// status is what the service's page says first, and the marks of its line on the page of processes.
func (u *upkeep) status(name string) string {
	doc, err := u.browser.get(u.page(name))
	if err != nil {
		return err.Error()
	}
	head := doc.Find("main [data-service]")
	text := head.AttrOr("data-state", "?") + ": " + words(head.Find(".stateline .muted, .why p, .reason"))
	if doc, err = u.browser.get("/accounts/" + u.accounts[name] + "/processes/services?text=" + name); err != nil {
		return err.Error()
	}
	return text + " (" + words(doc.Find("main table .mark")) + ")"
}

// pid is the daemon's.
func (u *upkeep) pid(string) (int, error) {
	pid := rig.Daemon(u.data())
	if !alive(pid) {
		return 0, errGone
	}
	return pid, nil
}

// again starts upkeep, unless its keeper does.
func (u *upkeep) again() error {
	kept := true
	u.within(readyTime, func() bool {
		kept = alive(rig.Keeper(u.data()))
		return !kept || u.ready()
	})
	if kept {
		return u.awaitReady()
	}
	return u.serve()
}

func (u *upkeep) logFile(s service) string {
	return filepath.Join(s.home, "admin", "logs", "services", s.name+".log")
}

// kept has upkeep's own folder last, where output goes while the home takes none.
func (u *upkeep) kept(s service) []string {
	own, _ := filepath.Glob(filepath.Join(u.data(), "logs", "*.log*")) // the pattern is right
	return append(together(u.logFile(s)), own...)
}

// close removes the control groups of every hierarchy, which the end of the processes has emptied.
func (u *upkeep) close() (err error) {
	if u.browser != nil {
		u.browser.close()
	}
	for _, base := range cgroup.Trees(u.instance) {
		err = errors.Join(err, cgroup.RemoveAfter(base, 2*time.Second))
	}
	return err
}
