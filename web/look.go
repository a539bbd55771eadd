package web

import (
	"context"
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// serviceStore is what the pages read about services.
type serviceStore interface {
	Service(ctx context.Context, account panel.AccountID, name string) (panel.Service, error)
	Services(ctx context.Context, account panel.AccountID) ([]panel.Service, error)
	Runs(ctx context.Context, id panel.ServiceID, limit int) ([]panel.Run, error)
	// Checks are the kept results of the monitoring command, newest first.
	Checks(ctx context.Context, id panel.ServiceID) ([]panel.Check, error)
	Events(ctx context.Context, id panel.ServiceID, limit int) ([]panel.Event, error)
	RestartsSince(ctx context.Context, account panel.AccountID, since time.Time) (map[panel.ServiceID]int, error)
}

// Statuses is what the supervisor observes.
type Statuses interface {
	Status(ctx context.Context, ids ...panel.ServiceID) (map[panel.ServiceID]panel.Status, error)
	// Watch gives a notice after some status changed. The channel is closed when ctx ends.
	Watch(ctx context.Context) <-chan struct{}
}

// usageObserver is what is measured of services.
type usageObserver interface {
	Usage(ctx context.Context, ids []panel.ServiceID) (map[panel.ServiceID]panel.Usage, error)
	Ports(ctx context.Context, services []panel.Service) (map[panel.ServiceID]panel.PortUse, error)
}

// looker puts together what is stored of a service and what is observed of it.
type looker struct {
	store  serviceStore
	status Statuses
	usage  usageObserver
	log    *slog.Logger
	now    func() time.Time
}

// named returns the service of the path.
func (l *looker) named(c echo.Context) (panel.Service, error) {
	return l.byName(c.Request().Context(), account(c), c.Param("name"))
}

func (l *looker) byName(ctx context.Context, a panel.Account, name string) (panel.Service, error) {
	if !validName.MatchString(name) {
		return panel.Service{}, panel.ErrNotFound
	}
	return l.store.Service(ctx, a.ID, name)
}

// rows returns the services of an account with their status and restarts, by name.
func (l *looker) rows(ctx context.Context, a panel.Account) ([]templates.ServiceRow, error) {
	services, err := l.store.Services(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	return l.withStatus(ctx, a, services)
}

// withStatus makes rows of services.
func (l *looker) withStatus(ctx context.Context, a panel.Account, services []panel.Service) ([]templates.ServiceRow, error) {
	if len(services) == 0 {
		return nil, nil
	}
	ids := make([]panel.ServiceID, len(services))
	for i, svc := range services {
		ids[i] = svc.ID
	}
	statuses, err := l.status.Status(ctx, ids...)
	if err != nil {
		return nil, err
	}
	restarts, err := l.store.RestartsSince(ctx, a.ID, l.now().Add(-24*time.Hour))
	if err != nil {
		return nil, err
	}
	rows := make([]templates.ServiceRow, len(services))
	for i, svc := range services {
		rows[i] = templates.ServiceRow{Service: svc, Status: known(statuses, svc), Restarts: restarts[svc.ID]}
	}
	return rows, nil
}

// known returns a service's status, or that nothing is known: the engine hears of a service a moment after the
// store does.
func known(statuses map[panel.ServiceID]panel.Status, svc panel.Service) panel.Status {
	status, ok := statuses[svc.ID]
	if !ok {
		return panel.Status{State: panel.Unknown, Since: svc.UpdatedAt}
	}
	return status
}

// measure fills in usage and ports. A number that cannot be had leaves a gap, never an error page: the states,
// and the buttons, are what somebody comes for.
func (l *looker) measure(ctx context.Context, rows []templates.ServiceRow) {
	l.measureUsage(ctx, rows)
	l.measurePorts(ctx, rows)
}

func (l *looker) measureUsage(ctx context.Context, rows []templates.ServiceRow) {
	var ids []panel.ServiceID
	for _, r := range rows {
		if hasProcesses(r.Status) {
			ids = append(ids, r.Service.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	usage, err := l.usage.Usage(ctx, ids)
	if err != nil {
		l.log.Warn("usage of services is not known", "err", err)
		return
	}
	for i := range rows {
		if u, ok := usage[rows[i].Service.ID]; ok && u.Processes > 0 {
			rows[i].Usage = &u
		}
	}
}

func hasProcesses(s panel.Status) bool {
	return s.PID != 0 || s.State == panel.Stopping || len(s.LeftOver) > 0
}

func (l *looker) measurePorts(ctx context.Context, rows []templates.ServiceRow) {
	var services []panel.Service
	for _, r := range rows {
		if r.Service.Port != 0 {
			services = append(services, r.Service)
		}
	}
	if len(services) == 0 {
		return
	}
	ports, err := l.usage.Ports(ctx, services)
	if err != nil {
		l.log.Warn("listeners of services are not known", "err", err)
		return
	}
	for i := range rows {
		if p, ok := ports[rows[i].Service.ID]; ok && rows[i].Service.Port != 0 {
			rows[i].Port = &p
		}
	}
}

// one returns one service with everything that is observed of it.
func (l *looker) one(ctx context.Context, a panel.Account, svc panel.Service) (templates.ServiceRow, error) {
	rows, err := l.withStatus(ctx, a, []panel.Service{svc})
	if err != nil {
		return templates.ServiceRow{}, err
	}
	l.measure(ctx, rows)
	return rows[0], nil
}
