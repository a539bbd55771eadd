package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// How often somebody may try to sign in. The limit per person bounds guessing from many addresses; it is wide
// enough that one who mistypes does not notice it.
const (
	attemptPerAddress = 5 * time.Second
	burstPerAddress   = 20
	attemptPerPerson  = 15 * time.Second
	burstPerPerson    = 8
	maxCounted        = 10_000 // addresses, and persons
)

// The longest that is looked at; an e-mail address has at most 254 bytes.
const (
	maxEmailBytes    = 254
	maxPasswordBytes = 1024
)

// signInStore is what signing in needs.
type signInStore interface {
	// UserByEmail also returns the hash of the password, empty for a user without one.
	UserByEmail(ctx context.Context, email string) (panel.User, string, error)
}

type signInHandlers struct {
	*pages
	store     signInStore
	hash      *hasher
	byAddress *limits
	byPerson  *limits
}

func newSignInHandlers(p *pages, store signInStore, hash *hasher) *signInHandlers {
	return &signInHandlers{
		pages: p, store: store, hash: hash,
		byAddress: newLimits(attemptPerAddress, burstPerAddress, maxCounted),
		byPerson:  newLimits(attemptPerPerson, burstPerPerson, maxCounted),
	}
}

// signInPath is the page that asks who one is and then goes to next.
func signInPath(next string) string {
	if next == "" || next == "/" {
		return "/signin"
	}
	return "/signin?" + url.Values{"next": {next}}.Encode()
}

// signedOut in the address says so on the page: a visitor without a session has nowhere to keep a message.
const signedOut = "signed-out"

func (h *signInHandlers) show(c echo.Context) error {
	next := localPath(c.QueryParam("next"))
	if person(c) != nil {
		return c.Redirect(http.StatusSeeOther, next)
	}
	p := h.page(c, "Sign in", "")
	if c.QueryParams().Has(signedOut) {
		p.Flash = &templates.Flash{Kind: "ok", Text: "You are signed out."}
	}
	return h.render(c, http.StatusOK, templates.SignInPage(p, templates.SignInView{Next: next}))
}

// Sentences for a sign-in that fails. The first does not tell which of the two is wrong, nor whether the person
// exists.
const (
	wrongSignIn = "E-mail address or password is wrong."
	tooOften    = "Too many attempts. Wait "
)

func (h *signInHandlers) signIn(c echo.Context) error {
	f, err := readCleanForm(c)
	if err != nil {
		return err
	}
	v := templates.SignInView{Email: strings.TrimSpace(f.get("email")), Next: localPath(f.get("next"))}
	if len(v.Email) > maxEmailBytes {
		v.Email = ""
	}
	if wait := h.wait(c, v.Email); wait > 0 {
		many := tooMany{wait}
		c.Response().Header().Set("Retry-After", many.seconds())
		return h.again(c, http.StatusTooManyRequests, v, tooOften+many.seconds()+" seconds and try again.")
	}
	user, err := h.check(c.Request().Context(), v.Email, f.get("password"))
	if errors.Is(err, panel.ErrForbidden) {
		h.log.Info("sign-in refused", "request", requestID(c), "from", c.RealIP())
		return h.again(c, http.StatusUnprocessableEntity, v, wrongSignIn)
	}
	if err != nil {
		return err
	}
	h.byPerson.forget(personKey(v.Email))
	if err := h.sessions.signIn(c.Request(), c.Response(), user.ID); err != nil {
		return err
	}
	h.log.Info("signed in", "request", requestID(c), "user", user.ID, "from", c.RealIP())
	return c.Redirect(http.StatusSeeOther, v.Next)
}

// again shows the form once more, with what is wrong and the address that was typed.
func (h *signInHandlers) again(c echo.Context, code int, v templates.SignInView, message string) error {
	v.Error = message
	return h.render(c, code, templates.SignInPage(h.page(c, "Sign in", ""), v))
}

func personKey(email string) string { return strings.ToLower(email) }

// wait counts an attempt and returns how long to wait when there were too many.
func (h *signInHandlers) wait(c echo.Context, email string) time.Duration {
	now := h.now()
	if wait := h.byAddress.take(network(c.RealIP()), now); wait > 0 {
		return wait
	}
	return h.byPerson.take(personKey(email), now)
}

// check returns the person that the two belong to, or panel.ErrForbidden. It hashes in every case: the time it
// takes says nothing about who exists.
func (h *signInHandlers) check(ctx context.Context, email, plain string) (panel.User, error) {
	user, hash, err := h.store.UserByEmail(ctx, email)
	if err != nil && !errors.Is(err, panel.ErrNotFound) {
		return panel.User{}, err
	}
	if err != nil {
		hash = ""
	}
	if len(plain) > maxPasswordBytes {
		plain = ""
	}
	match, err := h.hash.verify(ctx, plain, hash)
	if err != nil {
		return panel.User{}, err
	}
	if !match {
		return panel.User{}, panel.ErrForbidden
	}
	return user, nil
}

// signOut ends the session. Somebody who has none is signed out already.
func (h *signInHandlers) signOut(c echo.Context) error {
	if v := person(c); v != nil {
		v.session.Options.MaxAge = -1
		if err := v.session.Save(c.Request(), c.Response()); err != nil {
			return err
		}
	}
	return c.Redirect(http.StatusSeeOther, "/signin?"+signedOut)
}

// changePassword is where password managers look for the page to change a password.
func (h *signInHandlers) changePassword(c echo.Context) error {
	return c.Redirect(http.StatusSeeOther, "/signin")
}
