package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// What a stream can be about; the name of a service follows topicService.
const (
	topicServices  = "services"
	topicService   = "service:"
	topicProcesses = "processes"
)

// How many topics a stream may have, and how many streams there may be.
const (
	maxTopics            = 4
	maxStreamsPerSession = 8
	maxStreams           = 500
	retryStream          = 10 * time.Second
)

// eventsHandlers keep open pages up to date.
type eventsHandlers struct {
	*pages
	ends      context.Context // every stream ends with it; a request alone does not know that the server stops
	accounts  accountStore
	status    Statuses
	services  *servicesHandlers
	service   *serviceHandlers
	processes *processesHandlers

	mu   sync.Mutex
	open map[string]int // streams by session, under mu
	all  int            // streams, under mu
}

func newEventsHandlers(ends context.Context, p *pages, accounts accountStore, status Statuses,
	services *servicesHandlers, service *serviceHandlers, processes *processesHandlers) *eventsHandlers {
	return &eventsHandlers{
		pages: p, ends: ends, accounts: accounts, status: status,
		services: services, service: service, processes: processes, open: map[string]int{},
	}
}

// source makes the fragments of one topic, for a page with the present time.
type source func(ctx context.Context, p templates.Page) ([]fragment, error)

// stream sends the fragments of its topics whenever they change, until the browser leaves, the session ends, or
// the server stops.
func (h *eventsHandlers) stream(c echo.Context) error {
	sources, err := h.sources(c)
	if err != nil {
		return err
	}
	leave, err := h.enter(string(rowOf(person(c).session).IDHash))
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	defer context.AfterFunc(h.ends, cancel)()
	s := &stream{
		eventWriter: newEventWriter(c.Response(), h.now()),
		sources:     sources,
		page:        func() templates.Page { return h.streamPage(c) },
		valid:       func(ctx context.Context) bool { return h.valid(ctx, c) },
		log:         h.log,
	}
	s.run(ctx, h.status.Watch(ctx))
	return nil
}

// enter counts a stream; leave must be called at its end.
func (h *eventsHandlers) enter(session string) (leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all >= maxStreams || h.open[session] >= maxStreamsPerSession {
		return nil, tooMany{retryStream}
	}
	h.all++
	h.open[session]++
	return func() { h.leave(session) }, nil
}

func (h *eventsHandlers) leave(session string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all--
	if h.open[session]--; h.open[session] == 0 {
		delete(h.open, session)
	}
}

// sources reads the topics of a request. An unknown one is panel.ErrNotFound.
func (h *eventsHandlers) sources(c echo.Context) ([]source, error) {
	topics := strings.Split(c.QueryParam("topics"), ",")
	if len(topics) > maxTopics {
		return nil, panel.ErrNotFound
	}
	var sources []source
	for _, topic := range topics {
		s, err := h.source(c, topic)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	return sources, nil
}

func (h *eventsHandlers) source(c echo.Context, topic string) (source, error) {
	a := account(c)
	if name, ok := strings.CutPrefix(topic, topicService); ok {
		if _, err := h.service.look.byName(c.Request().Context(), a, name); err != nil {
			return nil, err
		}
		return func(ctx context.Context, p templates.Page) ([]fragment, error) {
			p.Path = servicePath(a, name)
			return h.service.fragments(ctx, p, a, name)
		}, nil
	}
	switch topic {
	case topicServices:
		q := readListQuery(c.QueryParams())
		return func(ctx context.Context, p templates.Page) ([]fragment, error) {
			p.Path = withQuery(servicesPath(a), q.Values())
			return h.services.fragments(ctx, p, a, q)
		}, nil
	case topicProcesses:
		q := readProcessQuery(c.QueryParams())
		return func(ctx context.Context, p templates.Page) ([]fragment, error) {
			p.Path = withQuery(processesPath(a), q)
			return h.processes.fragments(ctx, p, a, q.Get("text"))
		}, nil
	}
	return nil, panel.ErrNotFound
}

// streamPage is the page that fragments are made for.
func (h *eventsHandlers) streamPage(c echo.Context) templates.Page { return h.page(c, "", "") }

// valid reports whether the person may still see what the stream shows. When that cannot be found out they may
// not: the browser comes back and asks again.
func (h *eventsHandlers) valid(ctx context.Context, c echo.Context) bool {
	row, err := h.sessions.rows.Session(ctx, rowOf(person(c).session).IDHash, h.now())
	if err != nil {
		return false
	}
	user, err := h.accounts.User(ctx, row.User)
	if err != nil {
		return false
	}
	a, err := h.accounts.AccountFor(ctx, user, account(c).Name)
	return err == nil && a.ID == account(c).ID
}

// endsStream reports whether an error means that there is nothing left to show.
func endsStream(err error) bool { return errors.Is(err, panel.ErrNotFound) }

// noDeadline lifts the time limits of an ordinary request.
func noDeadline(control *http.ResponseController) {
	// A connection that knows no deadlines, as in tests, needs none lifted.
	_ = control.SetReadDeadline(time.Time{})
}
