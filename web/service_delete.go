package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// removeControl deletes services.
type removeControl interface {
	// Remove returns once nothing of the service runs any more.
	Remove(ctx context.Context, a panel.Account, name string, by panel.Actor) error
}

type serviceDeleteHandlers struct {
	*pages
	look    *looker
	control removeControl
	logs    extractor
}

func (h *serviceDeleteHandlers) confirm(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	return h.ask(c, http.StatusOK, svc, "", "")
}

func (h *serviceDeleteHandlers) remove(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	f, err := readCleanForm(c)
	if err != nil {
		return err
	}
	if typed := strings.TrimSpace(f.get("confirm")); typed != svc.Name {
		return h.ask(c, http.StatusUnprocessableEntity, svc, clip(typed, maxFilterBytes),
			"This is not the name of the service. Type "+svc.Name+" to delete it.")
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), waitTime)
	defer cancel()
	a := account(c)
	path := logPath(a, svc.Name, h.extract(ctx, a, svc).Path)
	if err := h.control.Remove(ctx, a, svc.Name, actor(c)); err != nil {
		return h.refused(c, svc, err)
	}
	return h.flash(c, servicesPath(a), templates.Flash{
		Kind: "ok", Text: "Deleted " + svc.Name + ".", Detail: "Its log file stays: " + path,
	})
}

// refused goes back to the service when its state stood in the way.
func (h *serviceDeleteHandlers) refused(c echo.Context, svc panel.Service, err error) error {
	f, err := refusedFlash(svc.Name, err)
	if err != nil {
		return err
	}
	return h.flash(c, servicePath(account(c), svc.Name), f)
}

func (h *serviceDeleteHandlers) ask(c echo.Context, code int, svc panel.Service, typed, wrong string) error {
	a, ctx := account(c), c.Request().Context()
	rows, err := h.look.withStatus(ctx, a, []panel.Service{svc})
	if err != nil {
		return err
	}
	v := templates.DeleteView{
		Service: svc, Status: rows[0].Status, LogPath: logPath(a, svc.Name, h.extract(ctx, a, svc).Path),
		Typed: typed, Error: wrong,
	}
	return h.render(c, code, templates.DeletePage(h.page(c, "Delete "+svc.Name, "services"), v))
}

// extract is asked for the path of the log only; without it the page names the place where logs belong.
func (h *serviceDeleteHandlers) extract(ctx context.Context, a panel.Account, svc panel.Service) panel.LogExtract {
	extract, err := h.logs.Extract(ctx, a, svc, panel.LogQuery{Lines: 1})
	if err != nil && !errors.Is(err, panel.ErrNotFound) {
		h.log.Warn("output of a service cannot be read", "service", svc.ID, "err", err)
	}
	return extract
}
