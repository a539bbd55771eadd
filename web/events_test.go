package web

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"upkeep/internal/panel"
	"upkeep/internal/token"
	"upkeep/templates"
)

// event is one event of a stream, as a browser takes it apart.
type event struct{ id, name, data string }

// listener is a browser that listens to one stream. It speaks to the handler without a network, so that time can
// be faked.
type listener struct {
	header http.Header
	code   int
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	text    strings.Builder // under mu
	refuses bool            // every write fails, under mu
}

func (l *listener) Header() http.Header  { return l.header }
func (l *listener) WriteHeader(code int) { l.code = code }
func (l *listener) Flush()               {}

func (l *listener) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuses {
		return 0, net.ErrClosed
	}
	return l.text.Write(b)
}

// take returns what has come since the last call. It waits until nobody has anything to do.
func (l *listener) take() (events []event, comments int) {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	l.text.Reset()
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		var e event
		var data []string
		for line := range strings.Lines(block) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				data = append(data, value)
			case "":
				comments++
			}
		}
		if e.data = strings.Join(data, "\n"); e.name != "" {
			events = append(events, e)
		}
	}
	return events, comments
}

func (l *listener) ended() bool {
	synctest.Wait()
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// names are the names of events but for the time.
func names(events []event) []string {
	var all []string
	for _, e := range events {
		if e.name != templates.EventNow {
			all = append(all, e.name)
		}
	}
	return all
}

// bubble is a site inside of a test bubble, where time passes when everybody waits.
type bubble struct {
	*site
	cookie string
}

func inBubble(t *testing.T, test func(*testing.T, *bubble)) {
	synctest.Test(t, func(t *testing.T) {
		s := newBareSite(t, time.Now())
		secret, hash := token.New()
		row := panel.Session{IDHash: hash, User: s.alice.ID, CreatedAt: time.Now(), LastSeenAt: time.Now(),
			ExpiresAt: time.Now().Add(idleLife)}
		if err := s.store.SaveSession(t.Context(), row); err != nil {
			t.Fatal(err)
		}
		test(t, &bubble{s, secret})
	})
}

// sleep lets time pass, also for the panel's own clock.
func (b *bubble) sleep(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		step := min(50*time.Millisecond, time.Until(end))
		time.Sleep(step)
		b.clock.pass(step)
	}
}

func (b *bubble) listen(query string) *listener {
	ctx, cancel := context.WithCancel(b.t.Context())
	l := &listener{header: http.Header{}, cancel: cancel, done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/accounts/alice/events?"+query, nil)
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: b.cookie})
	go func() {
		defer close(l.done)
		b.server.Handler().ServeHTTP(l, r)
	}()
	b.t.Cleanup(func() { cancel(); <-l.done })
	synctest.Wait()
	return l
}

func TestStreamBringsEverythingAtFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		for query, want := range map[string][]string{
			"topics=services":                 {"services-summary", "services-table"},
			"topics=service:web":              {"service-head", "service-facts", "service-lines", "service-runs"},
			"topics=processes":                {"processes-table"},
			"topics=services,processes":       {"services-summary", "services-table", "processes-table"},
			"topics=services&text=w&junk=%00": {"services-summary", "services-table"},
		} {
			l := b.listen(query)
			events, _ := l.take()
			if got := names(events); !slices.Equal(got, want) {
				t.Errorf("%s: events %q, want %q", query, got, want)
			}
			ids := map[string]bool{}
			for _, e := range events {
				if e.id == "" || ids[e.id] {
					t.Errorf("%s: id %q of %s is empty or comes twice", query, e.id, e.name)
				}
				ids[e.id] = true
				if e.name != templates.EventNow && !strings.Contains(e.data, `id="`+e.name+`"`) {
					t.Errorf("%s: %s does not hold the element of its name:\n%s", query, e.name, e.data)
				}
			}
			for name, want := range map[string]string{
				"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
			} {
				if got := l.header.Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		}
	})
}

func TestStreamBringsAChange(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		l := b.listen("topics=services")
		l.take()
		b.run(b.web, 42)
		b.run(b.web, 43) // a second change at once is no second refresh
		b.sleep(settle - time.Millisecond)
		if events, _ := l.take(); len(events) > 0 {
			t.Errorf("%d events before changes have settled", len(events))
		}
		b.sleep(2 * time.Millisecond)
		events, _ := l.take()
		if got := names(events); !slices.Equal(got, []string{"services-summary", "services-table"}) {
			t.Fatalf("events %q after a change", got)
		}
		if !strings.Contains(events[1].data, `data-state="running"`) {
			t.Errorf("the table does not show the change:\n%s", events[1].data)
		}
	})
}

func TestStreamSendsOnlyWhatChanged(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.run(b.web, 42)
		l := b.listen("topics=services")
		l.take()
		b.engine.mu.Lock()
		b.engine.usage[b.web.ID] = panel.Usage{CPU: 0.5, Memory: 1 << 20, Processes: 1}
		b.engine.mu.Unlock()
		b.sleep(refreshEvery + 100*time.Millisecond)
		events, _ := l.take()
		if got := names(events); !slices.Equal(got, []string{"services-table"}) {
			t.Errorf("events %q after a change of numbers, want only the table", got)
		}
	})
}

func TestStreamSaysThatItLives(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		l := b.listen("topics=services")
		l.take()
		var last string
		for range 3 {
			b.sleep(5 * time.Second)
			events, _ := l.take()
			if len(events) == 0 || events[len(events)-1].name != templates.EventNow {
				t.Fatalf("no time within five seconds, but %v", events)
			}
			if now := events[len(events)-1].data; now <= last {
				t.Errorf("time %s after %s", now, last)
			} else {
				last = now
			}
		}
		b.sleep(pingEvery)
		if _, comments := l.take(); comments == 0 {
			t.Error("no comment that keeps proxies from closing the connection")
		}
	})
}

func TestStreamEndsWithTheSession(t *testing.T) {
	for name, revoke := range map[string]func(context.Context, *bubble) error{
		"revoked": func(ctx context.Context, b *bubble) error { return b.store.DeleteSessionsOf(ctx, b.alice.ID) },
		"expired": func(_ context.Context, b *bubble) error { b.clock.pass(idleLife); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				l := b.listen("topics=services")
				b.sleep(2 * validEvery)
				if l.ended() {
					t.Fatal("the stream ended before")
				}
				if err := revoke(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				b.sleep(validEvery + time.Second)
				if !l.ended() {
					t.Error("the stream goes on")
				}
				if l = b.listen("topics=services"); l.code != http.StatusUnauthorized {
					t.Errorf("a new stream: status %d, want 401", l.code)
				}
			})
		})
	}
}

func TestStreamEndsWithTheService(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		l := b.listen("topics=service:web")
		l.take()
		if err := b.store.DeleteService(t.Context(), b.web.ID, panel.Actor{}); err != nil {
			t.Fatal(err)
		}
		b.sleep(refreshEvery)
		events, _ := l.take()
		if got := names(events); !slices.Equal(got, []string{templates.EventReset}) || !l.ended() {
			t.Errorf("events %q, ended %v; want a reset and the end", got, l.ended())
		}
	})
}

func TestStreamEndsWithTheServer(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		l := b.listen("topics=services")
		b.server.endStreams()
		if !l.ended() {
			t.Error("the stream goes on")
		}
		if l = b.listen("topics=services"); !l.ended() {
			t.Error("a stream begins while the server stops")
		}
	})
}

func TestStreamEndsWithItsReader(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		gone, deaf := b.listen("topics=services"), b.listen("topics=services")
		gone.cancel()
		deaf.mu.Lock()
		deaf.refuses = true
		deaf.mu.Unlock()
		b.sleep(refreshEvery)
		if !gone.ended() || !deaf.ended() {
			t.Errorf("ended: %v (left), %v (does not read); want both", gone.ended(), deaf.ended())
		}
		if n := b.engine.watching(); n != 0 {
			t.Errorf("%d streams still watch the engine", n)
		}
	})
}

func TestStreamsPerSessionAreLimited(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		var open []*listener
		for range maxStreamsPerSession {
			l := b.listen("topics=services")
			if l.ended() {
				t.Fatalf("stream %d ended: status %d", len(open), l.code)
			}
			open = append(open, l)
		}
		l := b.listen("topics=services")
		if l.code != http.StatusTooManyRequests || l.header.Get("Retry-After") == "" {
			t.Errorf("one stream more: status %d, Retry-After %q", l.code, l.header.Get("Retry-After"))
		}
		open[0].cancel()
		synctest.Wait()
		if l = b.listen("topics=services"); l.ended() {
			t.Errorf("no stream after one has ended: status %d", l.code)
		}
	})
}

func TestStreamsInAllAreLimited(t *testing.T) {
	h := &eventsHandlers{open: map[string]int{}}
	for i := range maxStreams {
		if _, err := h.enter(fmt.Sprint(i)); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	if _, err := h.enter("one more"); err == nil {
		t.Error("one stream too many is accepted")
	}
}

func TestUnknownTopics(t *testing.T) {
	s := signedIn(t)
	for _, query := range []string{
		"", "topics=", "topics=x", "topics=service:", "topics=service:nothing", "topics=service:secret",
		"topics=service:../web", "topics=services,", "topics=services,services,services,services,services",
	} {
		if p := s.Get("/accounts/alice/events?" + query); p.Status != http.StatusNotFound {
			t.Errorf("%q: status %d, want 404", query, p.Status)
		}
	}
}

// The same over a real connection: the first event arrives, and Run ends although the stream is open.
func TestRunEndsStreamsAndStops(t *testing.T) {
	s := newBareSite(t, time.Now())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.server.Run(ctx, ln) }()
	base := "http://" + ln.Addr().String()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(base+"/signin", url.Values{"email": {"alice@example.net"}, "password": {alicePassword}})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/accounts/alice/events?topics=services", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range response.Cookies() {
		r.AddCookie(cookie)
	}
	stream, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "id: ") {
		t.Fatalf("first line = %q (status %d)", lines.Text(), stream.StatusCode)
	}
	cancel()
	for lines.Scan() { // until the server ends the stream
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream broke off: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := client.Get(base + "/livez"); err == nil {
		t.Error("the server still answers")
	}
}

func TestRunReportsADeadListener(t *testing.T) {
	s := newBareSite(t, time.Now())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Run(t.Context(), ln); err == nil {
		t.Error("Run on a closed listener: no error")
	}
}

// What takes too long goes on; the person is told so before the request itself runs out of time.
func TestActionsThatTakeTooLong(t *testing.T) {
	for action, fields := range map[string]url.Values{"restart": {}, "pause": {}, "delete": {"confirm": {"web"}}} {
		t.Run(action, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				b.engine.hangs = true
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, webPath+"/"+action,
					strings.NewReader(fields.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.AddCookie(&http.Cookie{Name: sessionCookie, Value: b.cookie})
				w := httptest.NewRecorder()
				start := time.Now()
				b.server.Handler().ServeHTTP(w, r)
				if took := time.Since(start); took != waitTime {
					t.Errorf("answered after %v, want %v", took, waitTime)
				}
				if w.Code != http.StatusSeeOther || w.Header().Get("Location") != webPath {
					t.Errorf("status %d to %q, want 303 to the service", w.Code, w.Header().Get("Location"))
				}
				row, err := b.store.Session(t.Context(), token.Hash(b.cookie), b.clock.Now())
				if err != nil || !strings.Contains(string(row.Data), "takes longer") {
					t.Errorf("message = %s, %v", row.Data, err)
				}
			})
		})
	}
}
