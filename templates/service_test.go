package templates

import (
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"upkeep/internal/panel"
)

// posts lists the last parts of the addresses that forms below s post to.
func posts(s *goquery.Selection) []string {
	var list []string
	s.Find("form[method=post]").Each(func(_ int, form *goquery.Selection) {
		action := form.AttrOr("action", "")
		list = append(list, action[strings.LastIndex(action, "/")+1:])
	})
	return list
}

func TestListShowsEachService(t *testing.T) {
	v := sampleServices()
	doc := render(t, ServicesPage(samplePage("Services", "services"), v))
	rows := doc.Find("tr[data-service]")
	if rows.Length() != len(v.Rows) {
		t.Fatalf("%d rows, want %d", rows.Length(), len(v.Rows))
	}
	for i, want := range []struct{ name, state, words, port string }{
		{"queue-mailer", "disabled", "Disabled 10 failures in 5 min · exit 1 · 3 h ago", "no port"},
		{"preview", "backoff", "Crashed exit 1 · 3 of 10 · next try in 4 s", "8303 nothing listens"},
		{"reports", "backoff", "Cannot start command not found · 1 of 10 · next try in 1 s", "8309 nothing listens"},
		{"search-api", "unhealthy", "Unhealthy 4 min", "8302 loopback only"},
		{"chat-ws", "running", "Running 12 d 4 h", "8300 OK, on ::"},
		{"image-resizer", "stopping", "Stopping 2 s", "8306 listens on 3000"},
		{"redis", "running", "Running 31 d", "8301 OK, on ::"},
		{"shop-cache", "running", "Restarting SIGHUP sent · 3 h", "8307 IPv4 only"},
		{"telegram-bot", "starting", "Starting 0 s", "no port"},
		{"nightly-import", "paused", "Paused by you, 2 d ago", "no port"},
	} {
		row := rows.Eq(i)
		got := struct{ name, state, words, port string }{
			row.AttrOr("data-service", ""), row.AttrOr("data-state", ""), text(row.Find(".c-state")), text(row.Find(".c-port")),
		}
		if got != want {
			t.Errorf("row %d:\n got %q\nwant %q", i, got, want)
		}
	}
}

func TestListOffersWhatTheStateAllows(t *testing.T) {
	doc := render(t, ServicesTable(samplePage("Services", "services"), sampleServices()))
	for name, want := range map[string][]string{
		"chat-ws": {"restart", "restart-hard", "pause"}, "search-api": {"restart", "restart-hard", "pause"},
		"preview": {"start", "pause"}, "queue-mailer": {"enable"}, "nightly-import": {"resume"}, "image-resizer": nil,
	} {
		row := doc.Find("tr[data-service='" + name + "']")
		if got := posts(row); !slices.Equal(got, want) {
			t.Errorf("%s offers %v, want %v", name, got, want)
		}
		for _, page := range []string{"logs", "edit", "delete"} {
			if row.Find("a[href='/accounts/alice/services/"+name+"/"+page+"']").Length() != 1 {
				t.Errorf("%s has no link to %s", name, page)
			}
		}
	}
}

func TestSummaryCountsAndFilters(t *testing.T) {
	v := sampleServices()
	v.Query = ListQuery{Text: "a", State: "failing", Page: 2}
	doc := render(t, ServicesSummary(samplePage("Services", "services"), v))
	var got []string
	doc.Find("a").Each(func(_ int, s *goquery.Selection) { got = append(got, text(s)) })
	want := []string{"All 10", "Running 3", "Failing 3", "Unhealthy 1", "Changing 2", "Paused 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if href := doc.Find("a").Last().AttrOr("href", ""); href != "/accounts/alice/services?state=paused&text=a" {
		t.Errorf("a chip forgets the text, or keeps the page: %s", href)
	}
	if current := text(doc.Find("a[aria-current=true]")); current != "Failing 3" {
		t.Errorf("current is %q", current)
	}
}

func TestListSaysHowItIsSorted(t *testing.T) {
	v := sampleServices()
	v.Query = ListQuery{Sort: "cpu", Desc: true, Page: 2}
	v.Pages, v.Found = 3, 140
	doc := render(t, ServicesTable(samplePage("Services", "services"), v))
	if n := doc.Find("th[aria-sort=descending]").Length(); n != 1 || text(doc.Find("th[aria-sort=descending]")) != "CPU" {
		t.Errorf("%d columns are sorted", n)
	}
	for rel, want := range map[string]string{"prev": "/accounts/alice/services?desc=1&sort=cpu", "next": "/accounts/alice/services?desc=1&page=3&sort=cpu"} {
		if got := doc.Find("a[rel="+rel+"]").AttrOr("href", ""); got != want {
			t.Errorf("%s leads to %s, want %s", rel, got, want)
		}
	}
}

func TestEmptyListExplains(t *testing.T) {
	doc := render(t, ServicesPage(samplePage("Services", "services"), ServicesView{Pages: 1}))
	if !strings.Contains(text(doc.Find(".empty")), "A service is a program of yours") || doc.Find("a[href$='/services/new']").Length() != 1 {
		t.Error("a newcomer is not told what to do")
	}
	v := ServicesView{Total: 3, Pages: 1, Query: ListQuery{Text: "zebra", State: "paused", Sort: "name"}}
	empty := render(t, ServicesPage(samplePage("Services", "services"), v)).Find(".empty")
	if got := text(empty); !strings.Contains(got, "contains zebra .") || !strings.Contains(got, "State is paused .") {
		t.Errorf("the filter is not named: %q", got)
	}
	if href := empty.Find("a").AttrOr("href", ""); href != "/accounts/alice/services?sort=name" {
		t.Errorf("clear leads to %q", href)
	}
}

func TestServicePageTellsStateAndProcess(t *testing.T) {
	doc := render(t, ServicePage(samplePage("chat-ws", "services"), sampleService(4)))
	head := doc.Find("[data-service=chat-ws][data-state=running]")
	if head.Length() != 1 || text(head.Find("h1")) != "chat-ws" || text(head.Find(".stateline")) != "Running for 12 d 4 h" {
		t.Errorf("head is %q", text(head))
	}
	if got := doc.Find("[data-pid]"); got.Length() != 1 || got.AttrOr("data-pid", "") != "48211" {
		t.Errorf("%d main processes", got.Length())
	}
	if got := doc.Find("[data-copy]").AttrOr("data-copy", ""); got != "services-alice.example.net:8300" {
		t.Errorf("address %q", got)
	}
	if doc.Find(".why").Length() != 0 {
		t.Error("a service that is well is explained")
	}
}

func TestServicePageSaysWhy(t *testing.T) {
	left := sampleService(1)
	left.Status.LastExit.LeftForeground = true
	trouble := sampleService(4)
	trouble.Status.LogTrouble = "the folder is a link"
	for want, v := range map[string]ServiceView{
		"It was disabled after 10 failures in 5 min; the last time: exit status 1 after 2 s.": sampleService(0),
		"the next try is in 4 s.":                      sampleService(1),
		"A service has to stay in the foreground":      left,
		"Its output: The folder is a link.":            trouble,
		"The program runs, but its monitoring command": sampleService(3),
	} {
		head := render(t, ServiceHead(samplePage("x", "services"), v))
		if got := text(head.Find(".why")); !strings.Contains(got, want) {
			t.Errorf("%s is explained by %q, want %q", v.Service.Name, got, want)
		}
	}
}

func TestServicePageShowsBudgetAndEdit(t *testing.T) {
	v := sampleService(1)
	v.Pending = true
	doc := render(t, ServicePage(samplePage("preview", "services"), v))
	if got := text(doc.Find("section[aria-labelledby=fact-budget]")); got != "Failure budget 3 of 10 failures in 5 min, next try in 4 s" {
		t.Errorf("budget is %q", got)
	}
	if doc.Find(".pips .on").Length() != 3 {
		t.Error("the marks do not show the budget")
	}
	if !strings.Contains(text(doc.Find("#service-head")), "applies at the next restart") {
		t.Error("a pending edit is not mentioned")
	}
	if got := text(doc.Find("section[aria-labelledby=fact-definition] dl")); got != "Command ./preview --listen :$PORT Working directory ~/apps/preview Environment 2 variables "+
		"Limits 512 MB of memory, 150 % of a processor, 512 processes; the account 6.0 GB of memory, 1024 processes; "+
		"each process 65536 open files. Kept by control groups (v1)." {
		t.Errorf("definition is %q", got)
	}
}

func TestHistory(t *testing.T) {
	doc := render(t, ServiceRuns(samplePage("x", "services"), sampleService(0)))
	for i, want := range []string{
		"43 13:02:12 restart by you still running 1 h –",
		"42 11:02:10 the run before ended 11:02:12 Exit status 1 after 2 s a failure",
		"41 09:58:12 the run before ended 10:02:12 Ended by signal SIGKILL after 4 min the host's fault, not counted",
	} {
		if got := text(doc.Find("tbody tr").Eq(i)); got != want {
			t.Errorf("run %d:\n got %q\nwant %q", i, got, want)
		}
	}
	if got := text(doc.Find(".events li").Eq(3)); got != "Restarted: PID 4243 replaced 4242 after 14 ms. by you, 5 h ago" {
		t.Errorf("event is %q", got)
	}
}

func TestFormShowsErrorsAndWarnings(t *testing.T) {
	doc := render(t, ServiceFormPage(samplePage("Add a service", "services"), sampleForm()))
	var links []string
	doc.Find(".summary[role=alert] a").Each(func(_ int, s *goquery.Selection) { links = append(links, s.AttrOr("href", "")) })
	if want := []string{"#field-name", "#field-port", "#field-environment", "#field-monitoring_interval"}; !slices.Equal(links, want) {
		t.Errorf("the summary leads to %v, want %v", links, want)
	}
	name := doc.Find("[name=name]")
	if name.AttrOr("aria-invalid", "") != "true" || !strings.Contains(name.AttrOr("aria-describedby", ""), "error-name") ||
		name.AttrOr("value", "") != "Chat WS" {
		t.Error("the field does not tell its error, or lost what was typed")
	}
	if got := doc.Find("[data-finding=D06] [data-fill=command]").AttrOr("data-value", ""); got != "node server.js" {
		t.Errorf("the cure is %q", got)
	}
	if doc.Find(".notes [data-finding=D15]").Length() != 1 || doc.Find("[data-finding]").Length() != 2 {
		t.Error("a warning is lost, or shown twice")
	}
	for _, field := range []string{"name", "command", "directory", "environment", "port", "annotation", "paused"} {
		if doc.Find("form[action='/accounts/alice/services'] [name="+field+"]").Length() != 1 {
			t.Errorf("no field %s", field)
		}
	}
}

func TestFormOfARunningService(t *testing.T) {
	v := ServiceForm{Name: "chat-ws", Existing: "chat-ws", Version: 3, Running: true}
	form := render(t, ServiceFormPage(samplePage("Edit", "services"), v)).Find("form[action='/accounts/alice/services/chat-ws/edit']")
	if got := form.Find("[name=version]").AttrOr("value", ""); got != "3" {
		t.Errorf("version is %q", got)
	}
	if text(form.Find("button[name=then][value=restart]")) != "Save and restart" || text(form.Find(".submit button").First()) != "Save" {
		t.Error("saving alone has to come first, saving with a restart second")
	}
	if !strings.Contains(text(form), "applies at its next restart") {
		t.Error("it is not said when an edit applies")
	}
}

func TestLogs(t *testing.T) {
	v := LogsView{Service: sampleDefinition("chat-ws", "x", 0, ""), Status: sampleStatus(panel.Running, 0), Extract: sampleExtract()}
	doc := render(t, LogsPage(samplePage("chat-ws", "services"), v))
	if got := doc.Find("li[data-pos]").First().AttrOr("data-pos", ""); got != "4412008" {
		t.Errorf("position %q", got)
	}
	for selector, want := range map[string]string{
		"a[rel=prev]": "/accounts/alice/services/chat-ws/logs?before=4412008",
		"a[rel=next]": "/accounts/alice/services/chat-ws/logs?after=4412816",
	} {
		if got := doc.Find(selector).AttrOr("href", ""); got != want {
			t.Errorf("%s leads to %s, want %s", selector, got, want)
		}
	}
	if doc.Find("li.own").Length() != 4 || doc.Find(".log .f1.bo").Length() == 0 {
		t.Error("runs or colours are not shown")
	}
	v.Extract.Lines = nil
	if got := text(render(t, LogsPage(samplePage("chat-ws", "services"), v)).Find(".empty")); !strings.Contains(got, "PYTHONUNBUFFERED") {
		t.Errorf("an empty log is explained by %q", got)
	}
}

func TestProcesses(t *testing.T) {
	doc := render(t, ProcessesPage(samplePage("Processes", "processes"), sampleProcesses()))
	row := doc.Find("tr[data-pid='48390'][data-service=search-api]")
	if got := text(row); !strings.HasPrefix(got, "search-api 48390 level 2 convert - -resize 800x600 out.png 97 % 1 min 23 s 50 MB 11") {
		t.Errorf("row is %q", got)
	}
	form := row.Find("form[method=post][action='/accounts/alice/processes/services/end']")
	if form.Find("[name=pid]").AttrOr("value", "") != "48390" || form.Find("[name=start]").AttrOr("value", "") != "3726030" {
		t.Error("the form does not name its process")
	}
	for _, signal := range []string{"TERM", "KILL"} {
		if form.Find("button[name=signal][value="+signal+"]").Length() != 1 {
			t.Errorf("no button for %s", signal)
		}
	}
	if got := text(doc.Find("tr[data-pid='48400'] .marks")); got != "left its parent zombie" {
		t.Errorf("marks are %q", got)
	}
	if got := text(doc.Find("tr[data-pid='48211'] form")); !strings.Contains(got, "upkeep will start it again") {
		t.Errorf("the main process is ended without a word: %q", got)
	}
}

func TestFragmentsKeepTheirIDs(t *testing.T) {
	p := samplePage("x", "services")
	for id, n := range map[string]int{
		IDServiceHead:     render(t, ServiceHead(p, sampleService(0))).Find("body > #" + IDServiceHead).Length(),
		IDServiceFacts:    render(t, ServiceFacts(p, sampleService(0))).Find("body > #" + IDServiceFacts).Length(),
		IDServiceLines:    render(t, ServiceLines(p, sampleService(0))).Find("body > #" + IDServiceLines).Length(),
		IDServiceRuns:     render(t, ServiceRuns(p, sampleService(0))).Find("body > #" + IDServiceRuns).Length(),
		IDServicesSummary: render(t, ServicesSummary(p, sampleServices())).Find("body > #" + IDServicesSummary).Length(),
		IDServicesTable:   render(t, ServicesTable(p, sampleServices())).Find("body > #" + IDServicesTable).Length(),
		IDProcessesTable:  render(t, ProcessesTable(p, sampleProcesses())).Find("body > #" + IDProcessesTable).Length(),
	} {
		if n != 1 {
			t.Errorf("the fragment %s is not one element of that id", id)
		}
	}
}

func TestThemeAndAccounts(t *testing.T) {
	p := samplePage("Services", "services")
	p.Theme = "dark"
	doc := render(t, ServicesPage(p, sampleServices()))
	if doc.Find("html[data-theme=dark]").Length() != 1 || text(doc.Find("[name=theme][aria-pressed=true]")) != "Dark" {
		t.Error("the choice of colours is not shown")
	}
	if got := doc.Find("details.account a[aria-current]"); text(got) != "alice" || doc.Find("details.account a").Length() != 3 {
		t.Errorf("current account is %q", text(got))
	}
	if got := text(doc.Find(".nav a[aria-current=page] .roomy")); got != "Services" || doc.Find(".nav a[aria-current=page]").Length() != 1 {
		t.Errorf("current page is %q", got)
	}
	p.Theme, p.Accounts = "", p.Accounts[:1]
	doc = render(t, ServicesPage(p, sampleServices()))
	if doc.Find("html[data-theme], details.account").Length() != 0 {
		t.Error("a choice is offered, or taken, that is none")
	}
}
