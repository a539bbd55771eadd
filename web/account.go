package web

import (
	"context"
	"net/http"
	"regexp"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// userStore is what every request looks up about who asks.
type userStore interface {
	User(ctx context.Context, id panel.UserID) (panel.User, error)
	AccountsOf(ctx context.Context, u panel.User) ([]panel.Account, error)
}

// accountStore is what the pages about accounts need.
type accountStore interface {
	userStore
	// AccountFor returns panel.ErrNotFound also for an account that the user may not open.
	AccountFor(ctx context.Context, u panel.User, name string) (panel.Account, error)
}

// visitor looks up the person of a session.
func (s *pages) visitor(c echo.Context, session *sessions.Session) (*visitor, error) {
	ctx := c.Request().Context()
	user, err := s.users.User(ctx, rowOf(session).User)
	if err != nil {
		return nil, err
	}
	accounts, err := s.users.AccountsOf(ctx, user)
	if err != nil {
		return nil, err
	}
	if err := s.sessions.touch(c.Request(), c.Response(), session); err != nil {
		s.notSaved(c, err) // it ends sooner than it would
	}
	return &visitor{session, user, accounts}, nil
}

// validName is the form of an account's and a service's name. Nothing else is looked up.
var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

type accountHandlers struct {
	*pages
	store accountStore
}

// find is the middleware that lets only those into an account who may open it.
func (h *accountHandlers) find(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		name := c.Param("account")
		if !validName.MatchString(name) {
			return panel.ErrNotFound
		}
		a, err := h.store.AccountFor(c.Request().Context(), person(c).user, name)
		if err != nil {
			return err
		}
		c.Set(accountKey, a)
		return next(c)
	}
}

// home sends a person with one account to its services, and lets the others choose.
func (h *accountHandlers) home(c echo.Context) error {
	if own := person(c).accounts; len(own) == 1 {
		return c.Redirect(http.StatusSeeOther, servicesPath(own[0]))
	}
	return c.Redirect(http.StatusSeeOther, "/accounts")
}

func (h *accountHandlers) open(c echo.Context) error {
	return c.Redirect(http.StatusSeeOther, servicesPath(account(c)))
}

func (h *accountHandlers) list(c echo.Context) error {
	p, err := h.arrive(c, "Accounts", "")
	if err != nil {
		return err
	}
	return h.render(c, http.StatusOK, templates.AccountsPage(p, templates.AccountsView{Accounts: person(c).accounts}))
}
