package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"upkeep/internal/logs"
	"upkeep/internal/panel"
	"upkeep/internal/process"
	"upkeep/store"
)

func newRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the database",
		Long: `Put the backup FILE in the place of the database. The present one is kept beside it. Everybody has to sign in again.

upkeep must not run meanwhile, unless it only shows that its database is damaged: then it goes on by itself. Programs
of services need not be stopped: what runs is taken over, whatever the backup says of it. Those of services that the
backup does not know would run on without anybody who looks after them, so they are named and refused; end them, or
leave them running on purpose with --force.`,
		Args: args(cobra.ExactArgs(1)),
	}
	force := cmd.Flags().Bool("force", false, "restore although programs run that the backup does not know, or it is another installation's")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		s, err := readSettings(cmd.Flags())
		if err != nil {
			return err
		}
		r := &restoring{settings: s, file: given[0], force: *force}
		report, err := r.do(cmd.Context())
		fmt.Fprint(cmd.OutOrStdout(), report)
		return err
	}
	return cmd
}

// restoring is one restore.
type restoring struct {
	settings *settings
	file     string
	force    bool
	running  map[panel.ServiceID][]int // processes of services
}

func (r *restoring) do(ctx context.Context) (report string, err error) {
	facts, err := store.Inspect(ctx, r.file, false)
	if err != nil {
		return "", err
	}
	if err := r.lookAtRunning(ctx, facts); err != nil {
		return "", err
	}
	var last panel.ServiceID
	for id := range r.running {
		last = max(last, id)
	}
	kept, err := store.Restore(ctx, r.settings.database(), r.file, last, time.Now())
	if errors.Is(err, store.ErrInUse) {
		return "", &exitError{fmt.Errorf("upkeep runs on %s (PID %s); end it first, its services run on", r.settings.Data,
			cmp.Or(lockHolder(r.settings.Data, "lock"), "unknown")), exitConflict}
	}
	if err != nil {
		return "", err
	}
	return r.report(facts, kept), nil
}

// lookAtRunning finds the programs that run and refuses those that nobody would look after.
func (r *restoring) lookAtRunning(ctx context.Context, facts store.Facts) error {
	instance, err := store.LastInstance(r.settings.database())
	if err != nil {
		return err
	}
	if instance == "" {
		instance = facts.Instance
	}
	if r.running, err = programs(ctx, r.settings, instance); err != nil || r.force {
		return err
	}
	if instance != facts.Instance {
		return &exitError{fmt.Errorf("%s is a backup of another installation (%s, this one is %s), which would not know "+
			"what runs here; restore it on purpose with --force", r.file, facts.Instance, instance), exitConflict}
	}
	var unknown []string
	for _, id := range slices.Sorted(maps.Keys(r.running)) {
		if !slices.Contains(facts.Services, id) {
			unknown = append(unknown, fmt.Sprintf("service %d, PID %s", id, numbers(r.running[id])))
		}
	}
	if len(unknown) > 0 {
		return &exitError{fmt.Errorf("programs run of services that the backup does not know (%s), and nobody would look "+
			"after them; end them, or leave them running with --force", strings.Join(unknown, "; ")), exitConflict}
	}
	return nil
}

func (r *restoring) report(facts store.Facts, kept string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Restored %s: %d accounts, %d services.\n", r.file, len(facts.Accounts), len(facts.Services))
	if kept != "" {
		fmt.Fprintf(&b, "The former database is kept as %s.\n", kept)
	}
	if n := len(r.running); n > 0 {
		fmt.Fprintf(&b, "Programs of %d services run on; those that the backup knows are taken over.\n", n)
	}
	if pid := lockHolder(r.settings.Data, "lock"); pid != "" {
		fmt.Fprintln(&b, "upkeep, which waits for a database, goes on by itself.")
	} else {
		fmt.Fprintln(&b, "Start upkeep to go on.")
	}
	return b.String()
}

// programs are the processes of services that run on this machine, by service.
func programs(ctx context.Context, s *settings, instance string) (map[panel.ServiceID][]int, error) {
	all, err := process.Carriers(ctx, instance, logs.FIFOs(s.Data))
	if err != nil {
		return nil, err
	}
	found := map[panel.ServiceID][]int{}
	for _, c := range all {
		found[c.Service] = append(found[c.Service], c.PID)
	}
	return found, nil
}

// numbers writes PIDs down in ascending order.
func numbers(pids []int) string {
	slices.Sort(pids)
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(pids), " ", ", "), "[]")
}
