package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

//go:embed testdata/child.go
var childSource []byte

// run is one comparison: its directory and its programs.
type run struct {
	ctx    context.Context // ends everything that waits
	dir    string
	child  string // the torture program
	upkeep string // a copy, with upkeep-helper beside it
	users  *users

	copyTime time.Duration // how long a second copy of a service is waited for
}

// newRun takes upkeep and upkeep-helper from a folder.
func newRun(ctx context.Context, bin string) (r *run, err error) {
	r = &run{ctx: ctx, users: &users{}, copyTime: copyTime}
	if r.dir, err = os.MkdirTemp("", "upkeep-peers-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	r.child, r.upkeep = filepath.Join(r.dir, "child"), filepath.Join(r.dir, "upkeep")
	if err := os.Chmod(r.dir, 0o755); err != nil { // services of other users pass through it
		return nil, err
	}
	for _, name := range []string{"upkeep", "upkeep-helper"} {
		if err := copyFile(filepath.Join(bin, name), filepath.Join(r.dir, name)); err != nil {
			return nil, fmt.Errorf("%w; run \"make peers\" at the top of the repository", err)
		}
	}
	return r, r.buildChild()
}

func (r *run) buildChild() error {
	source := r.child + ".go"
	if err := os.WriteFile(source, childSource, 0o644); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", r.child, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the torture program: %w: %s", err, out)
	}
	return os.Chmod(r.child, 0o755)
}

// close ends what may be left and removes everything.
func (r *run) close() error {
	return errors.Join(endProcesses(r.dir), r.removeGroups(), unmountBelow(r.dir), os.RemoveAll(r.dir), r.users.remove())
}

// jobsAtOnce is how many scenarios run at the same time: nearly all of them wait.
const jobsAtOnce = 8

// compare runs every scenario with every peer. Those that measure run alone, after the others.
func (r *run) compare(peers []peer, scenarios []scenario, progress func(string)) *table {
	t := &table{}
	for _, p := range peers {
		t.columns = append(t.columns, column{peer: p, missing: p.missing(), cells: map[string]cell{}})
	}
	for _, s := range scenarios {
		t.rows = append(t.rows, s.rows...)
	}
	var noisy, quiet []func()
	for _, s := range scenarios {
		for i := range t.columns {
			c := &t.columns[i]
			if c.missing != "" {
				continue
			}
			job := func() {
				begun := time.Now()
				t.fill(c, s.rows, r.try(c.peer, s))
				progress(fmt.Sprintf("%-12s %-10s %5.1f s", c.peer.name, s.name, time.Since(begun).Seconds()))
			}
			if s.alone {
				quiet = append(quiet, job)
			} else {
				noisy = append(noisy, job)
			}
		}
	}
	do(noisy, jobsAtOnce)
	do(quiet, 1)
	return t
}

// do runs jobs, at most n at once.
func do(jobs []func(), n int) {
	var group sync.WaitGroup
	room := make(chan struct{}, n)
	for _, job := range jobs {
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			job()
		})
	}
	group.Wait()
}

// try runs one scenario with one peer.
func (r *run) try(p peer, s scenario) []cell {
	if r.ctx.Err() != nil {
		return failed(s, r.ctx.Err())
	}
	place, err := r.newSite(p.name + "-" + s.name)
	if err != nil {
		return failed(s, err)
	}
	t := &trial{site: place, supervisor: p.open(place), subject: p.name == subject}
	cells, err := s.play(t)
	err = errors.Join(err, t.end())
	if err != nil {
		return failed(s, err)
	}
	return cells
}

// failed is what all rows of a scenario say when it could not be carried out.
func failed(s scenario, err error) []cell {
	cells := make([]cell, len(s.rows))
	for i := range cells {
		cells[i] = cell{text: "error: " + err.Error()}
	}
	return cells
}
