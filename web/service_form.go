package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"upkeep/internal/catalogue"
	"upkeep/internal/panel"
	"upkeep/templates"
)

// formControl is what the form of a service does. Both Create and Edit return a *panel.ValidationError for fields
// that are wrong; a port of -1 stands for text that is no number, and is wrong too.
type formControl interface {
	Create(ctx context.Context, a panel.Account, def panel.Definition, paused bool, by panel.Actor) (panel.Service, error)
	// Edit returns panel.ErrConflict when the stored version is another one.
	Edit(ctx context.Context, a panel.Account, name string, def panel.Definition, paused bool, version int,
		by panel.Actor) (panel.Service, error)
	Restart(ctx context.Context, a panel.Account, name string, hard bool, by panel.Actor) (panel.RestartOutcome, error)
	Warnings(ctx context.Context, a panel.Account, def panel.Definition) ([]panel.Finding, error)
	// Try runs the monitoring command once. It returns a *panel.ValidationError for fields that are wrong.
	Try(ctx context.Context, a panel.Account, def panel.Definition) (panel.Check, error)
	// FreePort returns 0 when every port is taken.
	FreePort(ctx context.Context) (int, error)
}

type serviceFormHandlers struct {
	*pages
	look    *looker
	control formControl
}

// new offers the templates above an empty form, or shows the form as a template fills it.
func (h *serviceFormHandlers) new(c echo.Context) error {
	t, ok := catalogue.Find(c.QueryParam("template"))
	if !ok {
		return h.ask(c, http.StatusOK, templates.ServiceForm{Templates: catalogue.All()})
	}
	form := templates.ServiceForm{
		Command: t.Command, Directory: t.Directory, Environment: t.Environment, Chosen: &t,
	}
	if t.Listens {
		port, err := h.control.FreePort(c.Request().Context())
		if err != nil {
			return err
		}
		if port != 0 {
			form.Port = strconv.Itoa(port)
		}
	}
	return h.ask(c, http.StatusOK, form)
}

func (h *serviceFormHandlers) create(c echo.Context) error {
	typed, form, err := readServiceForm(c)
	if err != nil {
		return err
	}
	if typed.get("then") == "check" {
		return h.try(c, typed, form)
	}
	ctx := c.Request().Context()
	svc, err := panel.Service{}, typed.flaws()
	if err == nil {
		svc, err = h.control.Create(ctx, account(c), definition(form), form.Paused, actor(c))
	}
	if err != nil {
		return h.wrong(c, form, err)
	}
	f := templates.Flash{Kind: "ok", Text: "Created " + svc.Name + "."}
	if form.Paused {
		f.Detail = "It is paused: resume it when it should run."
	}
	return h.flash(c, servicePath(account(c), svc.Name), f)
}

func (h *serviceFormHandlers) edit(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	form := formOf(svc)
	form.Warnings = h.warnings(c, svc.Definition)
	return h.ask(c, http.StatusOK, form)
}

func (h *serviceFormHandlers) update(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	typed, form, err := readServiceForm(c)
	if err != nil {
		return err
	}
	form.Existing = svc.Name
	if form.Version == 0 {
		form.Version = svc.Version // a program that posts without having read the form
	}
	if typed.get("then") == "check" {
		return h.try(c, typed, form)
	}
	if err := typed.flaws(); err != nil {
		return h.wrong(c, form, err)
	}
	ctx := c.Request().Context()
	saved, err := h.control.Edit(ctx, account(c), svc.Name, definition(form), form.Paused, form.Version, actor(c))
	if errors.Is(err, panel.ErrConflict) {
		return h.overtaken(c, form)
	}
	if err != nil {
		return h.wrong(c, form, err)
	}
	return h.saved(c, saved, typed.get("then") == "restart")
}

// try runs the monitoring command as it is typed, and shows the form again with the result. Nothing is saved.
func (h *serviceFormHandlers) try(c echo.Context, typed form, form templates.ServiceForm) error {
	err := typed.flaws()
	if err == nil {
		var check panel.Check
		if check, err = h.control.Try(c.Request().Context(), account(c), definition(form)); err == nil {
			form.Check = &check
			return h.ask(c, http.StatusOK, form)
		}
	}
	return h.wrong(c, form, err)
}

// saved goes to the service's page and says what the edit means for the run that lives, after restarting it when
// that was asked for.
func (h *serviceFormHandlers) saved(c echo.Context, svc panel.Service, restart bool) error {
	a, ctx := account(c), c.Request().Context()
	if restart && svc.Wanted == panel.WantedOn {
		// Stopped and started, not SIGHUP: a program that only reloads would not get its new definition.
		outcome, err := h.control.Restart(ctx, a, svc.Name, true, actor(c))
		f := restartFlash(a, svc.Name, outcome)
		if err != nil {
			if f, err = refusedFlash(svc.Name, err); err != nil {
				return err
			}
		}
		f.Text = "Saved. " + f.Text
		return h.flash(c, servicePath(a, svc.Name), f)
	}
	row, err := h.look.withStatus(ctx, a, []panel.Service{svc})
	if err != nil {
		return err
	}
	return h.flash(c, servicePath(a, svc.Name), savedFlash(a, svc, row[0].Status))
}

// overtaken shows the form again when somebody else saved another version meanwhile.
func (h *serviceFormHandlers) overtaken(c echo.Context, form templates.ServiceForm) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	form.Version = svc.Version
	form.Errors = map[string]string{"": "This service was changed by somebody else since you opened the form. " +
		"What you typed is still here and was not saved; saving it now replaces their change."}
	return h.ask(c, http.StatusConflict, form)
}

// wrong shows the form again with what was typed and what is wrong with it. An error about anything else comes
// back.
func (h *serviceFormHandlers) wrong(c echo.Context, form templates.ServiceForm, err error) error {
	var invalid *panel.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	form.Errors = map[string]string{}
	for field, message := range invalid.Fields {
		form.Errors[field] = message
	}
	if definition(form).Port == noNumber {
		form.Errors["port"] = fmt.Sprintf("The port must be a number from %d to %d, or empty for none.",
			panel.MinPort, panel.MaxPort)
	}
	shorten(&form)
	form.Warnings = h.warnings(c, definition(form))
	return h.ask(c, http.StatusUnprocessableEntity, form)
}

// ask sends the form.
func (h *serviceFormHandlers) ask(c echo.Context, code int, form templates.ServiceForm) error {
	ctx := c.Request().Context()
	var err error
	if form.FreePort, err = h.control.FreePort(ctx); err != nil {
		return err
	}
	form.Home = account(c).Home
	title := "New service"
	if form.Existing != "" {
		title = form.Existing + " – Edit"
		if form.Running, err = h.running(ctx, account(c), form.Existing); err != nil {
			return err
		}
	}
	return h.render(c, code, templates.ServiceFormPage(h.page(c, title, "services"), form))
}

func (h *serviceFormHandlers) running(ctx context.Context, a panel.Account, name string) (bool, error) {
	svc, err := h.look.byName(ctx, a, name)
	if err != nil {
		return false, err
	}
	rows, err := h.look.withStatus(ctx, a, []panel.Service{svc})
	if err != nil {
		return false, err
	}
	return rows[0].Status.PID != 0, nil
}

// warnings about a definition help, so the form does without them rather than fail.
func (h *serviceFormHandlers) warnings(c echo.Context, def panel.Definition) []panel.Finding {
	if def.Command == "" {
		return nil
	}
	found, err := h.control.Warnings(c.Request().Context(), account(c), def)
	if err != nil {
		h.log.Warn("warnings about a definition are not known", "err", err)
	}
	return found
}
