// Package web is the panel's HTTP side: it reads a request, calls one use case and renders a page. Everything it
// needs from the rest of upkeep stands in the small interfaces of its handlers; no type of the router leaves it.
//
// Start reading at routes.go, which holds every path and who may call it.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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
	pinger
}

// Control is everything a person can do to services.
type Control interface {
	serviceControl
	formControl
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

// Times of a connection. Long answers (a log file, an event stream) move their own deadline on.
const (
	headerTime  = 10 * time.Second
	requestTime = time.Minute
	answerTime  = time.Minute
	idleTime    = 2 * time.Minute
	drainTime   = 5 * time.Second
)

// Run serves on ln until ctx ends. It then stops accepting, ends the streams, and gives the requests under way
// five seconds.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what clients do wrong
	}
	// Shutdown closes the listener first and waits for the streams, so they must end right after.
	srv.RegisterOnShutdown(s.endStreams)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		s.endStreams()
		return fmt.Errorf("serve panel: %w", err)
	case <-ctx.Done():
	}
	return s.drain(srv, served)
}

func (s *Server) drain(srv *http.Server, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := srv.Shutdown(ctx)
	if err != nil {
		s.log.Warn("requests were cut off at shutdown", "err", err)
		err = srv.Close()
	}
	<-served // always http.ErrServerClosed by now
	return err
}
