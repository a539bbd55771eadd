package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// How much of the history one page shows.
const (
	historyShown  = 50
	versionsShown = 50
)

// historyStore is what the history is read from.
type historyStore interface {
	EventsBefore(ctx context.Context, id panel.ServiceID, kinds []panel.EventKind, before int64, limit int) ([]panel.Event, error)
	Versions(ctx context.Context, id panel.ServiceID, limit int) ([]panel.Version, error)
}

// historyControl brings back what was.
type historyControl interface {
	BringBack(ctx context.Context, a panel.Account, name string, version int, by panel.Actor) (panel.Service, error)
}

type historyHandlers struct {
	*pages
	look    *looker
	store   historyStore
	control historyControl
}

// show lists what happened, newest first: of one kind when the address says so, and from an event on.
func (h *historyHandlers) show(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	rows, err := h.look.withStatus(ctx, account(c), []panel.Service{svc})
	if err != nil {
		return err
	}
	v := templates.HistoryView{Service: svc, Status: rows[0].Status, Kind: c.QueryParam("kind")}
	kinds, known := templates.EventKinds(v.Kind)
	if !known {
		v.Kind = ""
	}
	before, err := strconv.ParseInt(c.QueryParam("before"), 10, 64)
	if err != nil {
		before = 0
	}
	v.Events, err = h.store.EventsBefore(ctx, svc.ID, kinds, before, historyShown+1)
	if err != nil {
		return err
	}
	if v.Older = len(v.Events) > historyShown; v.Older {
		v.Events = v.Events[:historyShown]
	}
	v.First = before <= 0
	if v.Versions, err = h.store.Versions(ctx, svc.ID, versionsShown); err != nil {
		return err
	}
	p, err := h.arrive(c, svc.Name+" – History", "services")
	if err != nil {
		return err
	}
	return h.render(c, http.StatusOK, templates.HistoryPage(p, v))
}

// undo brings a former version of the definition back: the one that the address names.
func (h *historyHandlers) undo(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	version, err := strconv.Atoi(c.QueryParam("version"))
	if err != nil {
		return panel.ErrNotFound
	}
	a, ctx := account(c), c.Request().Context()
	saved, err := h.control.BringBack(ctx, a, svc.Name, version, actor(c))
	var invalid *panel.ValidationError
	switch {
	case errors.As(err, &invalid):
		f := templates.Flash{Kind: "bad", Text: "Version " + strconv.Itoa(version) + " cannot be brought back."}
		for _, message := range invalid.Fields {
			f.Detail = message
		}
		return h.flash(c, servicePath(a, svc.Name)+"/history", f)
	case errors.Is(err, panel.ErrConflict):
		f, err := refusedFlash(svc.Name, err)
		if err != nil {
			return err
		}
		return h.flash(c, servicePath(a, svc.Name)+"/history", f)
	case err != nil:
		return err
	}
	rows, err := h.look.withStatus(ctx, a, []panel.Service{saved})
	if err != nil {
		return err
	}
	f := savedFlash(a, saved, rows[0].Status)
	f.Text = "Version " + strconv.Itoa(version) + " of " + saved.Name + " is back."
	return h.flash(c, servicePath(a, saved.Name), f)
}
