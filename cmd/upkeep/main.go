// Command upkeep is the panel and the supervisor of a web host's services, and the commands of its administrator.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// version is set by the Makefile.
var version = "dev"

// Exit statuses, as they are documented for scripts.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitConflict = 6
	exitInvalid  = 7
)

func main() { os.Exit(run()) }

// run is main without os.Exit, so that tests can call it as a command of their own.
func run() int {
	root := newRoot()
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "upkeep: "+err.Error())
	var coded *exitError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitFailed
}

// exitError is an error with an exit status other than 1.
type exitError struct {
	error
	code int
}

func (e *exitError) Unwrap() error { return e.error }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "upkeep",
		Short:         "Keeps the programs of hosting accounts running",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{err, exitUsage} })
	addSettings(root.PersistentFlags())
	root.AddCommand(newServe(), newUpgrade(), newStopAll(), newAccount(), newUser(),
		newBackup(), newRestore(), newDoctor(), newVersion())
	group(root)
	return root
}

// group completes a command that only has others below it: alone it prints its help, and a word that is none of
// them is wrong usage. Cobra by itself would answer with the help and the status 0.
func group(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if len(given) == 0 {
			return nil
		}
		hint := "see " + cmd.CommandPath() + " --help"
		if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean %q?", near[0])
		}
		return &exitError{fmt.Errorf("there is no command %q; %s", cmd.CommandPath()+" "+given[0], hint), exitUsage}
	}
}

// args refuses a wrong number of arguments with the exit status for wrong usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return &exitError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()), exitUsage}
		}
		return nil
	}
}
