// Package web is the panel's HTTP side: it reads a request, calls one use case and renders a page. Everything it
// needs from the rest of upkeep stands in the small interfaces of its handlers; no type of the router leaves it.
//
// Start reading at routes.go, which holds every path and who may call it.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
)

// Config is what a [Server] is made of. Only TrustedProxies, Secure and Version may be left out.
type Config struct {
	Store   Store
	Control Control
	Status  Statuses
	Observe Observer
	Logs    Logs
	Limits  panel.HostLimits // of every account and service; nothing decides by them here

	// Trouble is why the database is damaged or cannot be written at the moment, nil when it can. It may be left out.
	Trouble func() error

	Domain         string         // services of an account are reached at services-<account>.<Domain>
	Secure         bool           // the browser speaks TLS, to upkeep or to a proxy in front of it
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed; empty: nobody's
	Version        string
	Logger         *slog.Logger
	Clock          func() time.Time
}

// Store is everything the panel asks of what is stored.
type Store interface {
	sessionRows
	accountStore
	serviceStore
	signInStore
	welcomeStore
	historyStore
	pinger
}

// Control is everything a person can do to services.
type Control interface {
	serviceControl
	formControl
	historyControl
	importControl
	removeControl
	processControl
}

// Observer is everything that is measured when a page asks.
type Observer interface {
	usageObserver
	processObserver
}

// Logs is what the panel reads of the services' output.
type Logs interface {
	extractor
	logOpener
}

// Server answers the panel's requests. Make it with [New].
type Server struct {
	handler http.Handler
	log     *slog.Logger
	// endStreams ends every event stream; further ones end at once.
	endStreams context.CancelFunc
}

// New puts the panel together. The error says what is missing in the configuration.
func New(cfg Config) (*Server, error) {
	if cfg.Store == nil || cfg.Control == nil || cfg.Status == nil || cfg.Observe == nil || cfg.Logs == nil {
		return nil, errors.New("web: a part of the configuration is missing")
	}
	if cfg.Logger == nil || cfg.Clock == nil || cfg.Domain == "" {
		return nil, errors.New("web: logger, clock or domain is missing")
	}
	streams, end := context.WithCancel(context.Background())
	e := echo.New()
	newRoutes(streams, cfg).register(e)
	return &Server{handler: answerHead(e), log: cfg.Logger, endStreams: end}, nil
}

// Handler returns the whole panel, for a server that somebody else runs.
func (s *Server) Handler() http.Handler { return s.handler }
