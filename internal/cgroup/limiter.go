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

	removals sync.WaitGroup

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
	limiter   *Limiter
	name      string   // below the tree of each hierarchy
	elsewhere []string // directories in v1 hierarchies, when an upkeep made them that lived in another group
}

// dirs are those that have to be joined and removed. The v2 hierarchy has none of them.
func (g Group) dirs() []string {
	if g.elsewhere != nil || g.name == "" {
		return g.elsewhere
	}
	dirs := make([]string, len(g.limiter.v1))
	for i, h := range g.limiter.v1 {
		dirs[i] = filepath.Join(h.base, g.name)
	}
	return dirs
}

// Joins are the files, in order, into which the launcher of a run has to write "0" from the thread that will become the
// program. Joining by thread takes some 30 µs; by process (cgroup.procs) it takes the kernel some 10 ms.
func (g Group) Joins() []string {
	var files []string
	for _, dir := range g.dirs() {
		files = append(files, filepath.Join(dir, "tasks"))
	}
	return files
}

// Create makes the group that limits a run. On the v2 rung that is the one which [Tree.Create] has made before.
func (l *Limiter) Create(account, service string, run int) (Group, error) {
	g := Group{limiter: l, name: filepath.Join(account, service, strconv.Itoa(run))}
	if l.tree != nil {
		return g, l.prepareV2(filepath.Join(l.tree.base, g.name))
	}
	for _, h := range l.v1 {
		path, err := h.Create(account, service, run)
		if err == nil {
			err = l.prepareV1(h, path)
		}
		if err != nil {
			l.Remove(g)
			return Group{}, fmt.Errorf("limit control group: %w", err)
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

// Remove takes away what limited a run, now that nothing of it lives. It does not wait for that: the next run may be
// on its way. What cannot be removed yet, because the kernel lets go of a process a moment after its end, is tried
// again with the next one.
func (l *Limiter) Remove(g Group) {
	if dirs := g.dirs(); len(dirs) > 0 {
		l.removals.Go(func() { l.remove(dirs) })
	}
}

func (l *Limiter) remove(dirs []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = slices.DeleteFunc(append(l.stale, dirs...), func(path string) bool {
		return !errors.Is(Remove(path), ErrPopulated)
	})
}

// Of returns the group of a run that an earlier upkeep has started, by its main process, when that lives, or else by
// the path of the run's group in the v2 hierarchy.
func (l *Limiter) Of(pid int, path string) Group {
	_, name, _ := strings.Cut(path, "/"+treeName(l.instance)+"/")
	named := Group{limiter: l, name: name}
	if l.tree != nil {
		return named
	}
	dirs := l.dirsOf(pid)
	if len(dirs) == 0 || slices.Equal(dirs, named.dirs()) {
		return named
	}
	return Group{limiter: l, elsewhere: dirs}
}

// dirsOf are the directories of the instance, in the v1 hierarchies, in which a process lives. Those of a process that
// has ended are not told.
func (l *Limiter) dirsOf(pid int) []string {
	membership, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return nil
	}
	var dirs []string
	for _, h := range l.v1 {
		for line := range strings.Lines(string(membership)) {
			p := memberOf(line)
			dir, seen := h.path(p.group)
			if seen && slices.Equal(h.controllers, p.controllers) && strings.Contains(p.group, "/"+treeName(l.instance)+"/") {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// OutOfMemory reports whether the kernel has killed a process of the group because memory ran out: that of the group,
// of its account, or of the machine.
func (g Group) OutOfMemory() bool {
	if g.limiter == nil {
		return false
	}
	if g.limiter.tree != nil {
		n, err := field(filepath.Join(g.limiter.tree.base, g.name), "memory.events", "oom_kill")
		return err == nil && n > 0
	}
	for _, dir := range g.dirs() { // one of them has the file
		if n, err := field(dir, "memory.oom_control", "oom_kill"); err == nil && n > 0 {
			return true
		}
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

// Close removes every group that nothing lives in, when all removals that were asked for have been tried.
func (l *Limiter) Close() error {
	l.removals.Wait()
	var errs []error
	for _, h := range l.v1 {
		errs = append(errs, h.Tree.Close())
	}
	return errors.Join(errs...)
}
