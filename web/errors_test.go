package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
)

func TestExplain(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"absent", panel.ErrNotFound, 404},
		{"conflict", panel.ErrConflict, 409},
		{"busy", panel.ErrBusy, 409},
		{"forbidden", panel.ErrForbidden, 403},
		{"gone", panel.ErrGone, 410},
		{"storage", panel.ErrStorage, 503},
		{"invalid", &panel.ValidationError{Fields: map[string]string{"name": "wrong"}}, 422},
		{"no session", errNoSession, 401},
		{"cross-origin", errCrossOrigin, 403},
		{"bad form", errBadForm, 400},
		{"no form", errFormKind, 415},
		{"too large, noticed early", errTooLarge, 413},
		{"too large, while reading", &http.MaxBytesError{Limit: 1}, 413},
		{"too many", tooMany{3 * time.Second}, 429},
		{"deadline", context.DeadlineExceeded, 503},
		{"canceled", context.Canceled, 503},
		{"router: 404", echo.ErrNotFound, 404},
		{"router: 405", echo.ErrMethodNotAllowed, 405},
		{"router: 503", echo.ErrServiceUnavailable, 503},
		{"router: other of the client", echo.NewHTTPError(418), 418},
		{"router: other of the server", echo.ErrBadGateway, 500},
		{"anything else", errors.New("disk on fire"), 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, err := range []error{tt.err, fmt.Errorf("detail: %w", tt.err)} {
				got := explain(err)
				if got.code != tt.want || got.title == "" || got.message == "" {
					t.Errorf("explain(%v) = %+v, want code %d and words", err, got, tt.want)
				}
				if strings.Contains(got.title+got.message, "detail") || strings.Contains(got.message, "fire") {
					t.Errorf("explain(%v) repeats the error's own words: %+v", err, got)
				}
			}
		})
	}
}

func TestTooManyRoundsUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Minute: "60",
	} {
		if got := (tooMany{wait}).seconds(); got != want {
			t.Errorf("%v = %q, want %q", wait, got, want)
		}
	}
}

func TestExtractIP(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}
	tests := []struct {
		name, remote, forwarded string
		trusted                 []netip.Prefix
		want                    string
	}{
		{"nobody trusted", "192.0.2.1:5", "198.51.100.1", nil, "192.0.2.1"},
		{"trusted proxy", "192.0.2.1:5", "198.51.100.1", proxies, "198.51.100.1"},
		{"trusted proxy over IPv6", "[2001:db8::1]:5", "198.51.100.1", proxies, "198.51.100.1"},
		{"not a proxy of ours", "203.0.113.9:5", "198.51.100.1", proxies, "203.0.113.9"},
		{"not a proxy of ours, loopback", "127.0.0.1:5", "198.51.100.1", proxies, "127.0.0.1"},
		{"client that invents one more", "192.0.2.1:5", "10.9.9.9, 198.51.100.1", proxies, "198.51.100.1"},
		{"proxy that says nothing", "192.0.2.1:5", "", proxies, "192.0.2.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{}}
			if tt.forwarded != "" {
				r.Header.Set("X-Forwarded-For", tt.forwarded)
			}
			if got := extractIP(tt.trusted)(r); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestPanicBecomesAnErrorPage(t *testing.T) {
	var log strings.Builder
	s := newLoggedSite(t, &log)
	s.SignIn("alice@example.net", alicePassword)
	s.engine.panics = true
	p := s.Get("/accounts/alice/services").WantStatus(http.StatusInternalServerError).WantSound()
	if strings.Contains(p.Body, "on purpose") || !strings.Contains(log.String(), "on purpose") {
		t.Errorf("the reason is on the page, or not in the log:\n%s", log.String())
	}
}

func TestNewNeedsEveryPart(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("an empty configuration is accepted")
	}
}
