package cgroup

import (
	"errors"
	"strings"
	"testing"
)

const (
	unified = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	hybrid  = "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	bound = "50 23 0:26 /machine/box /mnt/my\\040groups rw - cgroup2 none rw\n"
	none  = "23 1 0:20 / /proc rw - proc proc rw\n"
)

func TestLocate(t *testing.T) {
	for _, c := range []struct {
		name, mounts, membership, want, reason string
	}{
		{name: "unified", mounts: unified, membership: "0::/system.slice/upkeep.service\n",
			want: "/sys/fs/cgroup/system.slice/upkeep.service"},
		{name: "root group", mounts: unified, membership: "0::/\n", want: "/sys/fs/cgroup"},
		{name: "hybrid", mounts: hybrid, membership: "4:memory:/x\n0::/y\n", want: "/sys/fs/cgroup/unified/y"},
		{name: "part of the tree, blank in the path", mounts: bound, membership: "0::/machine/box/a\n",
			want: "/mnt/my groups/a"},
		{name: "the part itself", mounts: bound, membership: "0::/machine/box\n", want: "/mnt/my groups"},
		{name: "second mount fits", mounts: bound + unified, membership: "0::/machine/boxes\n",
			want: "/sys/fs/cgroup/machine/boxes"},
		{name: "no mount shows it", mounts: bound, membership: "0::/machine/boxes\n", reason: "no mount shows"},
		{name: "outside of the namespace", mounts: unified, membership: "0::/../x\n", reason: "no mount shows"},
		{name: "not mounted", mounts: none, membership: "0::/\n", reason: "no v2 hierarchy"},
		{name: "v1 only", mounts: none, membership: "4:memory:/\n", reason: "kernel has no v2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := locate(c.mounts, c.membership)
			if got != c.want || (err == nil) != (c.reason == "") {
				t.Fatalf("got %q, %v; want %q", got, err, c.want)
			}
			if err != nil && (!errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), c.reason)) {
				t.Errorf("error %q, want ErrUnavailable with %q", err, c.reason)
			}
		})
	}
}
