package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"

	"github.com/spf13/cobra"

	"upkeep/internal/panel"
	"upkeep/internal/password"
	"upkeep/store"
)

func newUser() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Manage the people who sign in"}
	cmd.AddCommand(newUserCreate(), newUserLink())
	group(cmd)
	return cmd
}

func newUserCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create EMAIL",
		Short: "Make a person who can sign in",
		Long: `Make a person who can sign in. The password is read from the standard input with --password-stdin; without it the
command prints the path of a link that asks for one and works once.`,
		Args: args(cobra.ExactArgs(1)),
	}
	fromStdin := cmd.Flags().Bool("password-stdin", false, "read the password from the first line of the standard input")
	accounts := cmd.Flags().StringArray("account", nil, "an account that the person may open (can be repeated)")
	admin := cmd.Flags().Bool("admin", false, "the person may open every account")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		s, err := readSettings(cmd.Flags())
		if err != nil {
			return err
		}
		hash := ""
		if *fromStdin {
			if hash, err = readPassword(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		return withStore(cmd.Context(), s, func(st *store.Store) error {
			u, err := createUser(cmd.Context(), st, given[0], hash, *admin, *accounts)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s can sign in.\n", u.Email)
			if hash == "" {
				return printLink(cmd, st, u.ID)
			}
			return nil
		})
	}
	return cmd
}

func newUserLink() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "link EMAIL",
		Short: "Make a new one-time link with which a person sets a password",
		Args:  args(cobra.ExactArgs(1)),
	}
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		s, err := readSettings(cmd.Flags())
		if err != nil {
			return err
		}
		return withStore(cmd.Context(), s, func(st *store.Store) error {
			u, _, err := st.UserByEmail(cmd.Context(), given[0])
			if errors.Is(err, panel.ErrNotFound) {
				return fmt.Errorf("nobody has the address %q", given[0])
			}
			if err != nil {
				return err
			}
			return printLink(cmd, st, u.ID)
		})
	}
	return cmd
}

// printLink prints the path of a link: the command does not know under which address people reach the panel.
func printLink(cmd *cobra.Command, st *store.Store, id panel.UserID) error {
	path, err := newLink(cmd.Context(), st, id)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Link to set a password (works once, for 7 days), on the panel's address: %s\n", path)
	return err
}

func readPassword(in io.Reader) (hash string, err error) {
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	plain := strings.TrimRight(line, "\r\n")
	if err := password.Check(plain); err != nil {
		return "", &exitError{err, exitInvalid}
	}
	return password.Hash(plain)
}

func createUser(ctx context.Context, st *store.Store, email, hash string, admin bool, names []string) (panel.User, error) {
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email {
		return panel.User{}, &exitError{fmt.Errorf("%q is no e-mail address", email), exitInvalid}
	}
	var ids []panel.AccountID
	for _, name := range names {
		acct, err := st.Account(ctx, name)
		if errors.Is(err, panel.ErrNotFound) {
			return panel.User{}, fmt.Errorf("there is no account %q; make it with \"upkeep account create %s\"", name, name)
		}
		if err != nil {
			return panel.User{}, err
		}
		ids = append(ids, acct.ID)
	}
	u, err := st.CreateUser(ctx, email, hash, admin, ids)
	if errors.Is(err, panel.ErrConflict) {
		return panel.User{}, &exitError{fmt.Errorf("somebody has the address %q already", email), exitConflict}
	}
	return u, err
}
