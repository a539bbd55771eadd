package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// bench is one run: where it happens, how large it is, and what it found.
type bench struct {
	quick          bool
	many, most     int    // services
	dir            string // everything that is written
	upkeep, helper string
	child          string // the program of the services
	bell           *bell
	world          *world // what is set up now; nil for nothing
	rows           []row
	footprints     map[int]*usage // by number of services
}

func newBench(quick bool) (b *bench, err error) {
	b = &bench{quick: quick, many: 1000, most: 5000, footprints: map[int]*usage{}}
	if quick {
		b.many, b.most = 200, 1000
	}
	if err := b.findPrograms(); err != nil {
		return nil, err
	}
	// Whatever outlives its daemon becomes a child of this process, which can wait for its end.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become subreaper: %w", err)
	}
	if b.dir, err = os.MkdirTemp("", "upkeep-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := os.Chmod(b.dir, 0o711); err != nil { // services of another user pass through it
		return nil, err
	}
	if b.child, err = buildChild(b.dir); err != nil {
		return nil, err
	}
	b.bell, err = hangBell(filepath.Join(b.dir, "bell"))
	return b, err
}

func (b *bench) findPrograms() error {
	for name, path := range map[string]*string{"upkeep": &b.upkeep, "upkeep-helper": &b.helper} {
		var err error
		if *path, err = filepath.Abs(filepath.Join("bin", name)); err != nil {
			return err
		}
		if _, err := os.Stat(*path); err != nil {
			return fmt.Errorf("%w; run \"make bench\" at the top of the repository", err)
		}
	}
	return nil
}

// enter sets the scene, unless it is set already. No scene at all is nil.
func (b *bench) enter(ctx context.Context, s scene) (*world, error) {
	if b.world != nil && b.world.scene.name == s.name {
		return b.world, nil
	}
	b.leave()
	if err := ctx.Err(); err != nil {
		return nil, errors.New("out of time, or interrupted")
	}
	if s.commands == nil {
		return nil, nil
	}
	w, err := b.set(ctx, s)
	b.world = w
	return w, err
}

// leave ends what is set up.
func (b *bench) leave() {
	if b.world != nil {
		b.world.close()
		b.world = nil
	}
}

func (b *bench) close() {
	b.leave()
	if b.bell != nil {
		b.bell.close()
	}
	if err := os.RemoveAll(b.dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// samples is how often something quick is repeated.
func (b *bench) samples(full int) int {
	if b.quick {
		return full / 5
	}
	return full
}
