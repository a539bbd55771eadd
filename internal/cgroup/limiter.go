package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// Limiter keeps accounts, and each run of a service within its account, to the limits of the host. It uses the best
// rung there is: controllers of the v2 hierarchy, where runs have their groups anyway; or groups of the same names in
// the v1 hierarchies, which a run has to join; or nothing, which is what the zero value does. It is safe
// for concurrent use.
type Limiter struct {
	instance         string
	account, service panel.Limits
	enforcement      panel.Enforcement

	tree *Tree       // with controllers; nil on the other rungs
	has  []string    // its controllers
	v1   []hierarchy // empty on the other rungs

	mu    sync.Mutex
	known map[string]uint64 // account groups that have their limits, by path: their inode
	stale []string          // groups that could not be removed when their run was over
	found []string          // groups that were there before, each behind those that it holds
}

// hierarchy is the tree of an instance in a v1 hierarchy.
type hierarchy struct {
	*Tree
	place
}

// NewLimiter finds the rung, for the runs that have their groups in tree; nil when they have none. [Limiter.Sweep]
// removes what an earlier upkeep has left.
func NewLimiter(instance string, tree *Tree, account, service panel.Limits) (*Limiter, error) {
	if err := checkName(instance); err != nil {
		return nil, fmt.Errorf("instance: %w", err)
	}
	service.CPUPercent = capped(service.CPUPercent, account.CPUPercent)
	l := &Limiter{instance: instance, account: account, service: service, known: map[string]uint64{}}
	l.enforcement.Rung = panel.RungProcess
	for _, base := range Trees(instance) {
		l.found = append(append(l.found, groupsIn(base)...), base)
	}
	why := fmt.Errorf("%w: no v2 hierarchy can be used", ErrUnavailable)
	if tree != nil {
		if l.has, why = tree.delegate(controllers); why == nil {
			l.tree, l.enforcement.Rung = tree, panel.RungV2
		}
	}
	if l.tree == nil {
		why = l.openV1(why)
	}
	l.enforce(why)
	return l, nil
}

// capped is a cap that does not exceed the one above it, which the kernel would refuse. Zero is no cap.
func capped(own, above int) int {
	if above > 0 && own > above {
		return above
	}
	return own
}

// openV1 makes the trees in the v1 hierarchies. The error says why one is missing.
func (l *Limiter) openV1(why error) error {
	all, err := places()
	if err != nil {
		return err
	}
	for _, p := range all {
		tree, err := p.open(l.instance)
		if err != nil {
			why = err
			continue
		}
		h := hierarchy{tree, p}
		l.v1 = append(l.v1, h)
		l.has = append(l.has, p.controllers...)
		if slices.Contains(p.controllers, cpuController) {
			_ = apply(h.base, []setting{baseWeight()}) // a lesser weight is no reason to go without limits
		}
		l.enforcement.Rung = panel.RungV1
	}
	return why
}

func (l *Limiter) enforce(why error) {
	e := &l.enforcement
	e.Memory, e.CPU, e.Processes = slices.Contains(l.has, memoryController), slices.Contains(l.has, cpuController), slices.Contains(l.has, pidsController)
	if !e.Memory || !e.CPU || !e.Processes {
		e.Reason = reason(why)
	}
}

// reason says in a few words what stands in the way.
func reason(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return "upkeep may not make control groups"
	}
	return strings.TrimPrefix(err.Error(), ErrUnavailable.Error()+": ")
}

// Enforcement says which limits are kept.
func (l *Limiter) Enforcement() panel.Enforcement { return l.enforcement }

// Group is what limits one run. The zero value limits nothing.
type Group struct {
	dirs   []string // in v1 hierarchies: they have to be joined and removed
	memory string   // where kills for memory are counted; empty where they are not
}

// Joins are the files, in order, into which the launcher of a run has to write "0" from the thread that will become the
// program. Joining by thread takes some 30 µs; by process (cgroup.procs) it takes the kernel some 10 ms.
func (g Group) Joins() []string {
	files := make([]string, len(g.dirs))
	for i, dir := range g.dirs {
		files[i] = filepath.Join(dir, "tasks")
	}
	return files
}

// Create makes the group that limits a run. On the v2 rung that is the one which [Tree.Create] has made before.
func (l *Limiter) Create(account, service string, run int) (Group, error) {
	var g Group
	if l.tree != nil {
		path := filepath.Join(l.tree.base, account, service, strconv.Itoa(run))
		return Group{memory: path}, l.prepareV2(path)
	}
	for _, h := range l.v1 {
		path, err := h.Create(account, service, run)
		if err == nil {
			g.dirs = append(g.dirs, path)
			err = l.prepareV1(h, path)
		}
		if err != nil {
			l.Remove(g)
			return Group{}, fmt.Errorf("limit control group: %w", err)
		}
		if slices.Contains(h.controllers, memoryController) {
			g.memory = path
		}
	}
	return g, nil
}

// prepareV2 hands the controllers down to the group of a run, and sets its limits and those of its account.
func (l *Limiter) prepareV2(path string) error {
	service := filepath.Dir(path)
	account := filepath.Dir(service)
	err := errors.Join(handDown(account, l.has), handDown(service, l.has))
	for _, name := range l.has {
		err = errors.Join(err, apply(path, settingsV2(name, l.service, false)))
	}
	return errors.Join(err, l.once(account, func() error {
		var err error
		for _, name := range l.has {
			err = errors.Join(err, apply(account, settingsV2(name, l.account, true)))
		}
		return err
	}))
}

// prepareV1 sets the limits of a new group and of its account.
func (l *Limiter) prepareV1(h hierarchy, path string) error {
	var err error
	for _, name := range h.controllers {
		err = errors.Join(err, apply(path, settingsV1(name, l.service, false)))
	}
	account := filepath.Dir(filepath.Dir(path))
	return errors.Join(err, l.once(account, func() error {
		var err error
		for _, name := range h.controllers {
			err = errors.Join(err, apply(account, settingsV1(name, l.account, true)))
		}
		return err
	}))
}

// once sets the limits of an account's group unless they are set. The group holds that of a run, so it stays.
func (l *Limiter) once(account string, set func() error) error {
	var st unix.Stat_t
	if err := unix.Stat(account, &st); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[account] == st.Ino {
		return nil
	}
	if err := set(); err != nil {
		return err
	}
	l.known[account] = st.Ino
	return nil
}

// Remove takes away what limited a run, now that nothing of it lives. What cannot be removed yet, because the kernel
// lets go of a process a moment after its end, is tried again by the next call.
func (l *Limiter) Remove(g Group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = slices.DeleteFunc(append(l.stale, g.dirs...), func(path string) bool {
		return !errors.Is(Remove(path), ErrPopulated)
	})
}

// Of returns the group of a run that an earlier upkeep has started, by its main process, when that lives, or else by
// the path of the run's group in the v2 hierarchy.
func (l *Limiter) Of(pid int, path string) Group {
	if l.tree != nil {
		return Group{memory: path}
	}
	var g Group
	membership, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return l.named(path)
	}
	for line := range strings.Lines(string(membership)) {
		p := memberOf(line)
		for _, h := range l.v1 {
			if slices.Equal(h.controllers, p.controllers) && strings.Contains(p.group, "/"+treeName(l.instance)+"/") {
				if dir, ok := h.path(p.group); ok {
					g.add(h.controllers, dir)
				}
			}
		}
	}
	if g.dirs == nil { // the groups of what has ended are not told
		return l.named(path)
	}
	return g
}

// named is the group whose directories have the names of one in the v2 hierarchy.
func (l *Limiter) named(path string) (g Group) {
	_, rest, ok := strings.Cut(path, "/"+treeName(l.instance)+"/")
	if !ok {
		return Group{}
	}
	for _, h := range l.v1 {
		if dir := filepath.Join(h.base, rest); isGroup(dir) {
			g.add(h.controllers, dir)
		}
	}
	return g
}

func (g *Group) add(controllers []string, dir string) {
	g.dirs = append(g.dirs, dir)
	if slices.Contains(controllers, memoryController) {
		g.memory = dir
	}
}

func isGroup(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}

// OutOfMemory reports whether the kernel has killed a process of the group because memory ran out: that of the group,
// of its account, or of the machine.
func (g Group) OutOfMemory() bool {
	if g.memory == "" {
		return false
	}
	for _, file := range []string{"memory.oom_control", "memory.events"} {
		text, err := os.ReadFile(filepath.Join(g.memory, file))
		if err != nil {
			continue
		}
		n, err := number(text, "oom_kill")
		return err == nil && n > 0
	}
	return false
}

// Sweep removes the groups, in any hierarchy, that an earlier upkeep has left and that nothing lives in. Call it once,
// when every run was taken over: until then they know how a run has ended.
func (l *Limiter) Sweep() {
	for _, path := range l.found {
		if !l.isBase(path) {
			_ = unix.Rmdir(path) // refused where something lives, which is right
		}
	}
	l.found = nil
}

// isBase reports whether the groups of this upkeep are made at path.
func (l *Limiter) isBase(path string) bool {
	return l.tree != nil && l.tree.base == path || slices.ContainsFunc(l.v1, func(h hierarchy) bool { return h.base == path })
}

// groupsIn lists the groups below dir, each behind those that it holds.
func groupsIn(dir string) []string {
	below, err := children(dir)
	if err != nil {
		return nil // gone meanwhile
	}
	var found []string
	for _, child := range below {
		found = append(append(found, groupsIn(child)...), child)
	}
	return found
}

// Close removes every group that nothing lives in.
func (l *Limiter) Close() error {
	var errs []error
	for _, h := range l.v1 {
		errs = append(errs, h.Tree.Close())
	}
	return errors.Join(errs...)
}
