package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/static"
	"upkeep/templates"
)

// Damage is what a [Damaged] says.
type Damage = templates.DamagedView

// Step is one thing to do about a [Damage].
type Step = templates.Step

// DamagedConfig is what a [Damaged] needs to know.
type DamagedConfig struct {
	Damage func() Damage // asked for each page
	Secure bool          // as in [Config]
	Logger *slog.Logger
	Clock  func() time.Time
}

// Damaged answers in the place of the panel while there is no database to ask: the same page for every address, with
// what is wrong and what to do. Nobody can sign in, so nothing can be changed.
type Damaged struct {
	server *Server
}

// NewDamaged puts it together.
func NewDamaged(cfg DamagedConfig) (*Damaged, error) {
	if cfg.Damage == nil || cfg.Logger == nil || cfg.Clock == nil {
		return nil, errors.New("web: a part of the configuration is missing")
	}
	p := &pages{log: cfg.Logger, now: cfg.Clock, secure: cfg.Secure}
	h := &damagedHandlers{pages: p, damage: cfg.Damage}
	e := echo.New()
	e.IPExtractor = extractIP(nil)
	e.HTTPErrorHandler = p.handleError
	e.Pre(identify, p.logAccess, p.secureHeaders, p.recoverPanic())
	health := &healthHandlers{}
	e.GET("/livez", health.live)
	e.GET("/healthz", health.live)
	e.GET("/readyz", h.notReady)
	e.GET("/robots.txt", health.robots)
	e.GET(static.Prefix+"*", echo.WrapHandler(static.Handler()))
	e.RouteNotFound("/*", h.show)
	return &Damaged{server: &Server{handler: answerHead(e), log: cfg.Logger, endStreams: func() {}}}, nil
}

// Handler returns it for a server that somebody else runs.
func (d *Damaged) Handler() http.Handler { return d.server.handler }

// Run serves on ln until ctx ends, as [Server.Run] does.
func (d *Damaged) Run(ctx context.Context, ln net.Listener) error { return d.server.Run(ctx, ln) }

type damagedHandlers struct {
	*pages
	damage func() Damage
}

// lookAgainSeconds is how soon a browser asks again by itself.
const lookAgainSeconds = "10"

func (h *damagedHandlers) show(c echo.Context) error {
	header := c.Response().Header()
	header.Set("Retry-After", lookAgainSeconds)
	v := h.damage()
	switch {
	case wantsJSON(c):
		return sendProblem(c, answer{http.StatusServiceUnavailable, v.Title, v.Message})
	case isStream(c), isDownload(c):
		return c.String(http.StatusServiceUnavailable, v.Title+". "+v.Message+"\n")
	}
	if c.Request().Method == http.MethodGet {
		header.Set("Refresh", lookAgainSeconds)
	}
	return h.render(c, http.StatusServiceUnavailable, templates.DamagedPage(h.page(c, v.Title, ""), v))
}

func (h *damagedHandlers) notReady(c echo.Context) error {
	const word = "not ready\n"
	if c.QueryParams().Has("verbose") {
		return c.String(http.StatusServiceUnavailable, "database: "+word+word)
	}
	return c.String(http.StatusServiceUnavailable, word)
}
