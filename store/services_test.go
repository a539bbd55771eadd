package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"upkeep/internal/panel"
)

// hostile is text as somebody may type it.
const hostile = "<script>alert('1')</script> \"; DROP TABLE services; -- \x00 é ☃ \U0001f600 \xff\xfe\r\n\t?1 :a"

// wantInvalid checks that err is about exactly the fields given, name after name with the message.
func wantInvalid(t *testing.T, what string, err error, fields map[string]string) {
	t.Helper()
	var invalid *panel.ValidationError
	if !errors.As(err, &invalid) {
		t.Errorf("%s: got error %v, want a ValidationError", what, err)
		return
	}
	if diff := cmp.Diff(fields, invalid.Fields); diff != "" {
		t.Errorf("%s: want -, got +\n%s", what, diff)
	}
}

func events(t *testing.T, s *Store, a panel.Account) []panel.Event {
	t.Helper()
	all := must(s.AccountEvents(t.Context(), a.ID, 100))(t)
	for i := range all {
		all[i].ID = 0
	}
	return all
}

func TestServicesComeBackAsStored(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a := newAccount(t, s, "acme")
	want := panel.Service{Account: a.ID, Wanted: panel.WantedPaused, CreatedAt: noon, Definition: panel.Definition{
		Name: "n" + hostile, Command: "c" + hostile, Directory: "d" + hostile, Environment: strings.Repeat(hostile, 600),
		Port: 8300, Annotation: "a" + hostile}}
	got := must(s.CreateService(ctx, want, ann))(t)
	want.ID, want.Version, want.WantedBy, want.WantedSince, want.UpdatedAt = got.ID, 1, ann, noon, noon
	for what, x := range map[string]panel.Service{
		"CreateService": got,
		"Service":       must(s.Service(ctx, a.ID, want.Name))(t),
		"ServiceByID":   must(s.ServiceByID(ctx, got.ID))(t),
		"Services":      must(s.Services(ctx, a.ID))(t)[0],
		"AllServices":   must(s.AllServices(ctx))(t)[0],
		"PortOwner":     must(s.PortOwner(ctx, 8300))(t),
	} {
		if diff := cmp.Diff(want, x); diff != "" {
			t.Errorf("%s: want -, got +\n%s", what, diff)
		}
	}
	event := panel.Event{Account: a.ID, Service: got.ID, ServiceName: want.Name, Kind: panel.EventCreated, By: ann, At: noon}
	if diff := cmp.Diff([]panel.Event{event}, events(t, s, a)); diff != "" {
		t.Errorf("events: want -, got +\n%s", diff)
	}
}

func TestServiceLists(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a, b := newAccount(t, s, "acme"), newAccount(t, s, "beta")
	if got := must(s.Services(ctx, a.ID))(t); len(got) != 0 {
		t.Errorf("got %v in an empty account", got)
	}
	web, api := newService(t, s, a, "web"), newService(t, s, a, "api")
	other := newService(t, s, b, "web") // the same name in another account
	if diff := cmp.Diff([]panel.Service{api, web}, must(s.Services(ctx, a.ID))(t)); diff != "" {
		t.Errorf("Services: want -, got +\n%s", diff)
	}
	if diff := cmp.Diff([]panel.Service{web, api, other}, must(s.AllServices(ctx))(t)); diff != "" {
		t.Errorf("AllServices: want -, got +\n%s", diff)
	}
	if web.Wanted != panel.WantedOn || web.Port != 0 || web.WantedSince.IsZero() {
		t.Errorf("got %+v, want a service that is on and has no port", web)
	}
	if got := must(s.UsedPorts(ctx))(t); len(got) != 0 {
		t.Errorf("got used ports %v, want none", got)
	}
	for _, port := range []int{8302, 8301} {
		def := panel.Definition{Name: fmt.Sprint(port), Port: port}
		must(s.CreateService(ctx, panel.Service{Account: b.ID, Definition: def}, ann))(t)
	}
	if diff := cmp.Diff([]int{8301, 8302}, must(s.UsedPorts(ctx))(t)); diff != "" {
		t.Errorf("UsedPorts: want -, got +\n%s", diff)
	}
	_, err := s.PortOwner(ctx, 0)
	wantErr(t, "owner of no port", err, panel.ErrNotFound)
	_, err = s.PortOwner(ctx, 8303)
	wantErr(t, "owner of a free port", err, panel.ErrNotFound)
	_, err = s.Service(ctx, b.ID, "api")
	wantErr(t, "service of another account", err, panel.ErrNotFound)
	_, err = s.ServiceByID(ctx, 99)
	wantErr(t, "missing service", err, panel.ErrNotFound)
}

func TestTakenNameAndPort(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a, b := newAccount(t, s, "acme"), newAccount(t, s, "beta")
	create := func(account panel.Account, name string, port int) (panel.Service, error) {
		return s.CreateService(ctx, panel.Service{Account: account.ID,
			Definition: panel.Definition{Name: name, Port: port}}, ann)
	}
	must(create(a, "web", 8300))(t)
	name := map[string]string{"name": "Another service of this account is called web."}
	port := map[string]string{"port": "Port 8300 is taken."}
	both := map[string]string{"name": name["name"], "port": port["port"]}

	got, err := create(a, "web", 0)
	wantInvalid(t, "name", err, name)
	if got != (panel.Service{}) {
		t.Errorf("got %+v with the error", got)
	}
	_, err = create(b, "api", 8300)
	wantInvalid(t, "port", err, port)
	_, err = create(a, "web", 8300)
	wantInvalid(t, "both", err, both)
	_, err = s.CreateService(ctx, panel.Service{Account: 99, Definition: panel.Definition{Name: "x"}}, ann)
	wantErr(t, "missing account", err, panel.ErrNotFound)

	api := must(create(a, "api", 8301))(t)
	_, err = s.UpdateService(ctx, api.ID, panel.Definition{Name: "web", Port: 8300}, 1, bob)
	wantInvalid(t, "update", err, both)
	if diff := cmp.Diff(api, must(s.ServiceByID(ctx, api.ID))(t)); diff != "" {
		t.Errorf("a refused update left: want -, got +\n%s", diff)
	}
	if n := len(events(t, s, a)); n != 2 {
		t.Errorf("got %d events, want 2: refused changes have none", n)
	}
}

func TestOfManyOneGetsThePort(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a := newAccount(t, s, "acme")
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			def := panel.Definition{Name: fmt.Sprint("s", i), Port: 8400}
			_, errs[i] = s.CreateService(ctx, panel.Service{Account: a.ID, Definition: def}, ann)
		})
	}
	wg.Wait()
	created := 0
	for _, err := range errs {
		if err == nil {
			created++
			continue
		}
		wantInvalid(t, "late", err, map[string]string{"port": "Port 8400 is taken."})
	}
	if created != 1 || len(must(s.Services(ctx, a.ID))(t)) != 1 {
		t.Errorf("got the port %d times, want once", created)
	}
}

// versions returns number, author and command of each stored version.
func versions(t *testing.T, s *Store, id panel.ServiceID) []string {
	t.Helper()
	return must(list(t.Context(), s.readers, column[string], `
		SELECT version || ' ' || by_name || ' ' || command || ' ' || COALESCE(port, '-')
		FROM service_versions WHERE service_id = ? ORDER BY version`, id))(t)
}

func TestUpdateKeepsTheFormerVersion(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a := newAccount(t, s, "acme")
	x := newService(t, s, a, "web")
	def := panel.Definition{Name: "www", Command: "./new", Directory: "d", Environment: "A=b", Port: 8300, Annotation: "n"}

	got := must(s.UpdateService(ctx, x.ID, def, 1, bob))(t)
	want := x
	want.Definition, want.Version, want.UpdatedAt = def, 2, got.UpdatedAt
	if diff := cmp.Diff(want, got); diff != "" || got.UpdatedAt.Before(x.UpdatedAt) {
		t.Errorf("want -, got +\n%s", diff)
	}
	if diff := cmp.Diff(want, must(s.ServiceByID(ctx, x.ID))(t)); diff != "" {
		t.Errorf("stored: want -, got +\n%s", diff)
	}
	both := []string{"1 ann@example.org ./run -", "2 bob@example.org ./new 8300"}
	if diff := cmp.Diff(both, versions(t, s, x.ID)); diff != "" {
		t.Errorf("versions: want -, got +\n%s", diff)
	}
	edited := panel.Event{Account: a.ID, Service: x.ID, ServiceName: "www", Kind: panel.EventEdited, By: bob,
		At: got.UpdatedAt, Detail: "name, command, directory, environment, port, annotation"}
	if diff := cmp.Diff(edited, events(t, s, a)[0]); diff != "" {
		t.Errorf("event: want -, got +\n%s", diff)
	}

	if same := must(s.UpdateService(ctx, x.ID, def, 2, ann))(t); same != got {
		t.Errorf("an edit that changes nothing: got %+v, want %+v", same, got)
	}
	_, err := s.UpdateService(ctx, x.ID, def, 1, ann)
	wantErr(t, "edit of an old version", err, panel.ErrConflict)
	_, err = s.UpdateService(ctx, 99, def, 1, ann)
	wantErr(t, "edit of a missing service", err, panel.ErrNotFound)
	if len(versions(t, s, x.ID)) != 2 || len(events(t, s, a)) != 2 {
		t.Error("edits that change nothing left a version or an event")
	}

	def.Port = 0
	must(s.UpdateService(ctx, x.ID, def, 2, ann))(t)
	if ev := events(t, s, a)[0]; ev.Detail != "port" {
		t.Errorf("got changed fields %q, want port", ev.Detail)
	}
	if ports := must(s.UsedPorts(ctx))(t); len(ports) != 0 {
		t.Errorf("got used ports %v after the port was given back", ports)
	}
}

func TestOfManyEditsOfAVersionOneWorks(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	x := newService(t, s, newAccount(t, s, "acme"), "web")
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			def := panel.Definition{Name: "web", Command: fmt.Sprint("./run", i)}
			_, errs[i] = s.UpdateService(ctx, x.ID, def, 1, ann)
		})
	}
	wg.Wait()
	worked := 0
	for _, err := range errs {
		if err == nil {
			worked++
			continue
		}
		wantErr(t, "late edit", err, panel.ErrConflict)
	}
	if worked != 1 {
		t.Errorf("%d edits worked, want 1", worked)
	}
}

func TestSetWanted(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a := newAccount(t, s, "acme")
	want := newService(t, s, a, "web")
	rule := panel.Actor{Kind: panel.ActorRule}
	exit := panel.Exit{Kind: panel.EndExited, Code: 3, Run: 9, At: noon}

	got := must(s.SetWanted(ctx, want.ID, panel.WantedDisabled, rule, noon,
		panel.Event{Kind: panel.EventDisabled, Exit: &exit, Detail: "10 of 10"}))(t)
	want.Wanted, want.WantedBy, want.WantedSince = panel.WantedDisabled, rule, noon
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if diff := cmp.Diff(want, must(s.ServiceByID(ctx, want.ID))(t)); diff != "" {
		t.Errorf("stored: want -, got +\n%s", diff)
	}
	event := panel.Event{Account: a.ID, Service: want.ID, ServiceName: "web", Kind: panel.EventDisabled, By: rule,
		At: noon, Exit: &exit, Detail: "10 of 10"}
	if diff := cmp.Diff(event, events(t, s, a)[0]); diff != "" {
		t.Errorf("event: want -, got +\n%s", diff)
	}

	_, err := s.SetWanted(ctx, 99, panel.WantedOn, ann, noon, panel.Event{Kind: panel.EventEnabled})
	wantErr(t, "missing service", err, panel.ErrNotFound)
	if _, err := s.SetWanted(ctx, want.ID, "broken", ann, noon, panel.Event{Kind: panel.EventEnabled}); err == nil {
		t.Error("an unknown word: got no error")
	}
	if _, err := s.SetWanted(ctx, want.ID, panel.WantedOn, ann, noon, panel.Event{}); err == nil {
		t.Error("an event without a kind: got no error")
	}
	if diff := cmp.Diff(want, must(s.ServiceByID(ctx, want.ID))(t)); diff != "" {
		t.Errorf("after failures: want -, got +\n%s", diff)
	}
}

func TestDeleteKeepsOnlyTheEvents(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a := newAccount(t, s, "acme")
	x, other := newService(t, s, a, "web"), newService(t, s, a, "api")
	for _, id := range []panel.ServiceID{x.ID, other.ID} {
		if err := s.BeginRun(ctx, panel.RunStart{Service: id, Number: 1, At: noon}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteService(ctx, x.ID, bob); err != nil {
		t.Fatal(err)
	}
	late := panel.Event{Account: a.ID, Service: x.ID, ServiceName: "web", Kind: panel.EventEnded, At: noon}
	if err := s.AddEvent(ctx, late); err != nil {
		t.Errorf("event that comes late: %v", err)
	}

	_, err := s.ServiceByID(ctx, x.ID)
	wantErr(t, "deleted service", err, panel.ErrNotFound)
	wantErr(t, "deleted again", s.DeleteService(ctx, x.ID, bob), panel.ErrNotFound)
	for _, query := range []string{`SELECT count(*) FROM runs`, `SELECT count(*) FROM recovery`,
		`SELECT count(*) FROM service_versions`} {
		if n := must(one(ctx, s.readers, column[int], query))(t); n != 1 {
			t.Errorf("%s: got %d, want 1 of the other service", query, n)
		}
	}
	var got []string
	for _, ev := range events(t, s, a) {
		got = append(got, fmt.Sprint(ev.Kind, " ", ev.ServiceName, " ", ev.Service, " ", ev.By.Name))
	}
	want := []string{"ended web 0 ", "deleted web 0 " + bob.Name,
		fmt.Sprint("created api ", other.ID, " ", ann.Name), "created web 0 " + ann.Name}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events: want -, got +\n%s", diff)
	}
	if again := newService(t, s, a, "web"); again.ID == x.ID {
		t.Error("the ID of a deleted service was used again")
	}
}
