package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"upkeep/internal/panel"
	"upkeep/internal/supervisor"
	"upkeep/store"
)

func newAccount() *cobra.Command {
	cmd := &cobra.Command{Use: "account", Short: "Manage hosting accounts"}
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an account, with its Unix user and home when they are missing",
		Long: `Make an account. As root its Unix user and home are made when they are missing; without root its services run as
you. A running upkeep knows the account at once.`,
		Args: args(cobra.ExactArgs(1)),
	}
	unixUser := create.Flags().String("unix-user", "", "take this existing Unix user instead of NAME")
	create.RunE = func(cmd *cobra.Command, given []string) error {
		s, err := readSettings(cmd.Flags())
		if err != nil {
			return err
		}
		return withStore(cmd.Context(), s, func(st *store.Store) error {
			acct, err := createAccount(cmd.Context(), st, s.Homes, given[0], *unixUser)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Account %s is ready. Home: %s\n", acct.Name, acct.Home)
			return nil
		})
	}
	cmd.AddCommand(create)
	group(cmd)
	return cmd
}

// withStore opens the database for one command. A server that runs on it does not mind.
func withStore(ctx context.Context, s *settings, do func(*store.Store) error) error {
	if err := os.MkdirAll(s.Data, 0o711); err != nil {
		return fmt.Errorf("the data directory cannot be made: %w; choose another one with --data", err)
	}
	st, err := store.Open(ctx, s.database())
	if err != nil {
		return err
	}
	return errors.Join(do(st), st.Close())
}

// accountName fits a host name and a Unix user at once; 31 characters because useradd takes no more than 32.
var accountName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// firstUser is the lowest uid of people on Debian (UID_MIN of login.defs).
const firstUser = 1000

func createAccount(ctx context.Context, st *store.Store, homes, name, unixUser string) (panel.Account, error) {
	if !accountName.MatchString(name) || strings.HasSuffix(name, "-") {
		return panel.Account{}, &exitError{fmt.Errorf(
			"account %q: use 1 to 31 small letters, digits and hyphens, beginning with a letter", name), exitInvalid}
	}
	if _, err := st.Account(ctx, name); err == nil {
		return panel.Account{}, &exitError{fmt.Errorf("account %q exists already", name), exitConflict}
	}
	acct := panel.Account{Name: name, UnixUser: name, Home: filepath.Join(homes, name)}
	var err error
	switch {
	case os.Geteuid() != 0:
		err = shareUser(&acct, unixUser)
	case unixUser != "":
		acct.UnixUser = unixUser
		err = takeUser(&acct)
	default:
		err = findOrMakeUser(&acct)
	}
	if err != nil {
		return panel.Account{}, fmt.Errorf("account %q: %w", name, err)
	}
	acct, err = st.CreateAccount(ctx, acct)
	if errors.Is(err, panel.ErrConflict) {
		return acct, &exitError{fmt.Errorf("account %q: its Unix user belongs to another account already", name), exitConflict}
	}
	return acct, err
}

// shareUser makes an account that runs as the person who starts upkeep.
func shareUser(acct *panel.Account, unixUser string) error {
	u, err := user.Current()
	if err != nil {
		return err
	}
	if unixUser != "" && unixUser != u.Username {
		return errors.New("only root can take another Unix user; without root every service runs as you")
	}
	acct.Shared, acct.UnixUser = true, u.Username
	if err := os.MkdirAll(acct.Home, 0o750); err != nil {
		return fmt.Errorf("the home cannot be made: %w; choose another place with --homes", err)
	}
	return nil
}

// takeUser uses an existing Unix user with the home it has.
func takeUser(acct *panel.Account) error {
	u, err := user.Lookup(acct.UnixUser)
	if err != nil {
		return err
	}
	acct.Home = u.HomeDir
	return checkUser(acct)
}

// findOrMakeUser uses the Unix user of the account's name, and makes it when there is none.
func findOrMakeUser(acct *panel.Account) error {
	u, err := user.Lookup(acct.UnixUser)
	var unknown user.UnknownUserError
	switch {
	case errors.As(err, &unknown):
		if err := makeUser(acct); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if uid, err := strconv.Atoi(u.Uid); err != nil || uid < firstUser {
			return fmt.Errorf("%q is a user of the system (uid %s); choose another name, or take it on purpose with --unix-user", u.Username, u.Uid)
		}
		acct.Home = u.HomeDir
	}
	return checkUser(acct)
}

// checkUser refuses root, and a home that is not there.
func checkUser(acct *panel.Account) error {
	if _, err := supervisor.LookUpCredentials(*acct); err != nil {
		return err
	}
	info, err := os.Stat(acct.Home)
	if err != nil {
		return fmt.Errorf("the home: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("the home %s is not a directory", acct.Home)
	}
	return asUser(*acct, func() error {
		if _, err := os.ReadDir(acct.Home); err != nil {
			return fmt.Errorf("its user cannot reach the home %s; every folder above it must let others pass (chmod o+x): %w", acct.Home, err)
		}
		return nil
	})
}

func makeUser(acct *panel.Account) error {
	if err := os.MkdirAll(filepath.Dir(acct.Home), 0o755); err != nil {
		return fmt.Errorf("the folder of homes cannot be made: %w; choose another place with --homes", err)
	}
	out, err := exec.Command("useradd", "--create-home", "--user-group", "--shell", "/bin/bash",
		"--home-dir", acct.Home, "--comment", "upkeep account", acct.UnixUser).CombinedOutput()
	if err != nil {
		return fmt.Errorf("useradd: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
