package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"upkeep/internal/cgroup"
	"upkeep/store"
)

// endServices ends what the installation left running, as it is meant to, and removes its control groups.
func (in *installation) endServices() {
	in.t.Helper()
	id := in.instance()
	if id == "" {
		return
	}
	eventually(in.t, "no process of the installation is left", func() bool {
		left := processesOf(id)
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone already is as good
		}
		return len(left) == 0
	})
	for _, groups := range cgroup.Trees(id) {
		eventually(in.t, "the control groups are removed", func() bool { return removeGroups(groups) == nil })
	}
}

// instance is the name by which the processes and control groups of the installation are known; empty when it never
// had a database. A test may have broken that on purpose.
func (in *installation) instance() string {
	in.t.Helper()
	id, err := store.LastInstance(in.database())
	if err != nil {
		in.t.Error(err)
	}
	return id
}

// processesOf lists the living processes that carry a marker of the instance in their environment.
func processesOf(instance string) []int {
	var found []int
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	for _, path := range paths {
		env, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00RUN_ID="+instance+"-")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

func removeGroups(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	for _, d := range slices.Backward(dirs) {
		err = errors.Join(err, syscall.Rmdir(d))
	}
	return err
}
