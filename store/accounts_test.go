package store

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"upkeep/internal/panel"
)

func TestAccountsComeBackAsStored(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	want := panel.Account{Name: "acme", UnixUser: "u1", Home: "/srv/<b>\x00é", Shared: true, CreatedAt: noon}
	got := must(s.CreateAccount(ctx, want))(t)
	if got.ID == 0 {
		t.Error("got no ID")
	}
	want.ID = got.ID
	for what, a := range map[string]panel.Account{
		"CreateAccount": got,
		"Account":       must(s.Account(ctx, "acme"))(t),
		"AccountByID":   must(s.AccountByID(ctx, got.ID))(t),
		"Accounts":      must(s.Accounts(ctx))(t)[0],
	} {
		if diff := cmp.Diff(want, a); diff != "" {
			t.Errorf("%s: want -, got +\n%s", what, diff)
		}
	}
	now := newAccount(t, s, "zeta")
	if diff := cmp.Diff(now, must(s.Account(ctx, "zeta"))(t)); diff != "" || now.CreatedAt.IsZero() {
		t.Errorf("created now: %s", diff)
	}
}

func TestAccountsThatCannotBe(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	newAccount(t, s, "acme")
	for _, c := range []struct {
		name    string
		account panel.Account
		want    error // nil: any
	}{
		{"taken name", panel.Account{Name: "acme", UnixUser: "other", Home: "/"}, panel.ErrConflict},
		{"taken Unix user", panel.Account{Name: "other", UnixUser: "acme", Home: "/"}, panel.ErrConflict},
		{"capital", panel.Account{Name: "Acme", UnixUser: "x", Home: "/"}, nil},
		{"leading hyphen", panel.Account{Name: "-a", UnixUser: "x", Home: "/"}, nil},
		{"slash", panel.Account{Name: "a/b", UnixUser: "x", Home: "/"}, nil},
		{"too long", panel.Account{Name: strings.Repeat("a", 32), UnixUser: "x", Home: "/"}, nil},
		{"relative home", panel.Account{Name: "rel", UnixUser: "x", Home: "home"}, nil},
	} {
		got, err := s.CreateAccount(ctx, c.account)
		if err == nil || got != (panel.Account{}) {
			t.Errorf("%s: got %+v and error %v, want an error only", c.name, got, err)
		}
		if c.want != nil {
			wantErr(t, c.name, err, c.want)
		}
	}
	for _, name := range []string{"one", "two"} {
		shared := panel.Account{Name: name, UnixUser: "me", Home: "/home/me/" + name, Shared: true}
		if _, err := s.CreateAccount(ctx, shared); err != nil {
			t.Errorf("accounts without a Unix user of their own: %v", err)
		}
	}
}

func TestOnlyGrantedAccountsAreReached(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	acme, beta := newAccount(t, s, "acme"), newAccount(t, s, "beta")
	admin := must(s.CreateUser(ctx, "admin@example.org", "", true, nil))(t)
	user := must(s.CreateUser(ctx, "user@example.org", "", false, []panel.AccountID{acme.ID}))(t)

	if diff := cmp.Diff([]panel.Account{acme, beta}, must(s.AccountsOf(ctx, admin))(t)); diff != "" {
		t.Errorf("administrator: want -, got +\n%s", diff)
	}
	if diff := cmp.Diff([]panel.Account{acme}, must(s.AccountsOf(ctx, user))(t)); diff != "" {
		t.Errorf("user: want -, got +\n%s", diff)
	}
	if got := must(s.AccountFor(ctx, user, "acme"))(t); got != acme {
		t.Errorf("got %+v, want %+v", got, acme)
	}
	if got := must(s.AccountFor(ctx, admin, "beta"))(t); got != beta {
		t.Errorf("got %+v, want %+v", got, beta)
	}
	a, foreign := s.AccountFor(ctx, user, "beta")
	_, missing := s.AccountFor(ctx, user, "gamma")
	wantErr(t, "somebody else's", foreign, panel.ErrNotFound)
	wantErr(t, "missing", missing, panel.ErrNotFound)
	if a != (panel.Account{}) || strings.Replace(foreign.Error(), "beta", "gamma", 1) != missing.Error() {
		t.Errorf("somebody else's and missing differ: %+v, %q, %q", a, foreign, missing)
	}

	for range 2 {
		if err := s.Grant(ctx, user.ID, beta.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := must(s.AccountFor(ctx, user, "beta"))(t); got != beta {
		t.Errorf("after the grant: got %+v, want %+v", got, beta)
	}
	wantErr(t, "grant of a missing account", s.Grant(ctx, user.ID, 99), panel.ErrNotFound)
	wantErr(t, "grant to a missing user", s.Grant(ctx, 99, acme.ID), panel.ErrNotFound)
}
