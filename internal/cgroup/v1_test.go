package cgroup

import (
	"reflect"
	"testing"
)

const (
	separate = "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"33 31 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
		"34 31 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	together  = "34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
	container = "32 31 0:29 /docker/1f /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)

func TestPlacesV1(t *testing.T) {
	for _, c := range []struct {
		name, mounts, membership string
		want                     map[string]string // directory of each controller
	}{
		{"one each", separate, "8:pids:/\n4:memory:/a/b\n1:cpu:/\n0::/x\n", map[string]string{
			"memory": "/sys/fs/cgroup/memory/a/b", "pids": "/sys/fs/cgroup/pids", "cpu": "/sys/fs/cgroup/cpu"}},
		{"with another controller", together, "2:cpu,cpuacct:/system.slice\n", map[string]string{
			"cpu": "/sys/fs/cgroup/cpu,cpuacct/system.slice"}},
		{"a part is seen", container, "4:memory:/docker/1f/c\n", map[string]string{"memory": "/sys/fs/cgroup/memory/c"}},
		{"another part is seen", container, "4:memory:/docker/2\n", nil},
		{"not mounted", unified, "4:memory:/\n", nil},
		{"v2 only", separate, "0::/x\n", nil},
	} {
		var got map[string]string
		for _, p := range placesV1(c.mounts, c.membership) {
			for _, name := range p.controllers {
				if got == nil {
					got = map[string]string{}
				}
				got[name] = p.dir
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
