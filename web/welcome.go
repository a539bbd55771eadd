package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/internal/password"
	"upkeep/internal/token"
	"upkeep/templates"
)

// welcomeStore is what a first sign-in link needs.
type welcomeStore interface {
	// LinkUser returns panel.ErrNotFound for a link that was used, replaced, or expired, or never was.
	LinkUser(ctx context.Context, tokenHash []byte, now time.Time) (panel.User, error)
	// UseLink does it once: of two requests with the same link, one gets panel.ErrNotFound.
	UseLink(ctx context.Context, tokenHash []byte, now time.Time, passwordHash string) (panel.User, error)
}

type welcomeHandlers struct {
	*pages
	links welcomeStore
	hash  *hasher
}

// show asks for a password. It does not use the link up: mail programs open links to look at them.
func (h *welcomeHandlers) show(c echo.Context) error {
	user, err := h.user(c)
	if errors.Is(err, panel.ErrNotFound) {
		return h.spent(c)
	}
	if err != nil {
		return err
	}
	return h.ask(c, http.StatusOK, user, "")
}

func (h *welcomeHandlers) user(c echo.Context) (panel.User, error) {
	secret := c.Param("token")
	if !token.Plausible(secret) {
		return panel.User{}, panel.ErrNotFound
	}
	return h.links.LinkUser(c.Request().Context(), token.Hash(secret), h.now())
}

func (h *welcomeHandlers) ask(c echo.Context, code int, user panel.User, wrong string) error {
	v := templates.WelcomeView{Email: user.Email, Token: c.Param("token"), Error: wrong}
	return h.render(c, code, templates.WelcomePage(h.page(c, "Welcome", ""), v))
}

// spent says that a link does not work any more, and what to do.
func (h *welcomeHandlers) spent(c echo.Context) error {
	v := templates.ErrorView{
		Code: http.StatusGone, Title: "This link does not work any more",
		Message: "A sign-in link works once and for a limited time, and a newer one replaces it. " +
			"Sign in with your password if you have chosen one, or ask for a new link.",
	}
	return h.render(c, v.Code, templates.ErrorPage(h.page(c, v.Title, ""), v))
}

// choose sets the password, uses the link up and signs the person in.
func (h *welcomeHandlers) choose(c echo.Context) error {
	user, err := h.user(c)
	if errors.Is(err, panel.ErrNotFound) {
		return h.spent(c)
	}
	if err != nil {
		return err
	}
	f, err := readForm(c)
	if err != nil {
		return err
	}
	if wrong := checkNew(f.get("password"), f.get("again")); wrong != "" {
		return h.ask(c, http.StatusUnprocessableEntity, user, wrong)
	}
	ctx := c.Request().Context()
	hash, err := h.hash.hash(ctx, f.get("password"))
	if err != nil {
		return err
	}
	user, err = h.links.UseLink(ctx, token.Hash(c.Param("token")), h.now(), hash)
	if errors.Is(err, panel.ErrNotFound) {
		return h.spent(c)
	}
	if err != nil {
		return err
	}
	h.log.Info("first sign-in", "request", requestID(c), "user", user.ID, "from", c.RealIP())
	if err := h.sessions.signIn(c.Request(), c.Response(), user.ID); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/")
}

// checkNew says what is wrong with a new password that was typed twice; nothing when it is right.
func checkNew(plain, again string) string {
	if err := password.Check(plain); err != nil {
		return sentence(err.Error())
	}
	if strings.ContainsRune(plain, 0) {
		return "The password holds bytes that are not text."
	}
	if plain != again {
		return "The two passwords differ. Type the same one twice."
	}
	return ""
}

// sentence makes an error's words fit for a page.
func sentence(words string) string {
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:] + "."
}
