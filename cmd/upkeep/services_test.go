package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"upkeep/internal/htmltest"
)

// addService fills in the form of a new service.
func addService(b *htmltest.Client, account, name, command string) {
	path := "/accounts/" + account + "/services"
	form := b.Get(path + "/new").WantStatus(http.StatusOK).Form("form[action='" + path + "']")
	form.Set("name", name).Set("command", command).Submit().WantStatus(http.StatusSeeOther)
}

// states are what the list of services says, by name.
func states(b *htmltest.Client, account string) map[string]string {
	found := map[string]string{}
	page := b.Get("/accounts/" + account + "/services").WantStatus(http.StatusOK)
	page.Doc.Find("tr[data-service]").Each(func(_ int, row *goquery.Selection) {
		found[row.AttrOr("data-service", "")] = row.AttrOr("data-state", "")
	})
	return found
}

// mainProcess waits until a service has one that is alive.
func mainProcess(t *testing.T, b *htmltest.Client, account, service string) (pid int) {
	t.Helper()
	eventually(t, service+" has a main process", func() bool {
		page := b.Get("/accounts/" + account + "/services/" + service).WantStatus(http.StatusOK)
		pid, _ = strconv.Atoi(page.Attr("[data-pid]", "data-pid"))
		return pid > 0 && alive(pid)
	})
	return pid
}

// alive is false also for a process that has ended and that its parent, which is not upkeep any more, does not
// wait for.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ") // the name of the program stands in brackets
	return !strings.HasPrefix(state, "Z")
}

func mainProcesses(t *testing.T, b *htmltest.Client, account string, services ...string) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for _, name := range services {
		pids[name] = mainProcess(t, b, account, name)
	}
	return pids
}

// wantOutput waits for a text in the log file of a service.
func (in *installation) wantOutput(account, service, text string) {
	in.t.Helper()
	path := filepath.Join(in.home(account), "admin/logs/services", service+".log")
	eventually(in.t, path+" holds "+strconv.Quote(text), func() bool {
		log, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(log), text)
	})
}
