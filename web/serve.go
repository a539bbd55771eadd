package web

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Times of a connection. Long answers (a log file, an event stream) move their own deadline on.
const (
	headerTime  = 10 * time.Second
	requestTime = time.Minute
	answerTime  = time.Minute
	idleTime    = 2 * time.Minute
	drainTime   = 5 * time.Second
	// lastTime is how long a connection that waits for another request is kept for it at the end: the answer to that
	// one says that it was the last, while a connection that is simply closed may have a request on its way.
	lastTime = 500 * time.Millisecond
	// newTime is how long a connection that was accepted may take to send its request when the server ends.
	newTime = time.Second
)

// Run serves on ln until ctx ends. It then stops accepting, ends the streams, and gives the requests under way
// five seconds. Who connects meanwhile waits for whoever listens on another copy of the socket next: no request
// that was accepted is dropped, as http.Server.Shutdown would drop those that it reads while it shuts down.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	conns := connections{states: map[net.Conn]http.ConnState{}, changed: make(chan struct{}, 1)}
	var last atomic.Bool
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if last.Load() {
				w.Header().Set("Connection", "close")
			}
			s.handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
		ConnState:         conns.note,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what clients do wrong
	}
	gate := &gate{Listener: ln}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(gate) }()
	select {
	case err := <-served:
		s.endStreams()
		return fmt.Errorf("serve panel: %w", err)
	case <-ctx.Done():
	}
	last.Store(true)
	gate.shut()
	<-served
	s.endStreams()
	conns.wait(lastTime, lastTime)
	srv.SetKeepAlivesEnabled(false) // closes those that wait for another request
	if n := conns.wait(newTime, drainTime); n > 0 {
		s.log.Warn("requests were cut off at the end", "connections", n)
	}
	return srv.Close()
}

// gate is a listener that can be made to accept nobody any more without closing its socket.
type gate struct {
	net.Listener
	mu     sync.Mutex
	closed bool
}

// shut makes Accept return.
func (g *gate) shut() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	if l, ok := g.Listener.(interface{ SetDeadline(time.Time) error }); ok && l.SetDeadline(time.Now()) == nil {
		return
	}
	_ = g.Listener.Close() // of another kind than TCP, in tests; it is closed in the end anyhow
}

// Accept returns http.ErrServerClosed after shut.
func (g *gate) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err == nil {
		return conn, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, http.ErrServerClosed
	}
	return nil, err
}

// connections knows what every open connection is doing.
type connections struct {
	mu      sync.Mutex
	states  map[net.Conn]http.ConnState
	changed chan struct{}
}

// note is the server's ConnState hook.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(c.states, conn)
	} else {
		c.states[conn] = state
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// wait returns when all connections are closed, or the time of those that are left is over: how many they are. Those
// that have no request under way are waited for until quietTime is over, the others until allTime is.
func (c *connections) wait(quietTime, allTime time.Duration) (left int) {
	quiet, end := time.After(quietTime), time.After(allTime)
	silent := false
	for {
		c.mu.Lock()
		busy := slices.ContainsFunc(slices.Collect(maps.Values(c.states)), func(s http.ConnState) bool {
			return s == http.StateActive || !silent
		})
		left = len(c.states)
		c.mu.Unlock()
		if !busy {
			return 0
		}
		select {
		case <-c.changed:
		case <-quiet:
			silent = true
		case <-end:
			return left
		}
	}
}
