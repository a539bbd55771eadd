package web

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"upkeep/internal/panel"
)

// answerHead lets HEAD requests ask for whatever GET gives; net/http drops the body. A stream has no end to wait
// for, so it is left out.
func answerHead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && !strings.HasSuffix(r.URL.Path, "/events") {
			get := *r // a copy: net/http looks at the method of its own request
			get.Method = http.MethodGet
			r = &get
		}
		next.ServeHTTP(w, r)
	})
}

// extractIP says where a request comes from. Only what a trusted proxy says about somebody else is believed;
// echo's own default would believe everybody.
func extractIP(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// requestIDKey is where a request keeps the id that ties its lines in the log together.
const requestIDKey = "request"

func requestID(c echo.Context) string {
	id, _ := c.Get(requestIDKey).(string)
	return id
}

// identify gives each request an id of ours: one that the client sent could be anything.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := rand.Text()
		c.Set(requestIDKey, id)
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

// logAccess writes one line per request. It names the route, not the address: a sign-in link is a secret.
func (s *pages) logAccess(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now() // a duration, so the real clock also in tests
		if err := next(c); err != nil {
			c.Error(err) // now, so that the status below is the one that was sent
		}
		path := c.Request().URL.Path
		if c.Path() == welcomeRoute {
			path = welcomeRoute
		}
		s.log.Info("request", "request", requestID(c), "method", c.Request().Method, "path", path,
			"status", c.Response().Status, "bytes", c.Response().Size, "took", time.Since(start), "from", c.RealIP())
		return nil
	}
}

// policy allows what the panel's own files need and nothing else: no inline script, no frame, no other host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (s *pages) secureHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store") // static files say otherwise
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// refuseCrossOrigin lets no other site, and no sibling host name where customers' programs live, change anything.
func refuseCrossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c echo.Context) error {
		if err := protection.Check(c.Request()); err != nil {
			return fmt.Errorf("%w: %w", errCrossOrigin, err)
		}
		return next(c)
	}
}

// Sizes of a request's body. A form that is a little too large still gets its own page back, with the mistakes
// marked; drainBytes of a larger one are read and dropped, because a browser shows the answer only once it has
// sent everything.
const (
	maxBodyBytes   = 1<<20 + 256<<10
	maxSignInBytes = 16 << 10
	drainBytes     = 16 << 20
)

// limitBody refuses bodies of more than maxBytes.
func limitBody(maxBytes int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			whole := r.Body
			err := error(errTooLarge)
			if r.ContentLength <= maxBytes {
				r.Body = http.MaxBytesReader(c.Response(), whole, maxBytes)
				err = next(c)
			}
			if large := (*http.MaxBytesError)(nil); errors.As(err, &large) || errors.Is(err, errTooLarge) {
				// The answer is the same whether or not the client sends the rest.
				_, _ = io.CopyN(io.Discard, whole, drainBytes)
			}
			return err
		}
	}
}

// timeLimit gives a handler's work a deadline. Streams and downloads have none.
func timeLimit(d time.Duration) echo.MiddlewareFunc { return middleware.ContextTimeout(d) }

// recoverPanic turns a panic into the error page; the log gets the stack.
func (s *pages) recoverPanic() echo.MiddlewareFunc {
	return middleware.RecoverWithConfig(middleware.RecoverConfig{
		LogErrorFunc: func(c echo.Context, err error, stack []byte) error {
			s.log.Error("panic in a handler", "request", requestID(c), "err", err, "stack", string(stack))
			return err
		},
	})
}

// identifyVisitor finds out who asks. It refuses nobody.
func (s *pages) identifyVisitor(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		session, err := s.sessions.Get(c.Request(), s.sessions.cookie)
		if err != nil {
			return err
		}
		if session.IsNew {
			return next(c)
		}
		v, err := s.visitor(c, session)
		if errors.Is(err, panel.ErrNotFound) {
			return next(c) // the user is gone, or the session was revoked a moment ago
		}
		if err != nil {
			return err
		}
		c.Set(visitorKey, v)
		return next(c)
	}
}

// requireSession refuses strangers.
func requireSession(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if person(c) == nil {
			return errNoSession
		}
		return next(c)
	}
}
