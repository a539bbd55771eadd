package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// selfGroup is where upkeep's own processes move to when their group is to hand its controllers down: the kernel
// refuses that to a v2 group which holds processes itself.
const selfGroup = "upkeep-self"

// withoutSelf is the group that upkeep was given, when a former upkeep has moved into selfGroup.
func withoutSelf(group string) string {
	if filepath.Base(group) == selfGroup {
		return filepath.Dir(group)
	}
	return group
}

// delegate has the wanted controllers handed down from the group that upkeep was given to the tree, and returns those
// that are. Nothing at all, with a reason, is the usual case: they are bound to v1 hierarchies, or not upkeep's.
func (t *Tree) delegate(wanted []string) ([]string, error) {
	own := filepath.Dir(t.base)
	has, err := words(own, "cgroup.controllers")
	if err != nil {
		return nil, unusable(err)
	}
	usable := slices.DeleteFunc(slices.Clone(wanted), func(name string) bool { return !slices.Contains(has, name) })
	if len(usable) == 0 {
		return nil, fmt.Errorf("%w: the v2 hierarchy has none of the controllers %s here",
			ErrUnavailable, strings.Join(wanted, ", "))
	}
	err = handDown(own, usable)
	if errors.Is(err, unix.EBUSY) {
		if err = leave(own); err == nil {
			err = handDown(own, usable)
		}
	}
	if err == nil {
		err = handDown(t.base, usable)
	}
	if err != nil {
		return nil, unusable(err)
	}
	return usable, nil
}

// handDown gives controllers to the groups below a group.
func handDown(group string, controllers []string) error {
	return write(group, "cgroup.subtree_control", "+"+strings.Join(controllers, " +"))
}

var errShared = errors.New("other programs live in upkeep's own control group")

// leave moves upkeep, and the keeper that is its parent, out of their group into one below it. Programs of others are
// not touched: then the group stays as it is.
func leave(own string) error {
	text, err := os.ReadFile(filepath.Join(own, "cgroup.procs"))
	if err != nil {
		return err
	}
	pids := parsePIDs(text)
	for _, pid := range pids {
		if pid != os.Getpid() && pid != os.Getppid() {
			return errShared
		}
	}
	self := filepath.Join(own, selfGroup)
	if err := ensure(self); err != nil {
		return err
	}
	for _, pid := range pids {
		if err := write(self, "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// words are those of a file.
func words(path, file string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(path, file))
	return strings.Fields(string(text)), err
}
