package web

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"
	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// pages is what every handler shares: it knows who asks, and renders.
type pages struct {
	log      *slog.Logger
	now      func() time.Time
	domain   string
	secure   bool
	trouble  func() error // nil: never any
	sessions *sessionStore
	users    userStore
}

// visitor is the person behind a request.
type visitor struct {
	session  *sessions.Session
	user     panel.User
	accounts []panel.Account // that the person may open
}

// Keys of the values that middleware leaves for handlers.
const (
	visitorKey = "visitor"
	accountKey = "account"
)

// person returns who signed in, nil for nobody.
func person(c echo.Context) *visitor {
	v, _ := c.Get(visitorKey).(*visitor)
	return v
}

// account returns the account of the path. Only routes below it may ask.
func account(c echo.Context) panel.Account { return c.Get(accountKey).(panel.Account) }

// actor is the signed-in person as events name them.
func actor(c echo.Context) panel.Actor { return panel.Person(person(c).user) }

// page fills in what every page shows besides its own content.
func (s *pages) page(c echo.Context, title, section string) templates.Page {
	p := templates.Page{
		Title:   title,
		Section: section,
		Theme:   theme(c),
		Path:    c.Request().URL.RequestURI(),
		Now:     s.now(),
	}
	if c.Request().Method != http.MethodGet {
		p.Path = localPath(referringPath(c)) // the answer to a form is no page to come back to; the form was
	}
	if a, ok := c.Get(accountKey).(panel.Account); ok {
		p.Account = a.Name
		p.Host = "services-" + a.Name + "." + s.domain
	}
	p.Trouble = s.troubleFor(person(c))
	if v := person(c); v != nil {
		p.User = v.user.Email
		for _, a := range v.accounts {
			p.Accounts = append(p.Accounts, a.Name)
		}
	}
	return p
}

// troubleFor says that the database cannot be used, and to an administrator why.
func (s *pages) troubleFor(v *visitor) *templates.Trouble {
	if s.trouble == nil {
		return nil
	}
	err := s.trouble()
	if err == nil {
		return nil
	}
	t := &templates.Trouble{Text: "The panel's database cannot be written at the moment."}
	if v != nil && v.user.Admin {
		t.Detail = err.Error()
	}
	return t
}

// arrive is page for a whole page that a person sees: it brings the message of the action before.
func (s *pages) arrive(c echo.Context, title, section string) (templates.Page, error) {
	p := s.page(c, title, section)
	var err error
	p.Flash, err = s.takeFlash(c)
	return p, err
}

// render sends a whole page. It is rendered into memory first: a component that fails half way still becomes an
// error page.
func (s *pages) render(c echo.Context, code int, component templ.Component) error {
	var b bytes.Buffer
	// The time limit of the handler is over when its error page is rendered.
	ctx := context.WithoutCancel(c.Request().Context())
	if err := component.Render(ctx, &b); err != nil {
		return err
	}
	return c.HTMLBlob(code, b.Bytes())
}

// flash leaves a message for the page the browser is sent to, and sends it there.
func (s *pages) flash(c echo.Context, path string, f templates.Flash) error {
	session := person(c).session
	session.Flashes() // a message nobody has seen by now is about something older
	session.AddFlash(f)
	if err := session.Save(c.Request(), c.Response()); err != nil {
		s.notSaved(c, err) // what the message tells of has happened; the page shows it as well
	}
	return c.Redirect(http.StatusSeeOther, path)
}

// takeFlash returns the message that an action left for this page, nil for none. It is gone afterwards.
func (s *pages) takeFlash(c echo.Context) (*templates.Flash, error) {
	session := person(c).session
	waiting := session.Flashes()
	if len(waiting) == 0 {
		return nil, nil
	}
	if err := session.Save(c.Request(), c.Response()); err != nil {
		s.notSaved(c, err) // it will be shown once more
	}
	f, _ := waiting[0].(templates.Flash)
	return &f, nil
}

// notSaved logs that a session could not be saved where the answer does not depend on it.
func (s *pages) notSaved(c echo.Context, err error) {
	s.log.Warn("session not saved", "request", requestID(c), "err", err)
}

// Paths of pages that handlers send the browser to.

func accountPath(a panel.Account) string  { return "/accounts/" + a.Name }
func servicesPath(a panel.Account) string { return accountPath(a) + "/services" }
func processesPath(a panel.Account) string {
	return accountPath(a) + "/processes/services"
}
func servicePath(a panel.Account, name string) string { return servicesPath(a) + "/" + name }

// eventsPath is the stream that keeps a page up to date.
func eventsPath(a panel.Account, topic string, query url.Values) string {
	q := url.Values{}
	for name, values := range query {
		q[name] = values
	}
	q.Set("topics", topic)
	return accountPath(a) + "/events?" + q.Encode()
}

func withQuery(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}
