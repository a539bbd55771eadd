package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// spoilLog has one service's log spoiled by do, which returns how to mend it; nil when it needs no mending.
func (c *chaos) spoilLog(ctx context.Context, name string, chance *rand.Rand, do func(path string) (mend func() error, err error)) error {
	which, d := chance.IntN(1<<30), millis(chance, 1500, 6000)
	all := c.everything()
	s := all[which%len(all)]
	if !s.occupy() {
		return nil
	}
	defer s.vacate()
	path := c.logOf(s)
	c.hold(path)
	mend, err := do(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // there is no log yet, or its folder is spoiled already
	}
	if err != nil {
		return err
	}
	c.report.fault(name, "%s", path)
	if mend == nil {
		return nil
	}
	err = pause(ctx, d)
	return errors.Join(err, mend())
}

// deleteLog removes a log as its owner may.
func deleteLog(ctx context.Context, c *chaos, chance *rand.Rand) error {
	return c.spoilLog(ctx, "log-deleted", chance, func(path string) (func() error, error) { return nil, os.Remove(path) })
}

// linkLog puts a link to somebody else's file in the place of a log.
func linkLog(ctx context.Context, c *chaos, chance *rand.Rand) error {
	return c.spoilLog(ctx, "log-linked", chance, func(path string) (func() error, error) {
		if err := os.Rename(path, fmt.Sprintf("%s.was-%d", path, c.serial.Add(1))); err != nil {
			return nil, err
		}
		link := fmt.Sprintf("%s.link-%d", path, c.serial.Add(1))
		if err := errors.Join(os.Symlink(c.victim(), link), os.Rename(link, path)); err != nil {
			return nil, err
		}
		return func() error { return removeLink(path) }, nil
	})
}

// removeLink takes a link away, and nothing that may have come in its place.
func removeLink(path string) error {
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		return fmt.Errorf("the link %s was replaced", path)
	}
	return os.Remove(path)
}

// freezeLog makes a log immutable.
func freezeLog(ctx context.Context, c *chaos, chance *rand.Rand) error {
	return c.spoilLog(ctx, "log-immutable", chance, func(path string) (func() error, error) {
		if err := setImmutable(path, true); err != nil {
			return nil, err
		}
		return func() error { return setImmutable(path, false) }, nil
	})
}

// setImmutable changes the attribute i of a file, as chattr does.
func setImmutable(path string, on bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return fmt.Errorf("attributes of %s: %w", path, err)
	}
	const immutable = 0x10 // FS_IMMUTABLE_FL of linux/fs.h
	flags &^= immutable
	if on {
		flags |= immutable
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
}

// linkFolder puts a link to somebody else's folder in the place of that of an account's logs.
func linkFolder(ctx context.Context, c *chaos, chance *rand.Rand) error {
	account, d := accounts[chance.IntN(len(accounts))], millis(chance, 1500, 5000)
	folder := filepath.Join(c.home(account), "admin/logs/services")
	busy := slices.DeleteFunc(c.everything(), func(s *service) bool { return s.account != account })
	var mine []*service
	defer func() {
		for _, s := range mine {
			s.vacate()
		}
	}()
	for _, s := range busy {
		if exists, _, _ := s.view(); !exists {
			continue
		}
		if !s.occupy() {
			return nil // one fault a log
		}
		mine = append(mine, s)
	}
	c.holdAll()
	if err := os.Rename(folder, folder+".was"); err != nil {
		return nil // there is none yet
	}
	if err := os.Symlink(c.victimFolder(), folder); err != nil {
		return c.mendFolder(folder)
	}
	c.report.fault("folder-linked", "%s", folder)
	err := pause(ctx, d)
	return errors.Join(err, removeLink(folder), c.mendFolder(folder))
}

// mendFolder puts the true folder back. Upkeep may have made another one in the moment in which there was none: its
// logs are kept for the audit.
func (c *chaos) mendFolder(folder string) error {
	if _, err := os.Lstat(folder); err == nil {
		c.holdAll()
		if err := os.Rename(folder, fmt.Sprintf("%s.between-%d", folder, c.serial.Add(1))); err != nil {
			return err
		}
	}
	return os.Rename(folder+".was", folder)
}

// closeHome takes all rights from a home for a while.
func closeHome(ctx context.Context, c *chaos, chance *rand.Rand) error {
	account, d := accounts[chance.IntN(len(accounts))], millis(chance, 1000, 5000)
	c.closing.Lock()
	defer c.closing.Unlock()
	c.report.fault("home-unreachable", "%s for %v", account, d)
	defer c.begin(&c.away)()
	if err := os.Chmod(c.home(account), 0); err != nil {
		return err
	}
	err := pause(ctx, d)
	return errors.Join(err, os.Chmod(c.home(account), 0o750))
}

// victim is what a link in a home leads to: everybody may write to it, and upkeep must not.
func (c *chaos) victim() string       { return filepath.Join(c.dir, "victim") }
func (c *chaos) victimFolder() string { return filepath.Join(c.dir, "victims") }

func (c *chaos) makeVictims() error {
	return errors.Join(os.WriteFile(c.victim(), nil, 0o666), os.Chmod(c.victim(), 0o666),
		os.Mkdir(c.victimFolder(), 0o777), os.Chmod(c.victimFolder(), 0o777))
}

// auditVictims: nothing outside of a home was written to.
func (c *chaos) auditVictims() {
	if info, err := os.Stat(c.victim()); err != nil || info.Size() != 0 {
		c.report.violation("links", "the file that links led to was written: %v, %v", info, err)
	}
	entries, err := os.ReadDir(c.victimFolder())
	if err != nil || len(entries) != 0 {
		c.report.violation("links", "the folder that links led to was written: %v, %v", entries, err)
	}
}

// healTree takes the attribute i from every log below dir, so that it can be removed.
func healTree(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(path, ".log") {
			_ = setImmutable(path, false) // what cannot be healed is named when it cannot be removed
		}
		return nil
	})
}
