package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// newStore opens a store on a new file.
func newStore(t testing.TB) *Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "upkeep.db"))
}

func openStore(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newAccount(t testing.TB, s *Store, name string) panel.Account {
	t.Helper()
	a, err := s.CreateAccount(t.Context(), panel.Account{Name: name, UnixUser: name, Home: "/home/" + name})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newService(t testing.TB, s *Store, a panel.Account, name string) panel.Service {
	t.Helper()
	x, err := s.CreateService(t.Context(), panel.Service{Account: a.ID,
		Definition: panel.Definition{Name: name, Command: "./run"}}, ann)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// ann and bob are two people who do things.
var (
	ann = panel.Actor{Kind: panel.ActorPerson, User: 7, Name: "ann@example.org"}
	bob = panel.Actor{Kind: panel.ActorPerson, User: 8, Name: "bob@example.org"}
)

// noon is a moment that the database can hold exactly.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 5_000_000, time.UTC)

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
