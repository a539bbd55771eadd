package store

import (
	"context"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"upkeep/internal/panel"
)

// fill gives every field below v a value that is not zero, so that a field which is not stored is noticed.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(noon))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.String:
		v.SetString("</x>\x00é☃")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint64:
		v.SetUint(math.MaxUint64 - 1)
	default:
		v.SetInt(12)
	}
}

func filled[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem())
	return v
}

func begin(t *testing.T, s *Store, id panel.ServiceID, number int, at time.Time) {
	t.Helper()
	if err := s.BeginRun(t.Context(), panel.RunStart{Service: id, Number: number, Cause: panel.CauseExit, At: at}); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, s *Store, id panel.ServiceID, number int, at time.Time) {
	t.Helper()
	exit := panel.Exit{Kind: panel.EndExited, Run: number, At: at}
	if err := s.EndRun(t.Context(), id, exit, panel.Pace{}); err != nil {
		t.Fatal(err)
	}
}

func recovery(t *testing.T, s *Store) panel.Recovery {
	t.Helper()
	all := must(s.Recoveries(t.Context()))(t)
	if len(all) != 1 {
		t.Fatalf("got %d recoveries, want 1", len(all))
	}
	return all[0]
}

func TestRunsAndRecoveryComeBackAsStored(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	x := newService(t, s, newAccount(t, s, "acme"), "web")
	start, exit, pace := filled[panel.RunStart](), filled[panel.Exit](), filled[panel.Pace]()
	start.Service, exit.Run = x.ID, start.Number

	if err := s.SavePace(ctx, x.ID, pace); err != nil {
		t.Fatal(err)
	}
	want := panel.Recovery{RunStart: panel.RunStart{Service: x.ID}, Pace: pace}
	if diff := cmp.Diff(want, recovery(t, s)); diff != "" {
		t.Errorf("pace before the first run: want -, got +\n%s", diff)
	}

	if err := s.BeginRun(ctx, start); err != nil {
		t.Fatal(err)
	}
	want.RunStart, want.Live = start, true
	if diff := cmp.Diff(want, recovery(t, s)); diff != "" {
		t.Errorf("live: want -, got +\n%s", diff)
	}
	run := panel.Run{Number: start.Number, Cause: start.Cause, By: start.By, PID: start.PID, StartedAt: start.At}
	if diff := cmp.Diff([]panel.Run{run}, must(s.Runs(ctx, x.ID, 10))(t)); diff != "" {
		t.Errorf("live run: want -, got +\n%s", diff)
	}

	pace.Failures, pace.NextTry = append(pace.Failures, noon.Add(time.Hour)), time.Time{}
	if err := s.EndRun(ctx, x.ID, exit, pace); err != nil {
		t.Fatal(err)
	}
	want.Live, want.LastExit, want.Pace, run.End = false, &exit, pace, &exit
	if diff := cmp.Diff(want, recovery(t, s)); diff != "" {
		t.Errorf("ended: want -, got +\n%s", diff)
	}
	if diff := cmp.Diff([]panel.Run{run}, must(s.Runs(ctx, x.ID, 10))(t)); diff != "" {
		t.Errorf("ended run: want -, got +\n%s", diff)
	}

	begin(t, s, x.ID, start.Number+1, noon) // PID 0: no process could be made
	if got := recovery(t, s); !got.Live || got.PID != 0 || !cmp.Equal(got.Pace, pace) || !cmp.Equal(got.LastExit, &exit) {
		t.Errorf("next run: got %+v, want the former pace and exit", got)
	}
	if err := s.SavePace(ctx, x.ID, panel.Pace{}); err != nil {
		t.Fatal(err)
	}
	if got := recovery(t, s); !got.Live || got.Number != start.Number+1 || !cmp.Equal(got.Pace, panel.Pace{}) {
		t.Errorf("pace of a live run: got %+v, want only the pace changed", got)
	}
	runs := must(s.Runs(ctx, x.ID, 1))(t)
	if len(runs) != 1 || runs[0].Number != start.Number+1 || runs[0].End != nil {
		t.Errorf("got newest run %+v, want the live one", runs)
	}
}

// A restart that upkeep died in is known to the next one, as long as it is about the run that lives.
func TestRestartAsked(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a := newAccount(t, s, "acme")
	x := newService(t, s, a, "web")
	begin(t, s, x.ID, 5, noon)
	at := time.Now().Truncate(time.Millisecond).UTC()
	ask := func(run int, at time.Time) {
		t.Helper()
		if err := s.AddEvent(ctx, panel.Event{Account: a.ID, Service: x.ID, Kind: panel.EventRestartAsk, Run: run, At: at}); err != nil {
			t.Fatal(err)
		}
	}
	ask(5, at.Add(-2*time.Hour))
	ask(4, at.Add(-time.Minute))
	if got := recovery(t, s).RestartAsked; !got.IsZero() {
		t.Errorf("got %v, want no restart: one is old, one was of another run", got)
	}
	ask(5, at)
	if got := recovery(t, s).RestartAsked; !got.Equal(at) {
		t.Errorf("got %v, want %v", got, at)
	}
}

// Whoever enables a service gives it a full budget, which must not be forgotten.
func TestEnablingRenewsTheBudget(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	x := newService(t, s, newAccount(t, s, "acme"), "web")
	pace := panel.Pace{Failures: []time.Time{noon}, Tries: 3}
	if err := s.SavePace(ctx, x.ID, pace); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		wanted panel.Wanted
		want   panel.Pace
	}{
		{panel.WantedPaused, pace}, {panel.WantedOn, pace}, {panel.WantedDisabled, pace}, {panel.WantedOn, panel.Pace{}},
	} {
		must(s.SetWanted(ctx, x.ID, c.wanted, ann, noon, panel.Event{Kind: panel.EventPaused}))(t)
		if got := recovery(t, s).Pace; !cmp.Equal(got, c.want) {
			t.Errorf("pace after %s: got %+v, want %+v", c.wanted, got, c.want)
		}
	}
}

func TestRunsThatCannotBe(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	x := newService(t, s, newAccount(t, s, "acme"), "web")
	begin(t, s, x.ID, 5, noon)
	before := recovery(t, s)
	for what, c := range map[string]struct{ got, want error }{
		"same number":       {s.BeginRun(ctx, panel.RunStart{Service: x.ID, Number: 5}), panel.ErrConflict},
		"lower number":      {s.BeginRun(ctx, panel.RunStart{Service: x.ID, Number: 4}), panel.ErrConflict},
		"missing service":   {s.BeginRun(ctx, panel.RunStart{Service: 99, Number: 1}), panel.ErrNotFound},
		"end of no run":     {s.EndRun(ctx, x.ID, panel.Exit{Run: 6}, panel.Pace{}), panel.ErrNotFound},
		"end of a past run": {s.EndRun(ctx, x.ID, panel.Exit{Run: 4}, panel.Pace{}), panel.ErrNotFound},
		"end without one":   {s.EndRun(ctx, 99, panel.Exit{Run: 1}, panel.Pace{}), panel.ErrNotFound},
		"pace without one":  {s.SavePace(ctx, 99, panel.Pace{}), panel.ErrNotFound},
	} {
		wantErr(t, what, c.got, c.want)
	}
	if diff := cmp.Diff(before, recovery(t, s)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestRestartsSince(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a, b := newAccount(t, s, "acme"), newAccount(t, s, "beta")
	web, api, other := newService(t, s, a, "web"), newService(t, s, a, "api"), newService(t, s, b, "web")
	for i := range 5 {
		begin(t, s, web.ID, i+1, noon.Add(time.Duration(i)*time.Hour))
	}
	begin(t, s, api.ID, 1, noon.Add(4*time.Hour))
	begin(t, s, other.ID, 2, noon.Add(4*time.Hour))
	for _, c := range []struct {
		since time.Time
		want  map[panel.ServiceID]int
	}{
		{noon.Add(-time.Hour), map[panel.ServiceID]int{web.ID: 4}}, // the first run is no restart
		{noon.Add(2 * time.Hour), map[panel.ServiceID]int{web.ID: 2}},
		{noon.Add(4 * time.Hour), map[panel.ServiceID]int{}},
	} {
		if diff := cmp.Diff(c.want, must(s.RestartsSince(ctx, a.ID, c.since))(t)); diff != "" {
			t.Errorf("since %v: want -, got +\n%s", c.since, diff)
		}
	}
}

func TestPruneForgetsWhatIsOldAndEnded(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a := newAccount(t, s, "acme")
	old, live, fresh := newService(t, s, a, "old"), newService(t, s, a, "live"), newService(t, s, a, "fresh")
	before := noon.Add(-time.Minute)
	const many = 2*pruneBatch + 1 // more than one batch
	for i := range many {
		begin(t, s, old.ID, i+1, before)
		end(t, s, old.ID, i+1, before)
		ev := panel.Event{Account: a.ID, Service: old.ID, ServiceName: "old", Kind: panel.EventEnded, At: before}
		if err := s.AddEvent(ctx, ev); err != nil {
			t.Fatal(err)
		}
	}
	begin(t, s, live.ID, 1, before)
	begin(t, s, fresh.ID, 1, before)
	end(t, s, fresh.ID, 1, noon)
	if err := s.AddEvent(ctx, panel.Event{Account: a.ID, Service: old.ID, Kind: panel.EventEnded, At: noon}); err != nil {
		t.Fatal(err)
	}

	if err := s.Prune(ctx, noon); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[panel.ServiceID]int{old.ID: 0, live.ID: 1, fresh.ID: 1} {
		if got := must(s.Runs(ctx, id, 1000))(t); len(got) != want {
			t.Errorf("service %d: got %d runs, want %d", id, len(got), want)
		}
	}
	if got := events(t, s, a); len(got) != 4 { // three were created just now
		t.Errorf("got %d events, want 4", len(got))
	}
	if got := must(s.Recoveries(ctx))(t); len(got) != 3 || got[0].Number != many || got[0].LastExit == nil {
		t.Errorf("got %d recoveries, first %+v, want 3 with number and exit of the pruned run", len(got), got[0])
	}
	err := s.BeginRun(ctx, panel.RunStart{Service: old.ID, Number: 1, At: noon})
	wantErr(t, "a number that was pruned", err, panel.ErrConflict)
	begin(t, s, old.ID, many+1, noon)
	end(t, s, old.ID, many+1, noon)
}

func TestEventsComeBackAsStored(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	a := newAccount(t, s, "acme")
	x, other := newService(t, s, a, "web"), newService(t, s, a, "api")
	full := filled[panel.Event]()
	full.Account, full.Service = a.ID, x.ID
	if err := s.AddEvent(ctx, full); err != nil {
		t.Fatal(err)
	}
	spare := panel.Event{Account: a.ID, Service: x.ID, ServiceName: hostile, Kind: panel.EventStarted, Detail: hostile}
	if err := s.AddEvent(ctx, spare); err != nil {
		t.Fatal(err)
	}
	got := must(s.Events(ctx, x.ID, 2))(t)
	if len(got) != 2 || got[0].ID <= got[1].ID || got[0].At.IsZero() {
		t.Fatalf("got %+v, want two, newest first", got)
	}
	spare.ID, spare.At, full.ID = got[0].ID, got[0].At, got[1].ID
	if diff := cmp.Diff([]panel.Event{spare, full}, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if all := must(s.AccountEvents(ctx, a.ID, 3))(t); len(all) != 3 || all[0].ID != spare.ID || all[2].Service != other.ID {
		t.Errorf("got %+v, want the newest 3 of the account", all)
	}
	wantErr(t, "missing account", s.AddEvent(ctx, panel.Event{Account: 99, Kind: "x"}), panel.ErrNotFound)
}

func TestAWithdrawnRequestLeavesNothingHalfDone(t *testing.T) {
	s := newStore(t)
	x := newService(t, s, newAccount(t, s, "acme"), "web")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.BeginRun(ended, panel.RunStart{Service: x.ID, Number: 1, At: noon})
	wantErr(t, "ended context", err, context.Canceled)
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel() // at any moment
		err := s.BeginRun(ctx, panel.RunStart{Service: x.ID, Number: i + 1, At: noon})
		cancel()
		runs, latest := must(s.Runs(t.Context(), x.ID, 1))(t), must(s.Recoveries(t.Context()))(t)
		run := len(runs) == 1 && runs[0].Number == i+1
		recovery := len(latest) == 1 && latest[0].Number == i+1
		if run != recovery || err == nil && !run {
			t.Errorf("run %d: error %v, run stored %v, recovery stored %v", i+1, err, run, recovery)
		}
	}
	begin(t, s, x.ID, 100, noon)
}
