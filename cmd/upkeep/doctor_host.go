package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
	"upkeep/internal/process"
	"upkeep/internal/supervisor"
	"upkeep/store"
)

// What concerns the machine, the homes and what runs.

func (d *doctor) kernel(context.Context) {
	const check = "kernel"
	if id, err := process.BootID(); err != nil || id == "" {
		d.say(check, wrong, fmt.Sprintf("the boot id cannot be read: %v", err), "mount /proc")
	}
	k, err := process.TestKernel()
	if err != nil {
		d.say(check, wrong, "the self-test failed: "+err.Error(), "")
		return
	}
	if !k.Pidfd {
		d.say(check, wrong, "it has no pidfds, or a sandbox refuses them", "upkeep needs Linux 5.8, and pidfd_open allowed")
		return
	}
	var missing []string
	for _, x := range []struct {
		there bool
		what  string
	}{
		{k.Pidfs, "no pidfs (6.9): processes are recognised by PID and start time"},
		{k.ExitStatus, "no exit status of adopted processes (6.15)"},
		{k.Clone3, "no clone3: processes join their control group by themselves"},
	} {
		if !x.there {
			missing = append(missing, x.what)
		}
	}
	d.sayIf(len(missing) == 0, note, check, "pidfds, pidfs, exit statuses and clone3 work", strings.Join(missing, "; "), "")
}

func (d *doctor) groups(context.Context) {
	const check = "control groups"
	tree, err := cgroup.Find("doctor-" + strconv.Itoa(os.Getpid()))
	if errors.Is(err, cgroup.ErrUnavailable) {
		d.say(check, note, err.Error(), "processes are told apart by session, marker and parents")
		return
	}
	if err == nil {
		err = tree.Close()
	}
	if err != nil {
		d.say(check, wrong, err.Error(), "")
		return
	}
	d.say(check, right, "each run has one of its own, below "+filepath.Dir(tree.Base()), "")
}

// limits says what the host can limit, from where the daemon runs.
func (d *doctor) limits(context.Context) {
	pid, err := strconv.Atoi(d.daemon)
	if err != nil {
		pid = 0 // it does not run: from here
	}
	found := cgroup.Look(pid)
	d.sayIf(found.Memory && found.Processes && found.CPU, note, "limits", found.Sentence(), found.Sentence(),
		"delegate the controllers memory, pids and cpu to upkeep (systemd: Delegate=yes)")
}

// What upkeep holds for each service that runs, and for itself: pidfd, both ends of the output, the log; the
// database, the panel's connections, what starts and ends.
const (
	filesPerService = 5
	filesOfItsOwn   = 256
)

func (d *doctor) descriptors(context.Context) {
	const check = "open files"
	pid := os.Getpid()
	if n, err := strconv.Atoi(d.daemon); err == nil {
		pid = n
	}
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		d.say(check, note, "the limit of the daemon cannot be read: "+err.Error(), "")
		return
	}
	services := 0
	if d.facts != nil {
		services = len(d.facts.Services)
	}
	need := uint64(filesOfItsOwn + services*filesPerService)
	text := fmt.Sprintf("limit %d, %d are enough for %d services", limit.Max, need, services)
	d.sayIf(limit.Max >= need, wrong, check, text, text, "raise LimitNOFILE of upkeep (ulimit -Hn)")
}

func (d *doctor) clock(context.Context) {
	const check = "clock"
	now := time.Now()
	if info, err := os.Stat(d.settings.database()); err == nil && info.ModTime().After(now.Add(time.Hour)) {
		d.say(check, wrong, "the database was written in the future, at "+info.ModTime().Format(time.RFC3339), "set the clock")
		return
	}
	var state unix.Timex
	_, err := unix.Adjtimex(&state)
	d.sayIf(err != nil || state.Status&unix.STA_UNSYNC == 0, note, check, now.Format(time.RFC3339),
		now.Format(time.RFC3339)+", kept by nobody", "run a time service")
}

func (d *doctor) homes(context.Context) {
	const check = "homes"
	if d.facts == nil {
		return
	}
	bad := 0
	for _, acct := range d.facts.Accounts {
		if err := lookAtHome(acct); err != nil {
			bad++
			d.say(check, wrong, fmt.Sprintf("account %s: %v", acct.Name, err), "its services cannot be started, or not write their log")
		}
	}
	if bad == 0 {
		d.say(check, right, fmt.Sprintf("all of %d accounts are there", len(d.facts.Accounts)), "")
	}
	d.refusedOutput()
}

// lookAtHome looks, as the account's user, where services live and write their logs.
func lookAtHome(acct panel.Account) error {
	if os.Geteuid() != 0 && !acct.Shared {
		return nil // only root can look as somebody else
	}
	if _, err := supervisor.LookUpCredentials(acct); err != nil {
		return err
	}
	return asUser(acct, func() error {
		if _, err := os.ReadDir(acct.Home); err != nil {
			return err
		}
		for _, below := range []string{"admin", "admin/logs", "admin/logs/services"} {
			path := filepath.Join(acct.Home, below)
			info, err := os.Lstat(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // made with the first output
			}
			if err != nil {
				return err
			}
			if !info.IsDir() {
				return fmt.Errorf("%s is not a directory", path)
			}
		}
		return nil
	})
}

// refusedOutput names the services whose output went to upkeep's own folder because the home did not take it.
func (d *doctor) refusedOutput() {
	paths, err := filepath.Glob(filepath.Join(d.settings.Data, "logs", "*.log"))
	if err != nil {
		return // the pattern is well formed
	}
	var names []string
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			names = append(names, strings.TrimSuffix(filepath.Base(path), ".log"))
		}
	}
	d.sayIf(len(names) == 0, wrong, "logs", "every home takes the output of its services",
		"output stands in "+filepath.Join(d.settings.Data, "logs")+" because a home did not take it: service "+strings.Join(names, ", "),
		"the page of the service says why")
}

// strays are programs of services that the database does not know, as a restore can leave them.
func (d *doctor) strays(ctx context.Context) {
	const check = "programs"
	instance, err := store.LastInstance(d.settings.database())
	if err != nil || instance == "" {
		return
	}
	running, err := programs(ctx, d.settings, instance)
	if err != nil {
		d.say(check, wrong, err.Error(), "")
		return
	}
	if d.facts == nil {
		d.say(check, note, fmt.Sprintf("those of %d services run", len(running)), "")
		return
	}
	bad := 0
	for _, id := range slices.Sorted(maps.Keys(running)) {
		if !slices.Contains(d.facts.Services, id) {
			bad++
			d.say(check, wrong, fmt.Sprintf("service %d, which does not exist, runs: PID %s", id, numbers(running[id])), "kill it")
		}
	}
	if bad == 0 {
		d.say(check, right, fmt.Sprintf("those of %d services run, all of them known", len(running)), "")
	}
}
