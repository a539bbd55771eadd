// Package cgroup keeps each run of a service in a control group of its own (the kernel's cgroup v2), so that
// everything a run has started can be counted, killed and waited for, however it forked.
//
// No controllers are needed, only the hierarchy itself: membership, cgroup.kill, cgroup.freeze, cgroup.events and
// the CPU time of cpu.stat. A [Tree] makes groups; everything else works on the path of one, because a later
// upkeep knows a run by its recorded path and may live in another place itself.
//
// One rule stands behind the layout: a group is never used for a second run. Since Linux 6.14 a process that is
// cloned into a group which was killed before is itself killed at once (the kernel compares a kill counter of the
// parent's group with that of the target), so a run gets a directory named by its number and a fresh one each time.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrUnavailable says that upkeep cannot use control groups here; the text around it says why.
	ErrUnavailable = errors.New("control groups are not available")
	// ErrPopulated says that processes live in a group which should be empty.
	ErrPopulated = errors.New("control group is populated")
)

// Tree is the part of the hierarchy that belongs to one instance of upkeep.
type Tree struct {
	base string
}

// Find makes the tree of an instance below the control group of this process and proves that it can be used. It
// returns an error that wraps [ErrUnavailable] when there is no v2 hierarchy or upkeep may not write to it.
func Find(instance string) (*Tree, error) {
	if err := checkName(instance); err != nil {
		return nil, fmt.Errorf("instance: %w", err)
	}
	own, err := ownGroup()
	if err != nil {
		return nil, err
	}
	own = withoutSelf(own)
	base := filepath.Join(own, treeName(instance))
	if err := os.Mkdir(base, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, unusable(err)
	}
	if err := probe(own, base); err != nil {
		return nil, err
	}
	return &Tree{base: base}, nil
}

// Base returns the absolute path of the tree.
func (t *Tree) Base() string { return t.base }

// Sweep removes every group that nothing lives in: what an upkeep that was killed could not remove itself. It must
// not be called while groups are being made.
func (t *Tree) Sweep() {
	below, err := children(t.base)
	if err != nil {
		return // what stays is empty, and in nobody's way
	}
	for _, path := range below {
		sweep(path)
	}
}

func sweep(path string) {
	below, err := children(path)
	if err != nil {
		return
	}
	for _, child := range below {
		sweep(child)
	}
	_ = unix.Rmdir(path) // refused where something lives, which is right
}

// Close removes every group that nothing lives in, and the tree itself unless runs that live on keep it.
func (t *Tree) Close() error {
	t.Sweep()
	err := unix.Rmdir(t.base)
	if inUse(err) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// probe checks that processes can be moved from own to groups below base. The kernel asks for write permission on
// cgroup.procs of both the target and the nearest common ancestor, which is own.
func probe(own, base string) error {
	for _, dir := range []string{own, base} {
		f, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
		if err != nil {
			return unusable(err)
		}
		f.Close()
	}
	kind, err := os.ReadFile(filepath.Join(base, "cgroup.type"))
	if err != nil {
		return unusable(err)
	}
	if kind := strings.TrimSpace(string(kind)); kind != "domain" {
		return fmt.Errorf("%w: %s is of type %q and cannot hold processes", ErrUnavailable, base, kind)
	}
	if _, err := os.Stat(filepath.Join(base, "cgroup.kill")); err != nil {
		return fmt.Errorf("%w: no cgroup.kill, the kernel is older than 5.14", ErrUnavailable)
	}
	return nil
}

func unusable(err error) error {
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%w: not permitted, the group is not delegated to upkeep: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// checkName refuses what could leave the directory it is made in. Callers have sanitised names already.
func checkName(name string) error {
	if name == "" || strings.ContainsAny(name, "/.\x00\n") {
		return fmt.Errorf("name %q cannot be a control group", name)
	}
	return nil
}

// inUse reports whether err is what rmdir says of a group with processes or children.
func inUse(err error) bool {
	return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY)
}
