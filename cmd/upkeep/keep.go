package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"upkeep/internal/keeper"
)

func newUpgrade() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upgrade [BINARY]",
		Short: "Put another binary in the place of the running upkeep",
		Long: `Put another binary in the place of the running upkeep, without touching a service and without refusing a request.

Without BINARY it is the file that this command itself is. When the new binary does not become ready, the former one
goes on, and the command says why. The helper has to lie beside the new binary.`,
		Args: args(cobra.MaximumNArgs(1)),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := readSettings(cmd.Flags())
		if err != nil {
			return err
		}
		binary, err := os.Executable()
		if len(args) == 1 {
			binary, err = filepath.Abs(args[0])
		}
		if err != nil {
			return err
		}
		if err := tryBinary(cmd.Context(), binary); err != nil {
			return err
		}
		if err := keeper.Upgrade(cmd.Context(), s.Data, binary); err != nil {
			return notUpgraded(err, s.Data)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s runs now.\n", binary)
		return nil
	}
	return cmd
}

func notUpgraded(err error, dir string) error {
	if errors.Is(err, keeper.ErrNone) {
		return noneRuns(dir)
	}
	return fmt.Errorf("not upgraded: %w", err)
}

func noneRuns(dir string) error {
	return fmt.Errorf("no upkeep runs on %s; start it with \"upkeep serve\", or name its directory with --data", dir)
}

// tryTime is more than a binary needs to say its version.
const tryTime = 30 * time.Second

// tryBinary runs a binary before anything that works is given up for it.
func tryBinary(ctx context.Context, binary string) error {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	if out, err := exec.CommandContext(ctx, binary, "--version").CombinedOutput(); err != nil {
		said := strings.Join(strings.Fields(string(out)), " ") // on one line
		return fmt.Errorf("not upgraded: %s does not run: %w: %.200s", binary, err, said)
	}
	return nil
}

func newStopAll() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stop-all",
		Short: "Stop every service and then upkeep, as before the machine is switched off",
		Long: `Stop every service and then upkeep, as before the machine is switched off.

The services start again with the next "upkeep serve". To end upkeep and leave its services running, send SIGTERM.`,
		Args: args(cobra.NoArgs),
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := readSettings(cmd.Flags())
		if err != nil {
			return err
		}
		err = keeper.StopAll(cmd.Context(), s.Data)
		if errors.Is(err, keeper.ErrNone) {
			return noneRuns(s.Data)
		}
		if err != nil {
			return fmt.Errorf("not stopped: %w", err)
		}
		fmt.Fprintln(cmd.OutOrStdout(), "upkeep has ended.")
		return nil
	}
	return cmd
}
