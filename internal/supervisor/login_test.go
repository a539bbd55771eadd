package supervisor

import (
	"errors"
	"os"
	"testing"

	"upkeep/internal/panel"
)

// An account that was made without root has no user of its own, and must not become root's.
func TestRootRunsNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: without it an account without a user runs as the one who started upkeep")
	}
	for _, acct := range []panel.Account{
		{Name: "mine", UnixUser: "root", Shared: true},
		{Name: "mine", UnixUser: "root"},
	} {
		if _, err := lookUp(acct); !errors.Is(err, errRoot) {
			t.Errorf("%+v: got %v, want %v", acct, err, errRoot)
		}
		if _, err := LookUpCredentials(acct); !errors.Is(err, errRoot) {
			t.Errorf("credentials of %+v: got %v, want %v", acct, err, errRoot)
		}
	}
}
