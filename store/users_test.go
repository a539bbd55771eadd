package store

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"upkeep/internal/panel"
)

func TestUsers(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	if must(s.AnyoneCanSignIn(ctx))(t) {
		t.Error("somebody can sign in to an empty database")
	}
	zoe := must(s.CreateUser(ctx, "Zoë@Example.ORG", "", false, nil))(t)
	if zoe.ID == 0 || zoe.Email != "zoë@example.org" || zoe.HasPassword || zoe.Admin || zoe.CreatedAt.IsZero() {
		t.Errorf("got %+v", zoe)
	}
	if must(s.AnyoneCanSignIn(ctx))(t) {
		t.Error("somebody can sign in without a password")
	}
	amy := must(s.CreateUser(ctx, "amy@example.org", "hash", true, nil))(t)
	if !amy.HasPassword || !amy.Admin || !must(s.AnyoneCanSignIn(ctx))(t) {
		t.Errorf("got %+v", amy)
	}
	got, hash, err := s.UserByEmail(ctx, "AMY@example.org")
	if err != nil || got != amy || hash != "hash" {
		t.Errorf("got %+v, %q, %v, want %+v", got, hash, err, amy)
	}
	if got := must(s.User(ctx, zoe.ID))(t); got != zoe {
		t.Errorf("got %+v, want %+v", got, zoe)
	}
	if diff := cmp.Diff([]panel.User{amy, zoe}, must(s.Users(ctx))(t)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestUsersThatAreNot(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	amy := must(s.CreateUser(ctx, "amy@example.org", "", false, nil))(t)
	_, err := s.CreateUser(ctx, "Amy@example.org", "", false, nil)
	wantErr(t, "taken address", err, panel.ErrConflict)
	_, err = s.CreateUser(ctx, "bob@example.org", "", false, []panel.AccountID{99})
	wantErr(t, "missing account", err, panel.ErrNotFound)
	_, _, err = s.UserByEmail(ctx, "bob@example.org")
	wantErr(t, "user of a failed CreateUser", err, panel.ErrNotFound)
	_, err = s.User(ctx, amy.ID+1)
	wantErr(t, "missing user", err, panel.ErrNotFound)
	wantErr(t, "password of a missing user", s.SetPassword(ctx, 99, "hash"), panel.ErrNotFound)
	wantErr(t, "link of a missing user", s.CreateLink(ctx, 99, []byte("t"), noon), panel.ErrNotFound)
}

func TestLinks(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	amy := must(s.CreateUser(ctx, "amy@example.org", "", false, nil))(t)
	before, after := noon.Add(-time.Millisecond), noon
	link := func(token string) {
		t.Helper()
		if err := s.CreateLink(ctx, amy.ID, []byte(token), noon); err != nil {
			t.Fatal(err)
		}
	}
	link("old")
	link("new")
	_, err := s.LinkUser(ctx, []byte("old"), before)
	wantErr(t, "replaced link", err, panel.ErrNotFound)
	_, err = s.LinkUser(ctx, []byte("new"), after)
	wantErr(t, "expired link", err, panel.ErrNotFound)
	_, err = s.UseLink(ctx, []byte("new"), after, "hash")
	wantErr(t, "use of an expired link", err, panel.ErrNotFound)
	if got := must(s.LinkUser(ctx, []byte("new"), before))(t); got != amy {
		t.Errorf("got %+v, want %+v", got, amy)
	}

	got := must(s.UseLink(ctx, []byte("new"), before, "hash"))(t)
	if want := must(s.User(ctx, amy.ID))(t); got != want || !got.HasPassword {
		t.Errorf("got %+v, want %+v with a password", got, want)
	}
	_, err = s.UseLink(ctx, []byte("new"), before, "other")
	wantErr(t, "used link", err, panel.ErrNotFound)
	if _, hash, err := s.UserByEmail(ctx, amy.Email); hash != "hash" || err != nil {
		t.Errorf("got hash %q, %v, want the first one", hash, err)
	}

	link("third")
	if err := s.SetPassword(ctx, amy.ID, "by another way"); err != nil {
		t.Fatal(err)
	}
	_, err = s.LinkUser(ctx, []byte("third"), before)
	wantErr(t, "link after the password was set", err, panel.ErrNotFound)
}

func TestALinkWorksForOneOfMany(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	amy := must(s.CreateUser(ctx, "amy@example.org", "", false, nil))(t)
	if err := s.CreateLink(ctx, amy.ID, []byte("token"), noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	var worked atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.UseLink(ctx, []byte("token"), noon, "hash"); err == nil {
				worked.Add(1)
			}
		})
	}
	wg.Wait()
	if worked.Load() != 1 {
		t.Errorf("the link worked %d times, want once", worked.Load())
	}
}

func saved(t *testing.T, s *Store, id string, user panel.UserID) panel.Session {
	t.Helper()
	x := panel.Session{IDHash: []byte(id), User: user, Data: []byte("\x00\xff<b>"), CreatedAt: noon,
		LastSeenAt: noon.Add(time.Minute), ExpiresAt: noon.Add(time.Hour)}
	if err := s.SaveSession(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestSessions(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	amy := must(s.CreateUser(ctx, "amy@example.org", "", false, nil))(t)
	for _, user := range []panel.UserID{0, amy.ID} {
		want := saved(t, s, "one", user)
		if diff := cmp.Diff(want, must(s.Session(ctx, want.IDHash, noon))(t)); diff != "" {
			t.Errorf("want -, got +\n%s", diff)
		}
	}
	x := saved(t, s, "one", amy.ID)
	x.Data, x.LastSeenAt, x.ExpiresAt = nil, noon.Add(2*time.Minute), noon.Add(2*time.Hour)
	if err := s.SaveSession(ctx, x); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(x, must(s.Session(ctx, x.IDHash, noon))(t)); diff != "" {
		t.Errorf("saved again: want -, got +\n%s", diff)
	}
	_, err := s.Session(ctx, x.IDHash, x.ExpiresAt)
	wantErr(t, "expired", err, panel.ErrNotFound)
	_, err = s.Session(ctx, []byte("other"), noon)
	wantErr(t, "missing", err, panel.ErrNotFound)
	wantErr(t, "of a missing user", s.SaveSession(ctx, panel.Session{IDHash: []byte("x"), User: 99}), panel.ErrNotFound)
}

func TestASessionThatEndedStaysEnded(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	amy := must(s.CreateUser(ctx, "amy@example.org", "", false, nil))(t)
	bob := must(s.CreateUser(ctx, "bob@example.org", "", false, nil))(t)
	for what, end := range map[string]func(panel.Session) error{
		"DeleteSession":    func(x panel.Session) error { return s.DeleteSession(ctx, x.IDHash) },
		"DeleteSessionsOf": func(x panel.Session) error { return s.DeleteSessionsOf(ctx, x.User) },
		"SetPassword":      func(x panel.Session) error { return s.SetPassword(ctx, x.User, "hash") },
		"UseLink": func(x panel.Session) error {
			if err := s.CreateLink(ctx, x.User, []byte("token"), noon.Add(time.Hour)); err != nil {
				return err
			}
			_, err := s.UseLink(ctx, []byte("token"), noon, "hash")
			return err
		},
	} {
		mine, other := saved(t, s, what, amy.ID), saved(t, s, "bob", bob.ID)
		if err := end(mine); err != nil {
			t.Fatal(err)
		}
		_, err := s.Session(ctx, mine.IDHash, noon)
		wantErr(t, what, err, panel.ErrNotFound)
		if err := s.SaveSession(ctx, mine); err != nil {
			t.Errorf("%s, saved afterwards: %v", what, err)
		}
		_, err = s.Session(ctx, mine.IDHash, noon)
		wantErr(t, what+", saved afterwards", err, panel.ErrNotFound)
		must(s.Session(ctx, other.IDHash, noon))(t)
	}
}

func TestPruneSessionsForgetsTheExpired(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	x := saved(t, s, "one", 0)
	count := func() int { return must(one(ctx, s.readers, column[int], `SELECT count(*) FROM sessions`))(t) }
	for _, c := range []struct {
		now  time.Time
		want int
	}{{x.ExpiresAt.Add(-time.Millisecond), 1}, {x.ExpiresAt, 0}} {
		if err := s.PruneSessions(ctx, c.now); err != nil {
			t.Fatal(err)
		}
		if got := count(); got != c.want {
			t.Errorf("at %v: got %d sessions, want %d", c.now, got, c.want)
		}
	}
}
