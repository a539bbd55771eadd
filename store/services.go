package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"upkeep/internal/panel"
)

const selectService = `
	SELECT id, account_id, name, command, directory, environment, COALESCE(port, 0), annotation, version,
	       wanted, wanted_since_ms, by_kind, by_user_id, by_name, created_at_ms, updated_at_ms, ` + optionColumns + `
	FROM services `

func scanService(r row) (panel.Service, error) {
	var x panel.Service
	var wanted, created, updated int64
	var o options
	err := r.Scan(append([]any{&x.ID, &x.Account, &x.Name, &x.Command, &x.Directory, &x.Environment, &x.Port,
		&x.Annotation, &x.Version, &x.Wanted, &wanted, &x.WantedBy.Kind, &x.WantedBy.User, &x.WantedBy.Name, &created,
		&updated}, o.targets()...)...)
	o.into(&x.Definition)
	x.WantedSince, x.CreatedAt, x.UpdatedAt = moment(wanted), moment(created), moment(updated)
	return x, err
}

// Service returns the service of an account by its name.
func (s *Store) Service(ctx context.Context, account panel.AccountID, name string) (panel.Service, error) {
	x, err := one(ctx, s.readers, scanService, selectService+`WHERE account_id = ? AND name = ?`, account, name)
	if err != nil {
		return x, fmt.Errorf("service %q of account %d: %w", name, account, err)
	}
	return x, nil
}

// ServiceByID returns the service with this ID.
func (s *Store) ServiceByID(ctx context.Context, id panel.ServiceID) (panel.Service, error) {
	x, err := serviceByID(ctx, s.readers, id)
	if err != nil {
		return x, fmt.Errorf("service %d: %w", id, err)
	}
	return x, nil
}

func serviceByID(ctx context.Context, q querier, id panel.ServiceID) (panel.Service, error) {
	return one(ctx, q, scanService, selectService+`WHERE id = ?`, id)
}

// Services returns the services of an account, by name.
func (s *Store) Services(ctx context.Context, account panel.AccountID) ([]panel.Service, error) {
	all, err := list(ctx, s.readers, scanService, selectService+`WHERE account_id = ? ORDER BY name`, account)
	if err != nil {
		return nil, fmt.Errorf("list services of account %d: %w", account, err)
	}
	return all, nil
}

// AllServices returns the services of every account, oldest first.
func (s *Store) AllServices(ctx context.Context) ([]panel.Service, error) {
	all, err := list(ctx, s.readers, scanService, selectService+`ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	return all, nil
}

// PortOwner returns the service, of whatever account, that has the port.
func (s *Store) PortOwner(ctx context.Context, port int) (panel.Service, error) {
	x, err := one(ctx, s.readers, scanService, selectService+`WHERE port = ?`, port)
	if err != nil {
		return x, fmt.Errorf("owner of port %d: %w", port, err)
	}
	return x, nil
}

// UsedPorts returns the ports of all services, lowest first.
func (s *Store) UsedPorts(ctx context.Context) ([]int, error) {
	all, err := list(ctx, s.readers, column[int], `SELECT port FROM services WHERE port IS NOT NULL ORDER BY port`)
	if err != nil {
		return nil, fmt.Errorf("list used ports: %w", err)
	}
	return all, nil
}

// CreateService stores the definition of x with its first version and the event, and returns the whole service.
// Of x, the account, the definition, what is wanted (empty means on) and the time of creation (zero means now) are
// used. A taken name or port is a *panel.ValidationError.
func (s *Store) CreateService(ctx context.Context, x panel.Service, by panel.Actor) (panel.Service, error) {
	at := rounded(x.CreatedAt)
	x.Version, x.WantedBy = 1, by
	x.CreatedAt, x.UpdatedAt, x.WantedSince = at, at, at
	if x.Wanted == "" {
		x.Wanted = panel.WantedOn
	}
	err := s.write(ctx, func(tx *sql.Tx) (err error) {
		if x.ID, err = insertService(ctx, tx, x); err != nil {
			return whatIsTaken(ctx, tx, x, err)
		}
		if err := insertVersion(ctx, tx, x, by); err != nil {
			return err
		}
		return s.insertEvent(ctx, tx, eventOf(x, panel.EventCreated, by, at))
	})
	if err != nil {
		return panel.Service{}, fmt.Errorf("create service %q of account %d: %w", x.Name, x.Account, err)
	}
	return x, nil
}

func insertService(ctx context.Context, tx *sql.Tx, x panel.Service) (panel.ServiceID, error) {
	return one(ctx, tx, column[panel.ServiceID], `
		INSERT INTO services (account_id, name, command, directory, environment, port, annotation, version,
			wanted, wanted_since_ms, by_kind, by_user_id, by_name, created_at_ms, updated_at_ms, `+optionColumns+`)
		VALUES (?, ?, ?, ?, ?, NULLIF(?, 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, `+optionMarks+`)
		RETURNING id`,
		append([]any{x.Account, x.Name, x.Command, x.Directory, x.Environment, x.Port, x.Annotation, x.Version,
			x.Wanted, millis(x.WantedSince), x.WantedBy.Kind, x.WantedBy.User, x.WantedBy.Name,
			millis(x.CreatedAt), millis(x.UpdatedAt)}, optionValues(x.Definition)...)...)
}

// UpdateService replaces the definition. It returns panel.ErrConflict when the stored version is not ifVersion, and
// a *panel.ValidationError for a taken name or port. A definition that is the same already is left as it is.
func (s *Store) UpdateService(ctx context.Context, id panel.ServiceID, def panel.Definition, ifVersion int,
	by panel.Actor) (panel.Service, error) {
	var x panel.Service
	err := s.write(ctx, func(tx *sql.Tx) (err error) {
		if x, err = serviceByID(ctx, tx, id); err != nil {
			return err
		}
		if x.Version != ifVersion {
			return fmt.Errorf("%w: version %d, not %d", panel.ErrConflict, x.Version, ifVersion)
		}
		changed := changedFields(x.Definition, def)
		if len(changed) == 0 {
			return nil
		}
		x.Definition, x.UpdatedAt = def, rounded(time.Now())
		x.Version++
		return s.updateService(ctx, tx, x, by, strings.Join(changed, ", "))
	})
	if err != nil {
		return panel.Service{}, fmt.Errorf("update service %d: %w", id, err)
	}
	return x, nil
}

func (s *Store) updateService(ctx context.Context, tx *sql.Tx, x panel.Service, by panel.Actor, changed string) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE services SET name = ?, command = ?, directory = ?, environment = ?, port = NULLIF(?, 0),
			annotation = ?, version = ?, updated_at_ms = ?, (`+optionColumns+`) = (`+optionMarks+`) WHERE id = ?`,
		append(append([]any{x.Name, x.Command, x.Directory, x.Environment, x.Port, x.Annotation, x.Version,
			millis(x.UpdatedAt)}, optionValues(x.Definition)...), x.ID)...)
	if err != nil {
		return whatIsTaken(ctx, tx, x, translate(err))
	}
	if err := insertVersion(ctx, tx, x, by); err != nil {
		return err
	}
	event := eventOf(x, panel.EventEdited, by, x.UpdatedAt)
	event.Detail = changed
	return s.insertEvent(ctx, tx, event)
}

// changedFields returns the names of the form fields in which b differs from a.
func changedFields(a, b panel.Definition) []string {
	var names []string
	note := func(changed bool, name string) {
		if changed {
			names = append(names, name)
		}
	}
	note(a.Name != b.Name, "name")
	note(a.Command != b.Command, "command")
	note(a.Directory != b.Directory, "directory")
	note(a.Environment != b.Environment, "environment")
	note(a.Port != b.Port, "port")
	note(a.Annotation != b.Annotation, "annotation")
	note(a.Monitoring != b.Monitoring, "monitoring")
	note(a.Budget != b.Budget, "budget")
	return names
}

// whatIsTaken turns a conflict that x ran into into a message for each field. The transaction holds the write
// lock, so the answer fits the failure.
func whatIsTaken(ctx context.Context, tx *sql.Tx, x panel.Service, err error) error {
	if !errors.Is(err, panel.ErrConflict) {
		return err
	}
	var name, port bool
	scanErr := tx.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM services WHERE account_id = ? AND name = ? AND id <> ?),
		       EXISTS (SELECT 1 FROM services WHERE port = ? AND id <> ?)`,
		x.Account, x.Name, x.ID, x.Port, x.ID).Scan(&name, &port)
	if scanErr != nil {
		return scanErr
	}
	var taken panel.ValidationError
	if name {
		taken.Set("name", fmt.Sprintf("Another service of this account is called %s.", x.Name))
	}
	if port {
		taken.Set("port", fmt.Sprintf("Port %d is taken.", x.Port))
	}
	if taken.Err() != nil {
		return &taken
	}
	return err
}

// SetWanted changes what is wanted of a service, and adds ev in the same transaction. The event's account, service,
// actor and time are filled in.
func (s *Store) SetWanted(ctx context.Context, id panel.ServiceID, wanted panel.Wanted, by panel.Actor, at time.Time,
	ev panel.Event) (panel.Service, error) {
	at = rounded(at)
	var x panel.Service
	err := s.write(ctx, func(tx *sql.Tx) (err error) {
		if wanted == panel.WantedOn {
			if err := renewBudget(ctx, tx, id); err != nil {
				return err
			}
		}
		err = mustChange(tx.ExecContext(ctx, `
			UPDATE services SET wanted = ?, wanted_since_ms = ?, by_kind = ?, by_user_id = ?, by_name = ? WHERE id = ?`,
			wanted, millis(at), by.Kind, by.User, by.Name, id))
		if err != nil {
			return err
		}
		if x, err = serviceByID(ctx, tx, id); err != nil {
			return err
		}
		ev.Account, ev.Service, ev.ServiceName, ev.By, ev.At = x.Account, x.ID, x.Name, by, at
		return s.insertEvent(ctx, tx, ev)
	})
	if err != nil {
		return panel.Service{}, fmt.Errorf("set service %d %s: %w", id, wanted, err)
	}
	return x, nil
}

// renewBudget gives a disabled service, which a person has looked at now, a full failure budget again.
func renewBudget(ctx context.Context, tx *sql.Tx, id panel.ServiceID) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE recovery SET failures = '[]', tries = 0
		WHERE service_id = ? AND EXISTS (SELECT 1 FROM services WHERE id = ? AND wanted = 'disabled')`, id, id)
	return err
}

// DeleteService deletes a service with its runs, versions and recovery. Its events stay, without the ID.
func (s *Store) DeleteService(ctx context.Context, id panel.ServiceID, by panel.Actor) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		x, err := serviceByID(ctx, tx, id)
		if err != nil {
			return err
		}
		// The tables that refer to the service cascade.
		if _, err := tx.ExecContext(ctx, `DELETE FROM services WHERE id = ?`, id); err != nil {
			return err
		}
		return s.insertEvent(ctx, tx, eventOf(x, panel.EventDeleted, by, time.Now()))
	})
	if err != nil {
		return fmt.Errorf("delete service %d: %w", id, err)
	}
	return nil
}
