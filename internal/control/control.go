// Package control holds the use cases that change both what is stored and what runs: create, edit, pause, restart,
// remove. It checks what people typed, keeps the two sides in step, and answers with what really happened.
//
// Who may call is decided before: every method takes the account, and touches nothing outside of it.
package control

import (
	"context"
	"errors"
	"time"

	"upkeep/internal/failpoint"
	"upkeep/internal/panel"
)

// Store is what control needs of the store.
type Store interface {
	CreateService(context.Context, panel.Service, panel.Actor) (panel.Service, error)
	UpdateService(ctx context.Context, id panel.ServiceID, def panel.Definition, ifVersion int, by panel.Actor) (panel.Service, error)
	Version(ctx context.Context, id panel.ServiceID, number int) (panel.Version, error)
	DeleteService(context.Context, panel.ServiceID, panel.Actor) error
	Service(ctx context.Context, account panel.AccountID, name string) (panel.Service, error)
	Services(ctx context.Context, account panel.AccountID) ([]panel.Service, error)
	PortOwner(ctx context.Context, port int) (panel.Service, error)
	UsedPorts(context.Context) ([]int, error)
	AddEvent(context.Context, panel.Event) error
}

// Engine is what control needs of the supervisor.
type Engine interface {
	Add(context.Context, panel.Service, panel.Account, panel.Actor) error
	AddAgain(context.Context, panel.Service, panel.Account, panel.Actor) error
	Update(context.Context, panel.Service) error
	Start(context.Context, panel.ServiceID, panel.Actor) error
	Pause(context.Context, panel.ServiceID, panel.Actor) error
	Restart(ctx context.Context, id panel.ServiceID, hard bool, by panel.Actor) (panel.RestartOutcome, error)
	Remove(context.Context, panel.ServiceID) error
	Status(context.Context, ...panel.ServiceID) (map[panel.ServiceID]panel.Status, error)
	Check(context.Context, panel.Service, panel.Account) (panel.Check, error)
	Identity(panel.ServiceID) (panel.Identity, bool)
}

// AsUser does file look-ups with the rights of the account's user; it fails when that user is missing.
type AsUser func(acct panel.Account, look func() error) error

// Control offers the use cases.
type Control struct {
	store   Store
	engine  Engine
	asUser  AsUser
	glances glances
	// minInterval is the shortest time between two checks that may be asked for.
	minInterval time.Duration
}

// New returns a Control. minInterval is the shortest time between two checks that a customer may ask for; 0 means
// panel.MinInterval.
func New(s Store, e Engine, as AsUser, minInterval time.Duration) *Control {
	if minInterval == 0 {
		minInterval = panel.MinInterval
	}
	return &Control{store: s, engine: e, asUser: as, minInterval: minInterval}
}

// answerTime bounds how long a pause or a start keeps a person waiting; it goes on afterwards and the page shows
// how far it is. It is more than the default stop timeout.
const answerTime = 15 * time.Second

// Create stores a service and, unless it is paused, starts it. What was typed wrongly comes back as a
// [*panel.ValidationError].
func (c *Control) Create(ctx context.Context, acct panel.Account, def panel.Definition, paused bool, by panel.Actor) (panel.Service, error) {
	def, err := c.check(ctx, acct, def, 0)
	if err != nil {
		return panel.Service{}, err
	}
	svc := panel.Service{Account: acct.ID, Definition: def, Wanted: panel.WantedOn}
	if paused {
		svc.Wanted = panel.WantedPaused
	}
	if svc, err = c.store.CreateService(ctx, svc, by); err != nil {
		return panel.Service{}, err
	}
	return svc, c.engine.Add(ctx, svc, acct, by)
}

// Edit changes a definition that was read at version; panel.ErrConflict says that somebody else changed it since.
// A run that lives keeps its definition until its next start. Pausing and resuming are part of the form.
func (c *Control) Edit(ctx context.Context, acct panel.Account, name string, def panel.Definition, paused bool, version int, by panel.Actor) (panel.Service, error) {
	svc, err := c.store.Service(ctx, acct.ID, name)
	if err != nil {
		return panel.Service{}, err
	}
	if def, err = c.check(ctx, acct, def, svc.ID); err != nil {
		return panel.Service{}, err
	}
	if svc, err = c.store.UpdateService(ctx, svc.ID, def, version, by); err != nil {
		return panel.Service{}, err
	}
	if err := c.engine.Update(ctx, svc); err != nil {
		return panel.Service{}, err
	}
	switch {
	case paused && svc.Wanted != panel.WantedPaused:
		_, err = c.Pause(ctx, acct, svc.Name, by)
	case !paused && svc.Wanted == panel.WantedPaused:
		_, err = c.Resume(ctx, acct, svc.Name, by)
	}
	return svc, err
}

// BringBack saves the definition that a service had in a former version as its newest one. A run that lives keeps its
// definition until its next start. What cannot be any more, such as a port that is taken, is a
// [*panel.ValidationError].
func (c *Control) BringBack(ctx context.Context, acct panel.Account, name string, version int, by panel.Actor) (panel.Service, error) {
	svc, err := c.store.Service(ctx, acct.ID, name)
	if err != nil {
		return panel.Service{}, err
	}
	former, err := c.store.Version(ctx, svc.ID, version)
	if err != nil {
		return panel.Service{}, err
	}
	return c.Edit(ctx, acct, name, former.Definition, svc.Wanted == panel.WantedPaused, svc.Version, by)
}

// Pause stops a service until somebody resumes it. It returns when nothing of it is left, or after a while with
// the status Stopping.
func (c *Control) Pause(ctx context.Context, acct panel.Account, name string, by panel.Actor) (panel.Status, error) {
	return c.ask(ctx, acct, name, by, c.engine.Pause)
}

// Resume starts a service that is paused or disabled. It returns when the run has outlived its start period or has
// ended.
func (c *Control) Resume(ctx context.Context, acct panel.Account, name string, by panel.Actor) (panel.Status, error) {
	return c.ask(ctx, acct, name, by, c.engine.Start)
}

// StartNow does not wait for the next try of a service that failed.
func (c *Control) StartNow(ctx context.Context, acct panel.Account, name string, by panel.Actor) (panel.Status, error) {
	return c.ask(ctx, acct, name, by, c.engine.Start)
}

// ask does something to a service of the account and returns how the service is then.
func (c *Control) ask(ctx context.Context, acct panel.Account, name string, by panel.Actor,
	do func(context.Context, panel.ServiceID, panel.Actor) error) (panel.Status, error) {
	svc, err := c.store.Service(ctx, acct.ID, name)
	if err != nil {
		return panel.Status{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := do(bounded, svc.ID, by); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return panel.Status{}, err
	}
	statuses, err := c.engine.Status(context.WithoutCancel(ctx), svc.ID)
	return statuses[svc.ID], err
}

// Restart sends SIGHUP, or stops and starts when hard, and returns what that came to. It is refused with
// panel.ErrConflict for a service that is paused or disabled, and with panel.ErrBusy during an earlier restart.
func (c *Control) Restart(ctx context.Context, acct panel.Account, name string, hard bool, by panel.Actor) (panel.RestartOutcome, error) {
	svc, err := c.store.Service(ctx, acct.ID, name)
	if err != nil {
		return panel.RestartOutcome{}, err
	}
	return c.engine.Restart(ctx, svc.ID, hard, by)
}

// Remove stops a service and deletes it with its history. The log file in the home stays.
func (c *Control) Remove(ctx context.Context, acct panel.Account, name string, by panel.Actor) error {
	svc, err := c.store.Service(ctx, acct.ID, name)
	if err != nil {
		return err
	}
	// Paused first, which is stored: should upkeep die half-way, the service does not come back by itself.
	if err := c.engine.Pause(ctx, svc.ID, by); err != nil && !errors.Is(err, panel.ErrNotFound) {
		return err
	}
	svc.Wanted = panel.WantedPaused
	if err := c.engine.Remove(ctx, svc.ID); err != nil && !errors.Is(err, panel.ErrNotFound) {
		return err
	}
	failpoint.At("remove.stopped")
	// The stop is done: whoever asked may have gone away, but half a removal helps nobody.
	ctx = context.WithoutCancel(ctx)
	if err := c.store.DeleteService(ctx, svc.ID, by); err != nil {
		return errors.Join(err, c.engine.AddAgain(ctx, svc, acct, by))
	}
	failpoint.At("remove.deleted")
	return nil
}
