package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"upkeep/internal/panel"
	"upkeep/internal/token"
	"upkeep/templates"
)

// How long a session lives: without use, and at most.
const (
	idleLife     = 7 * 24 * time.Hour
	absoluteLife = 30 * 24 * time.Hour
)

// touchEvery bounds how often the use of a session is written down.
const touchEvery = time.Minute

// sessionRows is where sessions are kept.
type sessionRows interface {
	// Session returns panel.ErrNotFound for a session that never was, expired, or was revoked.
	Session(ctx context.Context, idHash []byte, now time.Time) (panel.Session, error)
	SaveSession(ctx context.Context, s panel.Session) error
	DeleteSession(ctx context.Context, idHash []byte) error
}

// sessionStore implements [sessions.Store]. The cookie holds a secret and nothing else; the row says whose it is,
// so that deleting the row revokes the session. Nobody but a signed-in person has a row.
type sessionStore struct {
	rows   sessionRows
	now    func() time.Time
	cookie string
	secure bool
}

func newSessionStore(rows sessionRows, now func() time.Time, secure bool) *sessionStore {
	name := "upkeep"
	if secure {
		// The prefix keeps programs on sibling host names from planting a cookie of theirs.
		name = "__Host-upkeep"
	}
	return &sessionStore{rows: rows, now: now, cookie: name, secure: secure}
}

// rowKey is where a session keeps its row among its values.
type rowKey struct{}

// sessionData is what a row's Data holds, as JSON.
type sessionData struct {
	Flashes []templates.Flash `json:"flashes,omitempty"`
}

// Get returns the session of a request, always the same one.
func (s *sessionStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New reads the session that the request's cookie names. Without a valid one the session is new, and no row
// exists until it is saved.
func (s *sessionStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	session.IsNew = true
	session.Options = &sessions.Options{
		Path: "/", HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(absoluteLife / time.Second),
	}
	cookie, err := r.Cookie(name)
	if err != nil || !token.Plausible(cookie.Value) {
		return session, nil
	}
	row, err := s.rows.Session(r.Context(), token.Hash(cookie.Value), s.now())
	if errors.Is(err, panel.ErrNotFound) {
		return session, nil
	}
	if err != nil {
		return session, err
	}
	session.ID = cookie.Value
	session.IsNew = false
	session.Values[rowKey{}] = row
	return session, readData(session, row.Data)
}

// Save writes the session's row. A negative MaxAge deletes it and takes the cookie back.
func (s *sessionStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	row := rowOf(session)
	if session.Options.MaxAge < 0 {
		http.SetCookie(w, sessions.NewCookie(session.Name(), "", session.Options))
		return s.rows.DeleteSession(r.Context(), row.IDHash)
	}
	data, err := writeData(session)
	if err != nil {
		return err
	}
	now := s.now()
	row.Data, row.LastSeenAt = data, now
	if session.ID == "" {
		session.ID, row.IDHash = token.New()
		row.CreatedAt = now
		http.SetCookie(w, sessions.NewCookie(session.Name(), session.ID, session.Options))
	}
	row.ExpiresAt = earlier(now.Add(idleLife), row.CreatedAt.Add(absoluteLife))
	session.Values[rowKey{}] = row
	return s.rows.SaveSession(r.Context(), row)
}

// signIn gives the request a new session for a person. The one it came with ends, so that an id which somebody
// planted before the sign-in is worth nothing after it.
func (s *sessionStore) signIn(r *http.Request, w http.ResponseWriter, user panel.UserID) error {
	session, err := s.Get(r, s.cookie)
	if err != nil {
		return err
	}
	if old := rowOf(session); old.IDHash != nil {
		if err := s.rows.DeleteSession(r.Context(), old.IDHash); err != nil {
			return err
		}
	}
	session.ID = ""
	clear(session.Values)
	session.Values[rowKey{}] = panel.Session{User: user}
	return session.Save(r, w)
}

// touch notes that a session is used, at most once a minute.
func (s *sessionStore) touch(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if s.now().Sub(rowOf(session).LastSeenAt) < touchEvery {
		return nil
	}
	return session.Save(r, w)
}

func rowOf(session *sessions.Session) panel.Session {
	row, _ := session.Values[rowKey{}].(panel.Session)
	return row
}

func readData(session *sessions.Session, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var d sessionData
	if err := json.Unmarshal(data, &d); err != nil {
		return fmt.Errorf("read session data: %w", err)
	}
	for _, f := range d.Flashes {
		session.AddFlash(f)
	}
	return nil
}

func writeData(session *sessions.Session) ([]byte, error) {
	var d sessionData
	for _, f := range session.Flashes() {
		if f, ok := f.(templates.Flash); ok {
			d.Flashes = append(d.Flashes, f)
		}
	}
	for _, f := range d.Flashes {
		session.AddFlash(f) // Flashes took them out
	}
	return json.Marshal(d)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
