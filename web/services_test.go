package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"upkeep/internal/htmltest"
	"upkeep/internal/panel"
	"upkeep/templates"
)

// shown are the names of the services that a list shows, in its order.
func shown(p *htmltest.Page) []string {
	var names []string
	p.Doc.Find("tbody tr[data-service]").Each(func(_ int, row *goquery.Selection) {
		names = append(names, row.AttrOr("data-service", ""))
	})
	return names
}

// mixed is a site with one service in each state.
func mixed(t testing.TB) *site {
	s := signedIn(t)
	s.engine.set(s.web.ID, panel.Status{State: panel.Running, PID: 10})
	for i, state := range []panel.State{panel.Paused, panel.Disabled, panel.Starting, panel.Unhealthy, panel.Backoff, panel.Stopping} {
		svc := s.newServiceOf(s.own, panel.Definition{
			Name: fmt.Sprintf("%c-%s", 'z'-i, state), Command: "./" + string(state), Port: 8400 - i,
			Annotation: "Note ÄÖ " + string(state),
		})
		s.engine.set(svc.ID, panel.Status{State: state, PID: 20 + i})
		s.engine.usage[svc.ID] = panel.Usage{CPU: float64(i), Memory: int64(100 - i), Processes: 1}
	}
	return s
}

func TestListOrderAndFilters(t *testing.T) {
	s := mixed(t)
	tests := []struct{ query, want string }{
		{"", "y-disabled v-backoff w-unhealthy u-stopping web x-starting z-paused"},
		{"state=running", "web"},
		{"state=failing", "y-disabled v-backoff"},
		{"state=busy", "u-stopping x-starting"},
		{"state=unhealthy", "w-unhealthy"},
		{"state=paused", "z-paused"},
		{"state=nonsense", "y-disabled v-backoff w-unhealthy u-stopping web x-starting z-paused"},
		{"text=BACK", "v-backoff"},
		{"text=%C3%A4%C3%B6+paused", "z-paused"},
		{"text=./starting", "x-starting"},
		{"text=./starting&state=paused", ""},
		{"text=%3Cscript%3E", ""},
		{"sort=name", "u-stopping v-backoff w-unhealthy web x-starting y-disabled z-paused"},
		{"sort=name&desc=1", "z-paused y-disabled x-starting web w-unhealthy v-backoff u-stopping"},
		{"sort=port", "web u-stopping v-backoff w-unhealthy x-starting y-disabled z-paused"},
		{"sort=cpu&desc=1", "u-stopping v-backoff w-unhealthy x-starting y-disabled z-paused web"},
		{"sort=memory", "web u-stopping v-backoff w-unhealthy x-starting y-disabled z-paused"},
		{"sort=state&desc=1", "z-paused u-stopping web x-starting w-unhealthy v-backoff y-disabled"},
		{"sort=nonsense&desc=1", "y-disabled v-backoff w-unhealthy u-stopping web x-starting z-paused"},
		{"page=99", "y-disabled v-backoff w-unhealthy u-stopping web x-starting z-paused"},
		{"page=-1", "y-disabled v-backoff w-unhealthy u-stopping web x-starting z-paused"},
		{"page=999999999999999999999", "y-disabled v-backoff w-unhealthy u-stopping web x-starting z-paused"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			p := s.Get("/accounts/alice/services?" + tt.query).WantStatus(http.StatusOK).WantSound()
			if got := strings.Join(shown(p), " "); got != tt.want {
				t.Errorf("services = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestListCountsEveryState(t *testing.T) {
	s := mixed(t)
	p := s.Get("/accounts/alice/services?state=paused")
	chips := map[string]string{}
	p.Doc.Find("#services-summary a").Each(func(_ int, a *goquery.Selection) {
		b := strings.TrimSpace(a.Find("b").Text())
		chips[strings.TrimSpace(strings.TrimSuffix(strings.Join(strings.Fields(a.Text()), " "), b))] = b
	})
	for word, want := range map[string]string{"All": "7", "Running": "1", "Failing": "2", "Unhealthy": "1", "Changing": "2", "Paused": "1"} {
		if chips[word] != want {
			t.Errorf("count of %s = %q, want %q (of %v)", word, chips[word], want, chips)
		}
	}
}

func TestListHasPages(t *testing.T) {
	s := signedIn(t)
	for i := range 119 {
		s.newService(s.own, fmt.Sprintf("s%03d", i), "./x")
	}
	first := s.Get("/accounts/alice/services").WantStatus(http.StatusOK)
	var all []string
	for page := first; ; page = s.Get(page.Attr("a[rel=next]", "href")) {
		names := shown(page)
		if len(names) > rowsPerPage {
			t.Fatalf("%d rows on a page", len(names))
		}
		all = append(all, names...)
		if !page.Has("a[rel=next]") {
			break
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) != 120 {
		t.Errorf("%d services on all pages, want 120", len(all))
	}
}

func TestOnlyShownRowsAreMeasured(t *testing.T) {
	s := signedIn(t)
	for i := range 200 {
		s.run(s.newService(s.own, fmt.Sprintf("s%03d", i), "./x"), 100+i)
	}
	measured := func(query string) int {
		s.engine.mu.Lock()
		s.engine.measured = 0
		s.engine.mu.Unlock()
		s.Get("/accounts/alice/services?" + query).WantStatus(http.StatusOK)
		return s.engine.measured
	}
	if got := measured(""); got > rowsPerPage {
		t.Errorf("measured %d services for one page", got)
	}
	if got := measured("sort=cpu&desc=1"); got < 200 {
		t.Errorf("measured %d services to sort by CPU", got)
	}
}

func TestEmptyListExplains(t *testing.T) {
	s := signedIn(t)
	if err := s.store.DeleteService(t.Context(), s.web.ID, panel.Actor{}); err != nil {
		t.Fatal(err)
	}
	s.Get("/accounts/alice/services").WantStatus(http.StatusOK).WantSound().WantText("main", "No service yet")
	s.Get("/accounts/alice/processes/services").WantStatus(http.StatusOK).WantSound()
}

func TestEventsAddressKeepsTheFilter(t *testing.T) {
	s := mixed(t)
	p := s.Get("/accounts/alice/services?state=paused&sort=name&junk=1")
	u, err := url.Parse(p.Attr("body", "data-events"))
	if err != nil {
		t.Fatal(err)
	}
	if got := u.String(); got != "/accounts/alice/events?sort=name&state=paused&topics=services" {
		t.Errorf("events = %q", got)
	}
}

func TestRankKnowsEveryState(t *testing.T) {
	grouped := map[panel.State]bool{}
	for _, states := range stateGroups {
		for _, s := range states {
			if grouped[s] {
				t.Errorf("%s is in two groups", s)
			}
			grouped[s] = true
		}
	}
	for _, s := range panel.States() {
		if rank(s) < 0 {
			t.Errorf("%s has no rank", s)
		}
		if !grouped[s] {
			t.Errorf("no filter shows %s", s)
		}
	}
}

func TestTree(t *testing.T) {
	names := map[panel.ServiceID]string{1: "b", 2: "a"}
	all := []panel.Process{
		{PID: 12, Parent: 11, Service: 1, Command: "needle"},
		{PID: 10, Parent: 1, Service: 1, Main: true, Command: "main"},
		{PID: 11, Parent: 10, Service: 1, Command: "child"},
		{PID: 5, Parent: 1, Service: 1, Strayed: true, Command: "strayed"},
		{PID: 13, Parent: 10, Service: 1, Command: "other"},
		{PID: 20, Parent: 10, Service: 2, Main: true, Command: "main of a"},
	}
	flat := func(rows []templates.ProcessRow) string {
		var b strings.Builder
		for _, r := range rows {
			fmt.Fprintf(&b, "%s:%d/%d ", r.ServiceName, r.PID, r.Level)
		}
		return strings.TrimSpace(b.String())
	}
	rows := tree(all, names)
	if got, want := flat(rows), "a:20/0 b:10/0 b:11/1 b:12/2 b:13/1 b:5/0"; got != want {
		t.Errorf("tree = %s\nwant   %s", got, want)
	}
	for text, want := range map[string]string{
		"needle":  "b:10/0 b:11/1 b:12/2",
		"other":   "b:10/0 b:13/1",
		"strayed": "b:5/0",
		"12":      "b:10/0 b:11/1 b:12/2",
		"nothing": "",
	} {
		if got := flat(filterTree(rows, text)); got != want {
			t.Errorf("filter %q = %s\nwant %s", text, got, want)
		}
	}
}

func TestSortIsStableByName(t *testing.T) {
	rows := []templates.ServiceRow{}
	for _, name := range []string{"c", "a", "b"} {
		rows = append(rows, templates.ServiceRow{Service: panel.Service{Definition: panel.Definition{Name: name}}})
	}
	for column := range orders {
		if column == "name" {
			continue
		}
		for _, desc := range []bool{false, true} {
			sortRows(rows, templates.ListQuery{Sort: column, Desc: desc})
			if !slices.IsSortedFunc(rows, func(a, b templates.ServiceRow) int {
				return cmp.Compare(a.Service.Name, b.Service.Name)
			}) {
				t.Errorf("equal rows sorted by %s (desc %v) are not in the order of their names", column, desc)
			}
		}
	}
}

func BenchmarkList(b *testing.B) {
	s := newSite(b)
	for i := range 1000 {
		s.run(s.newService(s.own, fmt.Sprintf("s%04d", i), "./x --port $PORT"), 100+i)
	}
	s.SignIn("alice@example.net", alicePassword)
	for b.Loop() {
		s.Get("/accounts/alice/services").WantStatus(http.StatusOK)
	}
}
