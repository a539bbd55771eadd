package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ownGroup returns the absolute path of the v2 group of this process.
func ownGroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return locate(string(mounts), string(membership))
}

// locate finds, in the text of mountinfo, a cgroup2 mount that shows the group named in the text of
// /proc/self/cgroup.
func locate(mounts, membership string) (string, error) {
	group, ok := groupV2(membership)
	if !ok {
		return "", fmt.Errorf("%w: the kernel has no v2 hierarchy", ErrUnavailable)
	}
	seen := false
	for line := range strings.Lines(mounts) {
		root, point, ok := mountV2(line)
		if !ok {
			continue
		}
		seen = true
		if rest, ok := below(root, group); ok {
			return filepath.Join(point, rest), nil
		}
	}
	if seen {
		return "", fmt.Errorf("%w: no mount shows the group %s of this process", ErrUnavailable, group)
	}
	return "", fmt.Errorf("%w: no v2 hierarchy (cgroup2) is mounted", ErrUnavailable)
}

// groupV2 returns the path in the line "0::/path".
func groupV2(membership string) (string, bool) {
	for line := range strings.Lines(membership) {
		if group, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(group, "\n"), true
		}
	}
	return "", false
}

// mountV2 takes a line of mountinfo apart: "41 31 0:38 /root /point opts [tags] - cgroup2 source opts".
func mountV2(line string) (root, point string, ok bool) {
	before, after, found := strings.Cut(line, " - ")
	fields := strings.Fields(before)
	if !found || len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
		return "", "", false
	}
	return unescape.Replace(fields[3]), unescape.Replace(fields[4]), true
}

// unescape undoes what mountinfo does to blanks in paths.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// below returns group relative to root. A group outside of the cgroup namespace begins with "/.." and is never
// below anything.
func below(root, group string) (string, bool) {
	if strings.HasPrefix(group, "/..") {
		return "", false
	}
	if root == "/" {
		return group, true
	}
	rest, ok := strings.CutPrefix(group, root)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// Of returns the absolute path of the v2 group that a process is in.
func Of(pid int) (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	membership, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return "", err
	}
	return locate(string(mounts), string(membership))
}
