package templates

import (
	"testing"
	"time"

	"upkeep/internal/panel"
)

func TestOutcomeText(t *testing.T) {
	for want, o := range map[string]panel.RestartOutcome{
		"Restarted: PID 4243 replaced 4242 after 14 ms.":                                             {Result: panel.Replaced, OldPID: 4242, PID: 4243, After: 14 * time.Millisecond},
		"SIGHUP accepted, still the same process (PID 4242). It may only have re-read its settings.": {Result: panel.Reloaded, PID: 4242},
		"Started: PID 4243 after 20 ms.":                                                             {Result: panel.Started, PID: 4243, After: 20 * time.Millisecond},
		"Restart failed: the program ended with exit status 1 after 2 s.":                            {Result: panel.Failed, Exit: sampleExit()},
		"Restart failed: the new run did not stay up.":                                               {Result: panel.Failed},
		"The restart was overtaken by another request.":                                              {Result: panel.Superseded},
	} {
		if got := OutcomeText(o); got != want {
			t.Errorf("%s:\n got %q\nwant %q", o.Result, got, want)
		}
	}
}

func TestEventText(t *testing.T) {
	outcome := &panel.RestartOutcome{Result: panel.Reloaded, PID: 7}
	for want, e := range map[string]panel.Event{
		"Created":                                {Kind: panel.EventCreated},
		"Edited: command":                        {Kind: panel.EventEdited, Detail: "command"},
		"Deleted":                                {Kind: panel.EventDeleted},
		"Paused":                                 {Kind: panel.EventPaused},
		"Resumed":                                {Kind: panel.EventResumed},
		"Enabled again":                          {Kind: panel.EventEnabled},
		"Started without waiting":                {Kind: panel.EventStartNow},
		"Restart asked for":                      {Kind: panel.EventRestartAsk},
		OutcomeText(*outcome):                    {Kind: panel.EventRestarted, Outcome: outcome},
		"restarted":                              {Kind: panel.EventRestarted},
		"Run 7 started, PID 4242":                {Kind: panel.EventStarted, Run: 7, PID: 4242},
		"Run 7 started":                          {Kind: panel.EventStarted, Run: 7},
		"Run 7 ended":                            {Kind: panel.EventEnded, Run: 7},
		"Ended a process: SIGTERM":               {Kind: panel.EventProcessEnd, Detail: "SIGTERM"},
		"Run 7 ended: exit status 1 after 2 s":   {Kind: panel.EventEnded, Run: 7, Exit: sampleExit()},
		"upkeep came back and found run 7 alive": {Kind: panel.EventAdopted, Run: 7},
		"Disabled after too many failures":       {Kind: panel.EventDisabled},
		"Disabled after too many failures; the last: exit status 1 after 2 s": {Kind: panel.EventDisabled, Exit: sampleExit()},
	} {
		if got := EventText(e); got != want {
			t.Errorf("%s: got %q, want %q", e.Kind, got, want)
		}
	}
}

func TestActorText(t *testing.T) {
	for want, a := range map[string]panel.Actor{
		"you": alice, "bob@example.net": {Kind: panel.ActorPerson, Name: "bob@example.net"},
		"failure rule": {Kind: panel.ActorRule}, "the host": {Kind: panel.ActorHost}, "upkeep": {},
	} {
		if got := actorText(a, alice.Name); got != want {
			t.Errorf("%+v: got %q, want %q", a, got, want)
		}
	}
}

func TestCauseNamesThePerson(t *testing.T) {
	for want, r := range map[string]panel.Run{
		"restart by you":                {Cause: panel.CauseRestart, By: alice},
		"asked for by you":              {Cause: panel.CauseAsked, By: alice},
		"the run before ended":          {Cause: panel.CauseExit},
		"upkeep or the machine started": {Cause: panel.CauseBoot},
		"not known":                     {},
	} {
		if got := causeBy(r, alice.Name); got != want {
			t.Errorf("%s: got %q, want %q", r.Cause, got, want)
		}
	}
}

func TestPortWords(t *testing.T) {
	up, down := sampleStatus(panel.Running, time.Hour), dead(panel.Backoff, time.Second, 1)
	for _, test := range []struct {
		use              *panel.PortUse
		status           panel.Status
		remark, sentence string
	}{
		{nil, up, "not looked up yet", "Who listens has not been looked up yet."},
		{&panel.PortUse{State: panel.PortListening, Address: "::", PID: 42, Name: "node"}, up, "OK, on ::", "OK, node (PID 42) listens on ::."},
		{&panel.PortUse{State: panel.PortListening}, up, "OK, on ::", "OK, the program listens on ::."},
		{&panel.PortUse{State: panel.PortLoopback, Address: "127.0.0.1"}, up, "loopback only", "The program listens on 127.0.0.1 only, so nobody outside can reach it. Bind it to ::."},
		{&panel.PortUse{State: panel.PortIPv4Only}, up, "IPv4 only", "The program listens on IPv4 only, and services are reached over IPv6. Bind it to ::."},
		{&panel.PortUse{State: panel.PortSpecific, Address: "2001:db8::1"}, up, "on one address only", "The program listens on the address 2001:db8::1 only. Bind it to ::."},
		{&panel.PortUse{State: panel.PortOther, Other: []int{3000, 3001}}, up, "listens on 3000, 3001", "The program listens on 3000, 3001, not on 8300. It finds its port in the variable PORT."},
		{&panel.PortUse{State: panel.PortNothing}, up, "nothing listens", "Nothing listens on port 8300 yet. The program runs; it finds its port in the variable PORT."},
		{&panel.PortUse{State: panel.PortNothing}, down, "nothing listens", "Nothing listens, because the program does not run."},
	} {
		if got := portRemark(test.use); got != test.remark {
			t.Errorf("remark: got %q, want %q", got, test.remark)
		}
		if got := portSentence(8300, test.status, test.use); got != test.sentence {
			t.Errorf("sentence:\n got %q\nwant %q", got, test.sentence)
		}
	}
}

func TestColumnSortsDownThenUpThenNotAtAll(t *testing.T) {
	p := samplePage("Services", "services")
	q := ListQuery{Text: "a b", State: "running", Page: 3}
	for _, want := range []string{
		"/accounts/alice/services?desc=1&sort=cpu&state=running&text=a+b",
		"/accounts/alice/services?sort=cpu&state=running&text=a+b",
		"/accounts/alice/services?state=running&text=a+b",
	} {
		q = q.sortedBy("cpu")
		if got := listPath(p, q); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if q := q.sortedBy("name"); q.Desc {
		t.Error("names start with z")
	}
}
