package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
)

// pinger tells whether the store answers.
type pinger interface {
	Ping(ctx context.Context) error
}

type healthHandlers struct {
	store   pinger
	version string
}

// live says that the process answers, and asks nobody else.
func (h *healthHandlers) live(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// ready says whether the panel can do its work; with ?verbose, part by part.
func (h *healthHandlers) ready(c echo.Context) error {
	code, word := http.StatusOK, "ok"
	if h.store.Ping(c.Request().Context()) != nil { // what exactly is wrong is nothing for strangers
		code, word = http.StatusServiceUnavailable, "not ready"
	}
	if c.QueryParams().Has("verbose") {
		return c.String(code, "database: "+word+"\n"+word+"\n")
	}
	return c.String(code, word+"\n")
}

func (h *healthHandlers) showVersion(c echo.Context) error {
	return c.String(http.StatusOK, "upkeep "+h.version+"\n")
}

func (h *healthHandlers) robots(c echo.Context) error {
	return c.String(http.StatusOK, "User-agent: *\nDisallow: /\n")
}
