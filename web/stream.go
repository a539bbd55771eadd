package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"github.com/tmaxmax/go-sse"

	"upkeep/templates"
)

// The rhythm of a stream.
const (
	settle       = 250 * time.Millisecond // changes that come close together are sent together
	refreshEvery = 2 * time.Second        // numbers change without notice
	validEvery   = 10 * time.Second       // a revoked session sees no more than this
	pingEvery    = 15 * time.Second       // keeps proxies from closing a connection that looks dead
	writeTime    = 10 * time.Second       // a reader that takes longer is dropped
)

// fragment is a part of a page with the id of its element.
type fragment struct {
	id        string
	component templ.Component
}

// stream is one open connection to a page.
type stream struct {
	*eventWriter
	sources []source
	page    func() templates.Page
	valid   func(context.Context) bool
	log     *slog.Logger

	sent map[string][sha256.Size]byte // by fragment, of what the page shows
}

// run works until ctx ends, the session does, or the browser is gone.
func (s *stream) run(ctx context.Context, notices <-chan struct{}) {
	s.sent = map[string][sha256.Size]byte{}
	refresh, check, ping := time.NewTicker(refreshEvery), time.NewTicker(validEvery), time.NewTicker(pingEvery)
	defer refresh.Stop()
	defer check.Stop()
	defer ping.Stop()
	var settled <-chan time.Time // set while changes are being gathered
	open := s.refresh(ctx)
	for open {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-notices:
			if !ok {
				notices = nil
			} else if settled == nil {
				settled = time.After(settle)
			}
		case <-settled:
			settled = nil
			open = s.refresh(ctx)
		case <-refresh.C:
			open = s.refresh(ctx)
		case <-check.C:
			open = s.valid(ctx)
		case <-ping.C:
			open = s.ping() == nil
		}
	}
}

// refresh sends every fragment that differs from what the page shows, and the time. It reports whether the stream
// goes on. A fragment that cannot be made now is left out, and so is the time: the page then says that its data
// is getting old.
func (s *stream) refresh(ctx context.Context) bool {
	limited, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	p := s.page()
	for _, source := range s.sources {
		fragments, err := source(limited, p)
		if err == nil {
			err = s.sendChanged(limited, fragments)
		}
		switch {
		case err == nil:
		case endsStream(err): // such as a service that was deleted
			_ = s.send(templates.EventReset, "gone") // the stream ends in any case
			return false
		case errors.Is(err, errWrite), ctx.Err() != nil:
			return false
		default:
			s.log.Warn("page cannot be kept up to date", "err", err)
			return true
		}
	}
	return s.send(templates.EventNow, p.Now.UTC().Format(time.RFC3339)) == nil
}

func (s *stream) sendChanged(ctx context.Context, fragments []fragment) error {
	for _, f := range fragments {
		var b bytes.Buffer
		if err := f.component.Render(ctx, &b); err != nil {
			return fmt.Errorf("render %s: %w", f.id, err)
		}
		sum := sha256.Sum256(b.Bytes())
		if s.sent[f.id] == sum {
			continue
		}
		if err := s.send(f.id, b.String()); err != nil {
			return err
		}
		s.sent[f.id] = sum
	}
	return nil
}

// errWrite says that the browser does not read any more.
var errWrite = errors.New("event cannot be sent")

// eventWriter writes events to a response.
type eventWriter struct {
	response http.ResponseWriter
	control  *http.ResponseController
	prefix   string // of event ids, so that those of two streams differ
	number   int
}

func newEventWriter(w http.ResponseWriter, now time.Time) *eventWriter {
	control := http.NewResponseController(w)
	noDeadline(control)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would gather events otherwise
	w.WriteHeader(http.StatusOK)
	return &eventWriter{response: w, control: control, prefix: strconv.FormatInt(now.UnixMilli(), 36) + "-"}
}

// send writes one event. Its error is errWrite.
func (w *eventWriter) send(name, data string) error {
	w.number++
	m := &sse.Message{ID: sse.ID(w.prefix + strconv.Itoa(w.number)), Type: sse.Type(name)}
	m.AppendData(data)
	return w.write(m)
}

// ping writes a comment, which browsers ignore.
func (w *eventWriter) ping() error {
	m := &sse.Message{}
	m.AppendComment("ping")
	return w.write(m)
}

func (w *eventWriter) write(m *sse.Message) error {
	if err := w.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	if _, err := m.WriteTo(w.response); err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	if err := w.control.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	return nil
}
