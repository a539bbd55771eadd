package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
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
	root, mount string   // the group that is seen at a mount of the hierarchy, and where
	dir         string   // absolute path of the group
}

// placesV1 finds the v1 hierarchies of the controllers that limit, in the text of mountinfo, with the groups named in
// the text of /proc/self/cgroup.
func placesV1(mounts, membership string) []place {
	var found []place
	for line := range strings.Lines(membership) {
		p := memberOf(line)
		if len(p.controllers) > 0 && p.find(mounts) {
			found = append(found, p)
		}
	}
	return found
}

// memberOf reads a line of /proc/PID/cgroup: "4:memory:/path". It has none of our controllers when the line is about
// others.
func memberOf(line string) (p place) {
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
	if len(fields) != 3 {
		return place{}
	}
	p.group = fields[2]
	for _, name := range strings.Split(fields[1], ",") {
		if slices.Contains(controllers, name) {
			p.controllers = append(p.controllers, name)
		}
	}
	return p
}

// find completes a place by a mount that shows it.
func (p *place) find(mounts string) bool {
	for line := range strings.Lines(mounts) {
		root, point, ok := mountV1(line, p.controllers[0])
		if !ok {
			continue
		}
		p.root, p.mount = root, point
		if p.dir, ok = p.path(p.group); ok {
			return true
		}
	}
	return false
}

// path is where a group of the hierarchy is seen.
func (p place) path(group string) (string, bool) {
	rest, ok := below(p.root, group)
	return filepath.Join(p.mount, rest), ok
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

// places finds those of this process.
func places() ([]place, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	membership, err := os.ReadFile("/proc/self/cgroup")
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
	all, err := places()
	if err != nil {
		return found
	}
	for _, p := range all {
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

func isGroup(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}
