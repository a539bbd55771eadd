package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// newUser makes a Unix user for the time of a test, a member of the other groups as well, and returns its name.
func newUser(t *testing.T, letter string, groups ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make Unix users")
	}
	name := fmt.Sprintf("upk-%d-%s", os.Getpid(), letter)
	args := []string{"--no-create-home", "--no-log-init", "--shell", "/bin/sh", "--home-dir", "/nonexistent"}
	if len(groups) > 0 {
		args = append(args, "--groups", strings.Join(groups, ","))
	}
	if out, err := exec.Command("useradd", append(args, name)...).CombinedOutput(); err != nil {
		t.Skipf("needs Unix users of its own: useradd: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("userdel", name).CombinedOutput(); err != nil {
			t.Errorf("userdel %s: %v: %s", name, err, out)
		}
	})
	return name
}

// twoAccounts is a site with the accounts of two Unix users. The second one is returned.
func twoAccounts(t *testing.T, p plan) (*site, panel.Account) {
	t.Helper()
	p.user = newUser(t, "a", "nogroup")
	other := newUser(t, "b")
	s := newSite(t, p)
	return s, s.addAccount("bob", other)
}

func (s *site) addAccount(name, unixUser string) panel.Account {
	s.t.Helper()
	acct := panel.Account{Name: name, UnixUser: unixUser, Home: filepath.Join(s.dir, "home-"+name), CreatedAt: time.Now()}
	check(s.t, os.Mkdir(acct.Home, 0o755))
	who, err := lookUp(acct)
	check(s.t, err)
	check(s.t, os.Chown(acct.Home, who.cred.UID, who.cred.GID))
	acct, err = s.store.CreateAccount(s.t.Context(), acct)
	check(s.t, err)
	return acct
}

// as lets a site work with another account.
func (s *site) as(acct panel.Account, work func()) {
	s.t.Helper()
	own := s.account
	s.account = acct
	defer func() { s.account = own }()
	work()
}

func userOf(t *testing.T, acct panel.Account) *user.User {
	t.Helper()
	u, err := user.Lookup(acct.UnixUser)
	check(t, err)
	return u
}
