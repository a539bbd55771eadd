package web

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// themeCookie remembers light or dark, so that the server renders it and nothing flashes.
const themeCookie = "theme"

// theme returns the visitor's choice, empty for the system's.
func theme(c echo.Context) string {
	cookie, err := c.Cookie(themeCookie)
	if err != nil || !knownTheme(cookie.Value) {
		return ""
	}
	return cookie.Value
}

func knownTheme(name string) bool { return name == "light" || name == "dark" }

// setTheme remembers the choice and goes back to where it was made.
func (s *pages) setTheme(c echo.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	cookie := &http.Cookie{
		Name: themeCookie, Path: "/", HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(365 * 24 * time.Hour / time.Second),
	}
	if cookie.Value = f.get("theme"); !knownTheme(cookie.Value) {
		cookie.Value, cookie.MaxAge = "", -1 // the system's choice
	}
	c.SetCookie(cookie)
	return c.Redirect(http.StatusSeeOther, localPath(f.get("back")))
}
