package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// How much of its past the page of a service shows.
const (
	linesShown  = 20
	runsShown   = 20
	eventsShown = 50
)

// serviceControl is what the buttons of a service do.
type serviceControl interface {
	Pause(ctx context.Context, a panel.Account, name string, by panel.Actor) (panel.Status, error)
	// Resume also enables a service that the failure rule disabled.
	Resume(ctx context.Context, a panel.Account, name string, by panel.Actor) (panel.Status, error)
	StartNow(ctx context.Context, a panel.Account, name string, by panel.Actor) (panel.Status, error)
	// Restart returns once its outcome is known.
	Restart(ctx context.Context, a panel.Account, name string, hard bool, by panel.Actor) (panel.RestartOutcome, error)
	Warnings(ctx context.Context, a panel.Account, def panel.Definition) ([]panel.Finding, error)
	Try(ctx context.Context, a panel.Account, def panel.Definition) (panel.Check, error)
}

// extractor reads windows of a service's output. panel.ErrNotFound means that there is none yet.
type extractor interface {
	Extract(ctx context.Context, a panel.Account, svc panel.Service, q panel.LogQuery) (panel.LogExtract, error)
}

type serviceHandlers struct {
	*pages
	look      *looker
	control   serviceControl
	processes processObserver
	logs      extractor
	limits    panel.HostLimits
}

func (h *serviceHandlers) show(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	v, err := h.view(c.Request().Context(), account(c), svc)
	if err != nil {
		return err
	}
	p, err := h.arrive(c, svc.Name+" – Services", "services")
	if err != nil {
		return err
	}
	p.Events = eventsPath(account(c), topicService+svc.Name, nil)
	return h.render(c, http.StatusOK, templates.ServicePage(p, v))
}

// fragments are the parts of the page that an event stream keeps up to date.
func (h *serviceHandlers) fragments(ctx context.Context, p templates.Page, a panel.Account, name string) ([]fragment, error) {
	svc, err := h.look.byName(ctx, a, name)
	if err != nil {
		return nil, err
	}
	v, err := h.view(ctx, a, svc)
	if err != nil {
		return nil, err
	}
	return []fragment{
		{templates.IDServiceHead, templates.ServiceHead(p, v)},
		{templates.IDServiceFacts, templates.ServiceFacts(p, v)},
		{templates.IDServiceLines, templates.ServiceLines(p, v)},
		{templates.IDServiceRuns, templates.ServiceRuns(p, v)},
	}, nil
}

// view puts the page together. What only adds to it (lines, process, warnings) may be missing; the log of upkeep
// then says why.
func (h *serviceHandlers) view(ctx context.Context, a panel.Account, svc panel.Service) (templates.ServiceView, error) {
	row, err := h.look.one(ctx, a, svc)
	if err != nil {
		return templates.ServiceView{}, err
	}
	v := templates.ServiceView{ServiceRow: row, Limits: h.limits}
	v.Pending = row.Status.PID != 0 && row.Status.Version != svc.Version
	if v.Runs, err = h.look.store.Runs(ctx, svc.ID, runsShown); err != nil {
		return v, err
	}
	if v.Events, err = h.look.store.Events(ctx, svc.ID, eventsShown); err != nil {
		return v, err
	}
	if svc.Monitoring.Command != "" {
		if v.Checks, err = h.look.store.Checks(ctx, svc.ID); err != nil {
			return v, err
		}
	}
	v.Lines = h.lines(ctx, a, svc, linesShown)
	v.Main = h.main(ctx, svc, row.Status)
	if v.Warnings, err = h.control.Warnings(ctx, a, svc.Definition); err != nil {
		h.log.Warn("warnings about a service are not known", "service", svc.ID, "err", err)
	}
	return v, nil
}

// lines returns the last n lines of output, none when they cannot be read.
func (h *serviceHandlers) lines(ctx context.Context, a panel.Account, svc panel.Service, n int) panel.LogExtract {
	extract, err := h.logs.Extract(ctx, a, svc, panel.LogQuery{Lines: n})
	if err != nil && !errors.Is(err, panel.ErrNotFound) {
		h.log.Warn("output of a service cannot be read", "service", svc.ID, "err", err)
	}
	return extract
}

// main returns the main process, nil when none is seen.
func (h *serviceHandlers) main(ctx context.Context, svc panel.Service, status panel.Status) *panel.Process {
	if status.PID == 0 {
		return nil
	}
	all, err := h.processes.Processes(ctx, []panel.ServiceID{svc.ID})
	if err != nil {
		h.log.Warn("processes of a service are not known", "service", svc.ID, "err", err)
		return nil
	}
	for _, p := range all {
		if p.Main {
			return &p
		}
	}
	return nil
}

func (h *serviceHandlers) pause(c echo.Context) error {
	return h.act(c, func(ctx context.Context, a panel.Account, name string) (templates.Flash, error) {
		status, err := h.control.Pause(ctx, a, name, actor(c))
		return pausedFlash(a, name, status), err
	})
}

func (h *serviceHandlers) resume(c echo.Context) error {
	return h.act(c, func(ctx context.Context, a panel.Account, name string) (templates.Flash, error) {
		status, err := h.control.Resume(ctx, a, name, actor(c))
		return startedFlash("Resumed "+name, status), err
	})
}

func (h *serviceHandlers) enable(c echo.Context) error {
	return h.act(c, func(ctx context.Context, a panel.Account, name string) (templates.Flash, error) {
		status, err := h.control.Resume(ctx, a, name, actor(c))
		return startedFlash("Enabled "+name+" again", status), err
	})
}

func (h *serviceHandlers) start(c echo.Context) error {
	return h.act(c, func(ctx context.Context, a panel.Account, name string) (templates.Flash, error) {
		status, err := h.control.StartNow(ctx, a, name, actor(c))
		return startedFlash("Started "+name+" without waiting", status), err
	})
}

// check runs the monitoring command now. What it says changes nothing.
func (h *serviceHandlers) check(c echo.Context) error {
	return h.act(c, func(ctx context.Context, a panel.Account, name string) (templates.Flash, error) {
		svc, err := h.look.byName(ctx, a, name)
		if err != nil {
			return templates.Flash{}, err
		}
		if svc.Monitoring.Command == "" {
			return templates.Flash{Kind: "warn", Text: name + " has no monitoring command.",
				Detail: "Add one in its form."}, nil
		}
		check, err := h.control.Try(ctx, a, svc.Definition)
		return checkFlash(check), err
	})
}

func (h *serviceHandlers) restart(c echo.Context) error     { return h.restartAs(c, false) }
func (h *serviceHandlers) restartHard(c echo.Context) error { return h.restartAs(c, true) }

func (h *serviceHandlers) restartAs(c echo.Context, hard bool) error {
	return h.act(c, func(ctx context.Context, a panel.Account, name string) (templates.Flash, error) {
		outcome, err := h.control.Restart(ctx, a, name, hard, actor(c))
		if err != nil {
			return templates.Flash{}, err
		}
		f := restartFlash(a, name, outcome)
		if outcome.Result == panel.Failed {
			f.Lines = h.lastLines(ctx, a, name)
		}
		return f, nil
	})
}

// linesInFlash is how many lines of the log explain a failed restart.
const linesInFlash = 10

func (h *serviceHandlers) lastLines(ctx context.Context, a panel.Account, name string) []string {
	svc, err := h.look.byName(ctx, a, name)
	if err != nil {
		return nil // deleted meanwhile; the message says enough
	}
	var lines []string
	for _, line := range h.lines(ctx, a, svc, linesInFlash).Lines {
		lines = append(lines, printable(line.Text))
	}
	return lines
}

// act runs one action on the service of the path and brings the person back with its result. An action that does
// not fit the present state is a result too.
func (h *serviceHandlers) act(c echo.Context, do func(context.Context, panel.Account, string) (templates.Flash, error)) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	a := account(c)
	ctx, cancel := context.WithTimeout(c.Request().Context(), waitTime)
	defer cancel()
	f, err := do(ctx, a, svc.Name)
	if err != nil {
		if f, err = refusedFlash(svc.Name, err); err != nil {
			return err
		}
	}
	return h.flash(c, h.comeBack(c, a, svc.Name), f)
}

// comeBack is where an action was started: the list when the referring page was the list, the service otherwise.
func (h *serviceHandlers) comeBack(c echo.Context, a panel.Account, name string) string {
	if back := referringPath(c); isPage(back, servicesPath(a)) {
		return back
	}
	return servicePath(a, name)
}
