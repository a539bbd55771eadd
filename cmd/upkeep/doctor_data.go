package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"upkeep/internal/keeper"
	"upkeep/store"
)

// What concerns upkeep's own files and processes.

func (d *doctor) directory(context.Context) {
	const check = "data directory"
	dir := d.settings.Data
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		d.say(check, wrong, err.Error(), "start upkeep once, or name another directory with --data")
	case !info.IsDir():
		d.say(check, wrong, dir+" is not a directory", "choose another one with --data")
	case info.Mode().Perm()&0o022 != 0:
		d.say(check, wrong, fmt.Sprintf("%s has the mode %#o, so that others can change it", dir, info.Mode().Perm()), "chmod go-w "+shellQuote(dir))
	case unix.Access(dir, unix.W_OK) != nil:
		d.say(check, wrong, dir+" cannot be written by you", "mend its owner, its mode or its mount, or become the user that upkeep runs as")
	default:
		d.say(check, right, fmt.Sprintf("%s, mode %#o, uid %d", dir, info.Mode().Perm(), info.Sys().(*syscall.Stat_t).Uid), "")
	}
}

// Below these upkeep cannot be sure to write what it has to: some minutes of output that a home refuses, and the
// write-ahead log.
const (
	leastBytes  = 100 << 20
	leastInodes = 1000
)

func (d *doctor) space(context.Context) {
	const check = "disk space"
	var fs unix.Statfs_t
	if err := unix.Statfs(d.settings.Data, &fs); err != nil {
		d.say(check, wrong, err.Error(), "")
		return
	}
	free := fs.Bavail * uint64(fs.Bsize)
	text := humanize.IBytes(free) + " free"
	d.sayIf(free >= leastBytes, wrong, check, text, text, "make room on the file system of "+d.settings.Data)
	if fs.Files > 0 && fs.Ffree < leastInodes { // some file systems do not count them
		d.say(check, wrong, fmt.Sprintf("%d files can be made", fs.Ffree), "delete some on the file system of "+d.settings.Data)
	}
}

func (d *doctor) running(ctx context.Context) {
	const check = "daemon"
	dir := d.settings.Data
	d.daemon = lockHolder(dir, "lock")
	if d.daemon == "" {
		d.say(check, wrong, "upkeep does not run on "+dir, "upkeep serve")
	} else {
		own, err := os.Stat("/proc/self/exe")
		its, itsErr := os.Stat("/proc/" + d.daemon + "/exe")
		text := "runs, PID " + d.daemon
		same := err != nil || itsErr != nil || os.SameFile(own, its)
		d.sayIf(same, note, check, text, text+", from another binary than this one", "upgrade it, or use its own binary")
	}
	d.keeper(ctx)
}

// keeperTime is more than a keeper needs to answer.
const keeperTime = 5 * time.Second

func (d *doctor) keeper(ctx context.Context) {
	const check = "keeper"
	ctx, cancel := context.WithTimeout(ctx, keeperTime)
	defer cancel()
	status, err := keeper.Status(ctx, d.settings.Data)
	switch {
	case err == nil:
		d.say(check, right, fmt.Sprintf("runs, PID %s, and holds %s descriptors; the daemon is %s", status["keeper"],
			status["held"], status["state"]), "")
	case !errors.Is(err, keeper.ErrNone):
		d.say(check, wrong, "does not answer: "+err.Error(), "restart upkeep; services run on")
	case d.daemon != "":
		d.say(check, wrong, "does not run beside the daemon", "restart upkeep; services run on")
	}
}

func (d *doctor) helper(context.Context) {
	const check = "helper"
	path := d.settings.Helper
	if err := unix.Access(path, unix.X_OK); err != nil {
		d.say(check, wrong, path+": "+err.Error(), "install it beside upkeep, or set its path with --helper")
		return
	}
	own, err := revision("/proc/self/exe")
	its, itsErr := revision(path)
	switch {
	case err != nil || itsErr != nil || own == "" || its == "":
		d.say(check, note, path+", of an unknown version", "install both from one build")
	case own != its:
		d.say(check, wrong, fmt.Sprintf("%s is of the build %s, upkeep of %s", path, its, own), "install both from one build")
	default:
		d.say(check, right, path+", of the same build", "")
	}
}

// revision is what a binary says of the sources it was built from.
func revision(path string) (string, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "", err
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if settings["vcs.modified"] == "true" {
		revision += "+"
	}
	return revision, nil
}

func (d *doctor) database(ctx context.Context) {
	const check = "database"
	path := d.settings.database()
	facts, err := store.Inspect(ctx, path, true)
	switch {
	case errors.Is(err, store.ErrNewer):
		d.say(check, wrong, err.Error(), "")
		return
	case err != nil && store.ReasonOf(err) == store.Damage:
		d.say(check, wrong, err.Error(), "upkeep restore FILE, with one of "+store.BackupDir(path))
		return
	case err != nil:
		d.say(check, wrong, err.Error(), "")
		return
	}
	d.facts = &facts
	text := fmt.Sprintf("sound, schema %d, %d accounts, %d services", facts.Schema, len(facts.Accounts), len(facts.Services))
	d.sayIf(facts.Schema == facts.Known, note, check, text, fmt.Sprintf("%s; the next start brings it to schema %d", text, facts.Known), "")
}

// oldBackup is the age at which two nights were missed.
const oldBackup = 50 * time.Hour

func (d *doctor) backups(context.Context) {
	const check = "backup"
	path := d.settings.database()
	if d.settings.BackupKeep == 0 {
		d.say(check, note, "nightly backups are switched off", "set backup_keep, or make them with \"upkeep backup FILE\"")
		return
	}
	all, err := store.Backups(path)
	if err != nil {
		d.say(check, wrong, err.Error(), "")
		return
	}
	last := newest(all, store.KindNightly)
	if last.IsZero() {
		d.say(check, note, "there is none yet", "the first is made in the night, or an hour after the start")
		return
	}
	age := time.Since(last).Round(time.Minute)
	text := fmt.Sprintf("the newest is of %s", last.Local().Format("2006-01-02 15:04"))
	d.sayIf(age < oldBackup, wrong, check, text, text+", two nights were missed", "look for \"nightly backup failed\" in upkeep's log")
}
