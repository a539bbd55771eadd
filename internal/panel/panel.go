// Package panel is the vocabulary of upkeep: the nouns that every other package speaks of, and the errors
// they answer with. It imports the standard library only, does no I/O and holds no state, so that each of its
// values could travel to another machine.
//
// Two kinds of fact are kept apart. What a person wants ([Service]) is owned by the store; what is observed
// ([Status]) is owned by the supervisor, and a Status is always a copy.
package panel

import "time"

// Identifiers are row numbers of the store; zero means "not stored yet" or "none".
type (
	AccountID int64
	UserID    int64
	ServiceID int64
)

// Account is an isolated Unix user with a home on the host; it owns services.
type Account struct {
	ID       AccountID
	Name     string // [a-z0-9][a-z0-9-]{0,30}; part of addresses, so it never changes
	UnixUser string // the login name services run as; equal to Name unless an existing user was taken
	Home     string // absolute path
	// Shared is set when the account has no Unix user of its own: upkeep was started without root, and its
	// services run as the person who started it.
	Shared    bool
	CreatedAt time.Time
}

// User is a person who signs in.
type User struct {
	ID          UserID
	Email       string // lower case
	Admin       bool   // may open every account
	HasPassword bool   // false until the first sign-in link was used
	CreatedAt   time.Time
}

// Actor says who did something, for events. The zero value is upkeep itself.
type Actor struct {
	Kind ActorKind
	User UserID // zero unless Kind is ActorPerson
	Name string // e-mail address of the person; empty otherwise
}

// ActorKind is who can cause an event.
type ActorKind string

// The kinds of actor.
const (
	ActorUpkeep ActorKind = ""       // upkeep itself: a start after an exit, a take-over
	ActorPerson ActorKind = "person" // somebody who signed in
	ActorRule   ActorKind = "rule"   // the failure rule
	ActorHost   ActorKind = "host"   // the machine: a reboot, no memory

	ActorMonitoring ActorKind = "monitoring" // the monitoring command
)

// Person returns the actor for a signed-in user.
func Person(u User) Actor { return Actor{Kind: ActorPerson, User: u.ID, Name: u.Email} }
