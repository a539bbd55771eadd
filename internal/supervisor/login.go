package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"upkeep/internal/panel"
	"upkeep/internal/privilege"
)

// login is who a service runs as.
type login struct {
	name  string
	shell string
	cred  privilege.Credentials
}

// errRoot refuses a user that would give a customer's program the machine.
var errRoot = errors.New("services never run as root")

// lookUp finds the account's Unix user, every time anew: users are renamed, renumbered and deleted. Without root it
// is the person who started upkeep; an account that was made so is refused by a later upkeep that runs as root.
func lookUp(acct panel.Account) (login, error) {
	if acct.Shared {
		if os.Geteuid() == 0 {
			return login{}, fmt.Errorf("account %q has no Unix user of its own: %w", acct.Name, errRoot)
		}
		return ownLogin()
	}
	u, err := user.Lookup(acct.UnixUser)
	if err != nil {
		return login{}, fmt.Errorf("the Unix user %q of the account: %w", acct.UnixUser, err)
	}
	return loginOf(u)
}

// LookUpCredentials is who the account's services run as; it fails when the Unix user is missing or root.
func LookUpCredentials(acct panel.Account) (privilege.Credentials, error) {
	who, err := lookUp(acct)
	return who.cred, err
}

func loginOf(u *user.User) (login, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return login{}, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return login{}, err
	}
	if uid == 0 || gid == 0 {
		return login{}, fmt.Errorf("the Unix user %q has uid %d and gid %d: %w", u.Username, uid, gid, errRoot)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return login{}, fmt.Errorf("groups of %q: %w", u.Username, err)
	}
	l := login{name: u.Username, shell: shellOf(u.Username), cred: privilege.Credentials{UID: uid, GID: gid}}
	for _, id := range ids {
		g, err := strconv.Atoi(id)
		if err != nil {
			return login{}, err
		}
		if g == 0 {
			continue // membership in root's group is a mistake that upkeep does not pass on
		}
		l.cred.Groups = append(l.cred.Groups, g)
	}
	return l, nil
}

func ownLogin() (login, error) {
	l := login{shell: "/bin/sh", cred: privilege.Credentials{UID: os.Geteuid(), GID: os.Getegid()}}
	if u, err := user.Current(); err == nil {
		l.name, l.shell = u.Username, shellOf(u.Username)
	}
	groups, err := os.Getgroups()
	l.cred.Groups = groups
	return l, err
}

// shellOf reads the login shell, which package os/user does not tell; /bin/sh when there is none.
func shellOf(name string) string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return "/bin/sh"
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Split(s.Text(), ":")
		if len(fields) == 7 && fields[0] == name && fields[6] != "" {
			return fields[6]
		}
	}
	return "/bin/sh"
}
