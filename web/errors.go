package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// Conditions that only a web request can be in.
var (
	errNoSession   = errors.New("nobody is signed in")
	errCrossOrigin = errors.New("request from another site")
	errBadForm     = errors.New("form cannot be read")
	errFormKind    = errors.New("body is not a form")
	errTooLarge    = errors.New("body is too large")
)

// tooMany refuses a request for a while.
type tooMany struct{ wait time.Duration }

func (e tooMany) Error() string { return fmt.Sprintf("too many requests, wait %v", e.wait) }

// seconds is the wait for a Retry-After header, rounded up.
func (e tooMany) seconds() string { return strconv.Itoa(int(math.Ceil(e.wait.Seconds()))) }

// answer is what a person is told about an error.
type answer struct {
	code           int
	title, message string
}

// explain is the one table from error to answer. What it does not know is upkeep's own fault, and its details
// go to the log only.
func explain(err error) answer {
	var (
		many    tooMany
		invalid *panel.ValidationError
		large   *http.MaxBytesError
		routing *echo.HTTPError
	)
	switch {
	case errors.Is(err, panel.ErrNotFound):
		return answer{http.StatusNotFound, "Not found",
			"There is nothing at this address. It may have been deleted, or you may not have access to it."}
	case errors.Is(err, errNoSession):
		return answer{http.StatusUnauthorized, "Not signed in", "Sign in to see this page."}
	case errors.Is(err, errCrossOrigin):
		return answer{http.StatusForbidden, "Refused",
			"This request came from another site, so nothing was done. Open the panel and try again there."}
	case errors.Is(err, panel.ErrForbidden):
		return answer{http.StatusForbidden, "Not allowed", "You are not allowed to do this."}
	case errors.Is(err, panel.ErrConflict):
		return answer{http.StatusConflict, "Not possible now",
			"This does not fit the present state of things. Nothing was changed. Reload the page and look again."}
	case errors.Is(err, panel.ErrStorage):
		return answer{http.StatusServiceUnavailable, "The database cannot be used",
			"The panel cannot read or write its database at the moment, so this was not done, or not stored. Services run " +
				"on. The administrator of this machine has to mend it; \"upkeep doctor\" says how."}
	case errors.Is(err, panel.ErrBusy):
		return answer{http.StatusConflict, "Already under way", "The same work is already under way. Wait for it."}
	case errors.Is(err, panel.ErrGone):
		return answer{http.StatusGone, "Already gone", "It had already ended. Nothing was done."}
	case errors.As(err, &invalid):
		return answer{http.StatusUnprocessableEntity, "Not valid", invalid.Error()}
	case errors.As(err, &many):
		return answer{http.StatusTooManyRequests, "Too many requests",
			"That was too often. Wait " + many.seconds() + " seconds and try again."}
	case errors.As(err, &large), errors.Is(err, errTooLarge):
		return answer{http.StatusRequestEntityTooLarge, "Too large",
			"What was sent is larger than the panel accepts. Nothing was changed. Go back and shorten it."}
	case errors.Is(err, errFormKind):
		return answer{http.StatusUnsupportedMediaType, "Not a form", "The panel accepts forms only."}
	case errors.Is(err, errBadForm):
		return answer{http.StatusBadRequest, "Not understood",
			"The form that was sent is damaged, so nothing was changed. Go back and send it again."}
	case errors.As(err, &routing):
		return explainRouting(routing.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return answer{http.StatusServiceUnavailable, "Too slow",
			"The answer took too long. The machine may be very busy. Try again in a moment."}
	}
	return answer{http.StatusInternalServerError, "Something went wrong",
		"This is a fault of the panel, not yours. It has been logged. Your services are not affected."}
}

// explainRouting is about what the router and its middleware refuse.
func explainRouting(code int) answer {
	switch {
	case code == http.StatusNotFound:
		return explain(panel.ErrNotFound)
	case code == http.StatusMethodNotAllowed:
		return answer{code, "Not possible this way", "This address does not accept that kind of request."}
	case code == http.StatusServiceUnavailable:
		return explain(context.DeadlineExceeded)
	case code >= 400 && code < 500:
		return answer{code, http.StatusText(code), "The request was refused."}
	}
	return explain(errors.New(http.StatusText(code)))
}

// handleError answers a request whose handler failed.
func (s *pages) handleError(err error, c echo.Context) {
	a := explain(err)
	if a.code >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		s.log.Error("request failed", "request", requestID(c), "method", c.Request().Method,
			"route", c.Path(), "err", err)
	}
	if c.Response().Committed {
		return // the browser sees the answer break off
	}
	if many := (tooMany{}); errors.As(err, &many) {
		c.Response().Header().Set("Retry-After", many.seconds())
	}
	if err := s.sendError(c, a); err != nil {
		s.log.Error("error page failed", "request", requestID(c), "err", err)
	}
}

func (s *pages) sendError(c echo.Context, a answer) error {
	stranger := person(c) == nil && hidden(a.code)
	if stranger {
		a = explain(errNoSession)
	}
	switch {
	case wantsJSON(c):
		return sendProblem(c, a)
	case isStream(c), !stranger && isDownload(c):
		return c.String(a.code, a.title+". "+a.message+"\n")
	case stranger:
		return s.sendToSignIn(c)
	}
	v := templates.ErrorView{Code: a.code, Title: a.title, Message: a.message}
	return s.render(c, a.code, templates.ErrorPage(s.page(c, a.title, ""), v))
}

// hidden reports whether a stranger is asked to sign in instead: what exists here is not for them to know.
func hidden(code int) bool {
	return code == http.StatusUnauthorized || code == http.StatusNotFound || code == http.StatusMethodNotAllowed
}

func sendProblem(c echo.Context, a answer) error {
	body, err := json.Marshal(map[string]any{
		"type": "about:blank", "title": a.title, "status": a.code, "detail": a.message,
	})
	if err != nil {
		return err
	}
	return c.Blob(a.code, "application/problem+json", body)
}

// What a program rather than a person reads is answered in a program's way.

func wantsJSON(c echo.Context) bool {
	accept := c.Request().Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

func isStream(c echo.Context) bool { return strings.HasSuffix(c.Request().URL.Path, "/events") }
func isDownload(c echo.Context) bool {
	path := c.Request().URL.Path
	return strings.HasSuffix(path, "/logs.txt") || strings.HasSuffix(path, "/export")
}

// sendToSignIn asks who the visitor is, and remembers where they wanted to go.
func (s *pages) sendToSignIn(c echo.Context) error {
	r := c.Request()
	next := r.URL.RequestURI()
	if r.Method != http.MethodGet {
		next = "" // an action is no page to come back to
	}
	return c.Redirect(http.StatusSeeOther, signInPath(next))
}
