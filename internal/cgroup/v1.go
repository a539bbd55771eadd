package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The controllers that limit. In the older hierarchies (v1) each is mounted by itself, or together with others.
const (
	memoryController = "memory"
	pidsController   = "pids"
	cpuController    = "cpu"
)

var controllers = []string{memoryController, pidsController, cpuController}

// place is the group of a process in one hierarchy.
type place struct {
	controllers []string // of ours; empty for the v2 hierarchy
	group       string   // as the hierarchy calls it, "/a/b"
	mount       string   // where the whole of it is seen
	dir         string   // absolute path of the group
}

// placesV1 finds the v1 hierarchies of the controllers that limit, in the text of mountinfo, with the group named in
// the text of /proc/PID/cgroup.
func placesV1(mounts, membership string) []place {
	var found []place
	for line := range strings.Lines(membership) { // "4:memory:/path"
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		p := place{group: fields[2]}
		for _, name := range strings.Split(fields[1], ",") {
			if slices.Contains(controllers, name) {
				p.controllers = append(p.controllers, name)
			}
		}
		if len(p.controllers) > 0 && p.find(mounts) {
			found = append(found, p)
		}
	}
	return found
}

// find completes a place by a mount that shows it.
func (p *place) find(mounts string) bool {
	for line := range strings.Lines(mounts) {
		root, point, ok := mountV1(line, p.controllers[0])
		if !ok {
			continue
		}
		if rest, ok := below(root, p.group); ok {
			p.mount, p.dir = point, filepath.Join(point, rest)
			return true
		}
	}
	return false
}

// mountV1 takes a line of mountinfo apart, when it is one of the hierarchy of the controller:
// "32 31 0:29 /root /point opts - cgroup cgroup rw,memory".
func mountV1(line, controller string) (root, point string, ok bool) {
	before, after, found := strings.Cut(line, " - ")
	fields, options := strings.Fields(before), strings.Fields(after)
	if !found || len(fields) < 5 || len(options) < 3 || options[0] != "cgroup" ||
		!slices.Contains(strings.Split(options[2], ","), controller) {
		return "", "", false
	}
	return unescape.Replace(fields[3]), unescape.Replace(fields[4]), true
}

// placesOf finds the places of a process; 0 is this one.
func placesOf(pid int) ([]place, error) {
	who := "self"
	if pid > 0 {
		who = strconv.Itoa(pid)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	membership, err := os.ReadFile(filepath.Join("/proc", who, "cgroup"))
	if err != nil {
		return nil, err
	}
	return placesV1(string(mounts), string(membership)), nil
}

// open makes the tree of an instance in a v1 hierarchy and proves that it can be used.
func (p place) open(instance string) (*Tree, error) {
	base := filepath.Join(p.dir, treeName(instance))
	if err := os.Mkdir(base, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, unusable(err)
	}
	f, err := os.OpenFile(filepath.Join(base, "tasks"), os.O_WRONLY, 0)
	if err != nil {
		return nil, unusable(err)
	}
	f.Close()
	if slices.Contains(p.controllers, memoryController) {
		// Before Linux 5.11 a group bounds what is below it only when told so, while nothing is.
		_ = write(base, "memory.use_hierarchy", "1")
	}
	return &Tree{base: base}, nil
}

// treeName is the directory of an instance.
func treeName(instance string) string { return "upkeep-" + instance }

// Trees are the directories of an instance in every hierarchy that is mounted, wherever the upkeep lived which made them.
func Trees(instance string) []string {
	var found []string
	if own, err := ownGroup(); err == nil {
		if dir := filepath.Join(withoutSelf(own), treeName(instance)); isGroup(dir) {
			found = append(found, dir)
		}
	}
	places, err := placesOf(0)
	if err != nil {
		return found
	}
	for _, p := range places {
		found = append(found, trees(p.mount, treeName(instance))...)
	}
	return found
}

// trees are the directories of that name below dir. Trees of others are not looked into.
func trees(dir, name string) []string {
	below, err := children(dir)
	if err != nil {
		return nil // what cannot be read is not ours
	}
	var found []string
	for _, child := range below {
		switch base := filepath.Base(child); {
		case base == name:
			found = append(found, child)
		case !strings.HasPrefix(base, treeName("")):
			found = append(found, trees(child, name)...)
		}
	}
	return found
}
