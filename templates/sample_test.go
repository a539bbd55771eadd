package templates

import (
	"strings"
	"syscall"
	"time"

	"github.com/a-h/templ"

	"upkeep/internal/panel"
)

// The sample is one account as it could be on an ordinary day, with every state and every part of every page.

var noon = time.Date(2026, 7, 31, 14, 2, 12, 0, time.FixedZone("CEST", 2*3600))

func before(d time.Duration) time.Time { return noon.Add(-d) }

var alice = panel.Actor{Kind: panel.ActorPerson, User: 1, Name: "alice@example.net"}

// samplePage is the frame of a page of the sample.
func samplePage(title, section string) Page {
	return Page{
		Title: title, Account: "alice", Accounts: []string{"alice", "bakery", "choir-website"},
		Host: "services-alice.example.net", User: "alice@example.net", Section: section,
		Path: "/accounts/alice/services?text=a", Now: noon,
	}
}

func sampleDefinition(name, command string, port int, note string) panel.Service {
	return panel.Service{
		ID: panel.ServiceID(len(name)*100 + len(command)), Account: 1, Version: 3, Wanted: panel.WantedOn,
		WantedSince: before(50 * time.Hour), WantedBy: alice,
		Definition: panel.Definition{
			Name: name, Command: command, Directory: "apps/" + name, Port: port, Annotation: note,
			Environment: "NODE_ENV=production\nDATABASE_URL=postgres://db.example.net/app\n# a remark\n",
		},
	}
}

func sampleStatus(state panel.State, since time.Duration) panel.Status {
	return panel.Status{
		State: state, Since: before(since), Run: 9, PID: 48211, StartedAt: before(since), Version: 3,
		Limit: 10, Window: 5 * time.Minute,
	}
}

func sampleExit() *panel.Exit {
	return &panel.Exit{Kind: panel.EndExited, Code: 1, Run: 42, At: before(3 * time.Hour), Uptime: 2010 * time.Millisecond}
}

// dead is a status without a process.
func dead(state panel.State, since time.Duration, failures int) panel.Status {
	s := sampleStatus(state, since)
	s.PID, s.StartedAt, s.Failures, s.LastExit = 0, time.Time{}, failures, sampleExit()
	return s
}

func sampleRows() []ServiceRow {
	port := func(state panel.PortState, address string) *panel.PortUse {
		return &panel.PortUse{State: state, Address: address, PID: 48211, Name: "node", Other: []int{3000}}
	}
	paused := sampleDefinition("nightly-import", "bin/import --watch", 0, "")
	paused.Wanted = panel.WantedPaused
	crashed := dead(panel.Backoff, 9*time.Second, 3)
	crashed.NextTry = noon.Add(4 * time.Second)
	missing := dead(panel.Backoff, 2*time.Second, 1)
	missing.NextTry = noon.Add(900 * time.Millisecond)
	missing.LastExit = &panel.Exit{Kind: panel.EndNotRun, Step: panel.StepLookup, Errno: int(syscall.ENOENT), Detail: "gunicorn"}
	stopping := sampleStatus(panel.Stopping, 2*time.Second)
	stopping.KillAt = noon.Add(8 * time.Second)
	restarting := sampleStatus(panel.Running, 3*time.Hour)
	restarting.Restarting = true
	return []ServiceRow{
		{Service: sampleDefinition("queue-mailer", "php bin/console messenger:consume async", 0, ""), Status: dead(panel.Disabled, 3*time.Hour, 10), Restarts: 41},
		{Service: sampleDefinition("preview", "./preview --listen :$PORT", 8303, ""), Status: crashed, Port: port(panel.PortNothing, ""), Restarts: 7},
		{Service: sampleDefinition("reports", "gunicorn reports:app", 8309, ""), Status: missing, Port: port(panel.PortNothing, ""), Restarts: 1},
		{Service: sampleDefinition("search-api", "venv/bin/uvicorn app:app --host :: --port $PORT", 8302, "Search of the shop. Ask Bob before a restart."), Status: sampleStatus(panel.Unhealthy, 4*time.Minute), Port: port(panel.PortLoopback, "127.0.0.1"), Usage: &panel.Usage{CPU: 0.031, Memory: 212e6, Processes: 5}, Restarts: 2},
		{Service: sampleDefinition("chat-ws", "node server.js", 8300, "Chat of the club"), Status: sampleStatus(panel.Running, 292*time.Hour), Port: port(panel.PortListening, "::"), Usage: &panel.Usage{CPU: 0.008, Memory: 94e6, Processes: 2}},
		{Service: sampleDefinition("image-resizer", "./resize --workers 4", 8306, ""), Status: stopping, Port: port(panel.PortOther, "::"), Usage: &panel.Usage{CPU: 1.42, Memory: 1.3e9, Processes: 4}},
		{Service: sampleDefinition("redis", "redis-server redis.conf", 8301, ""), Status: sampleStatus(panel.Running, 31*24*time.Hour), Port: port(panel.PortListening, "::"), Usage: &panel.Usage{CPU: 0.001, Memory: 18e6, Processes: 1}},
		{Service: sampleDefinition("shop-cache", "memcached -l ::", 8307, ""), Status: restarting, Port: port(panel.PortIPv4Only, "0.0.0.0"), Usage: &panel.Usage{CPU: -1, Memory: 41e6, Processes: 1}, Restarts: 1},
		{Service: sampleDefinition("telegram-bot", "venv/bin/python -u bot.py", 0, ""), Status: sampleStatus(panel.Starting, 400*time.Millisecond), Usage: &panel.Usage{CPU: -1, Memory: 12e6, Processes: 1}, Restarts: 3},
		{Service: paused, Status: dead(panel.Paused, 50*time.Hour, 0)},
	}
}

func sampleServices() ServicesView {
	v := ServicesView{Rows: sampleRows(), Counts: map[panel.State]int{}, Pages: 1, Query: ListQuery{Page: 1}}
	for _, r := range v.Rows {
		v.Counts[r.Status.State]++
	}
	v.Total, v.Found = len(v.Rows), len(v.Rows)
	return v
}

func sampleLog() []panel.LogLine {
	text := "upkeep: run 41 started, pid 48211\n" +
		"\x1b[32mINFO\x1b[0m connecting to \x1b[36mpostgres://db.example.net:5432/app\x1b[0m\n" +
		"\x1b[1;31mERROR\x1b[0m SQLSTATE[08006] could not connect to server: Connection refused\n" +
		"\x1b[31m  at PDO->__construct (vendor/doctrine/dbal/src/Driver/PDO/Connection.php:28)\n" +
		"  at Doctrine\\DBAL\\Driver\\PDO\\Connection->connect (vendor/doctrine/dbal/src/Connection.php:124)\x1b[0m\n" +
		"upkeep: run 41 ended, exit status 1 after 2.1 s\n" +
		"upkeep: run 42 started, pid 48390\n" +
		"loading 10 %\rloading 55 %\rloading 100 %\n" +
		"\x1b[43;30m WARN \x1b[0m a wide word: 日本語, and \x1b[4munderlined\x1b[0m, \x1b[38;5;208morange\x1b[0m, \x1b[7mreversed\x1b[0m\n" +
		"bytes that are no text: \xff\x00\x07 and \u202egnp.exe\n" +
		"<script>alert(1)</script> & \"quotes\"\n" +
		"\x1b[1;31mERROR\x1b[0m SQLSTATE[08006] could not connect to server: Connection refused\n" +
		"upkeep: run 42 ended, exit status 1 after 2.0 s"
	var lines []panel.LogLine
	position := panel.Position(4_412_008)
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, panel.LogLine{Position: position, Text: []byte(line)})
		position += panel.Position(len(line) + 1)
	}
	return lines
}

func sampleExtract() panel.LogExtract {
	lines := sampleLog()
	return panel.LogExtract{
		Lines: lines, From: lines[0].Position, To: lines[len(lines)-1].Position + 48, Older: true, Newer: true,
		Size: 4_200_000, Path: "/home/alice/admin/logs/services/queue-mailer.log",
	}
}

func sampleRuns() []panel.Run {
	runs := []panel.Run{{Number: 43, Cause: panel.CauseRestart, By: alice, PID: 48500, StartedAt: before(time.Hour)}}
	ends := []panel.Exit{
		{Kind: panel.EndExited, Code: 1, Uptime: 2 * time.Second},
		{Kind: panel.EndSignaled, Signal: 9, Uptime: 4 * time.Minute, Host: true},
		{Kind: panel.EndNotRun, Step: panel.StepDirectory, Errno: int(syscall.ENOENT), Detail: "~/apps/queue"},
		{Kind: panel.EndExited, Uptime: 200 * time.Millisecond, LeftForeground: true},
		{Kind: panel.EndExited, Uptime: 3 * time.Hour, Clean: true},
		{Kind: panel.EndSignaled, Signal: 1, Uptime: 26 * time.Hour, Asked: true},
	}
	for i, end := range ends {
		end.Run, end.At = 42-i, before(time.Duration(i+3)*time.Hour)
		runs = append(runs, panel.Run{Number: end.Run, Cause: panel.CauseExit, StartedAt: end.At.Add(-end.Uptime), End: &end})
	}
	return runs
}

func sampleEvents() []panel.Event {
	return []panel.Event{
		{ID: 9, Kind: panel.EventDisabled, By: panel.Actor{Kind: panel.ActorRule}, At: before(3 * time.Hour), Exit: sampleExit()},
		{ID: 8, Kind: panel.EventEnded, At: before(3 * time.Hour), Run: 42, Exit: sampleExit()},
		{ID: 7, Kind: panel.EventStarted, At: before(3 * time.Hour), Run: 42, PID: 48390},
		{ID: 6, Kind: panel.EventRestarted, By: alice, At: before(5 * time.Hour), Outcome: &panel.RestartOutcome{Result: panel.Replaced, OldPID: 4242, PID: 4243, Run: 8, After: 14 * time.Millisecond}},
		{ID: 5, Kind: panel.EventRestartAsk, By: alice, At: before(5 * time.Hour)},
		{ID: 4, Kind: panel.EventEdited, By: panel.Actor{Kind: panel.ActorPerson, User: 2, Name: "bob@example.net"}, At: before(26 * time.Hour), Detail: "command, environment"},
		{ID: 1, Kind: panel.EventCreated, By: alice, At: before(40 * 24 * time.Hour)},
	}
}

func sampleService(row int) ServiceView {
	v := ServiceView{ServiceRow: sampleRows()[row], Lines: sampleExtract(), Runs: sampleRuns(), Events: sampleEvents(),
		Limits: sampleLimits()}
	if v.Status.PID != 0 {
		v.Main = &panel.Process{PID: v.Status.PID, Main: true, CPUTime: 4*time.Hour + 12*time.Minute}
	}
	return v
}

// sampleMonitored is a service with a check that fails.
func sampleMonitored() ServiceView {
	v := sampleService(3)
	v.Service.Monitoring = panel.Monitoring{Command: `bash -c 'exec 3<>/dev/tcp/::1/$PORT'`}
	v.Checks = []panel.Check{
		{Outcome: panel.CheckFailed, At: before(12 * time.Second), Took: 40 * time.Millisecond, Code: 1, Output: "bash: connect: Connection refused\n"},
		{Outcome: panel.CheckNotRun, At: before(72 * time.Second), Detail: "bash: no such file or directory"},
		{Outcome: panel.CheckOK, At: before(132 * time.Second), Took: 9 * time.Millisecond},
	}
	v.Status.Check, v.Status.Failing, v.Status.Tolerated, v.Status.Useless = &v.Checks[0], 2, 3, true
	return v
}

func sampleHistory() HistoryView {
	now := sampleDefinition("chat-ws", "node server.js", 8300, "Chat of the club").Definition
	before1, before2 := now, now
	before1.Command, before1.Environment = "nohup node server.js &", "NODE_ENV=production\nSECRET=<b>\n"
	before2.Command, before2.Port = before1.Command, 0
	versions := []panel.Version{
		{Number: 3, Definition: now, By: alice, At: before(26 * time.Hour)},
		{Number: 2, Definition: before1, By: alice, At: before(30 * time.Hour)},
		{Number: 1, Definition: before2, By: alice, At: before(40 * 24 * time.Hour)},
	}
	row := sampleRows()[4]
	return HistoryView{Service: row.Service, Status: row.Status, Kind: "runs", Events: sampleEvents(), Older: true, Versions: versions}
}

func sampleForm() ServiceForm {
	return ServiceForm{
		Name: "Chat WS", Command: "nohup node server.js &", Directory: "apps/chat", Port: "8300", Annotation: "Chat of the club",
		Environment: "NODE_ENV=production\nDATABASE URL=postgres://db", Home: "/home/alice", FreePort: 8304,
		Monitoring: "nc -z ::1 8300", MonitoringInterval: "5s", BudgetFailures: "5",
		Check: &panel.Check{Outcome: panel.CheckFailed, Took: 40 * time.Millisecond, Code: 1, Output: "refused\n"},
		Errors: map[string]string{
			"monitoring_interval": "Type a time such as 30s, 5m or 2h, from 10s to 24h, or nothing for the usual one.",
			"name":                "Use lower-case letters, digits and hyphens only.",
			"port":                "Port 8300 belongs to chat-ws.",
			"environment":         "Line 2: “DATABASE URL” is not a name of a variable.",
		},
		Warnings: []panel.Finding{
			{ID: "D06", Field: "command", Text: "This sends the program to the background; the service would end at once.", Fix: "node server.js"},
			{ID: "D15", Text: "Anyone can connect. Does your program ask for a password or key?"},
		},
	}
}

func sampleProcesses() ProcessesView {
	row := func(service, command string, pid, level int, memory int64) ProcessRow {
		return ProcessRow{ServiceName: service, Level: level, Process: panel.Process{
			PID: pid, StartTime: uint64(pid) * 77, Main: level == 0, Command: command, State: "sleeping", CPU: 0.012,
			CPUTime: 83 * time.Second, Memory: memory, Threads: 11, StartedAt: before(292 * time.Hour),
		}}
	}
	rows := []ProcessRow{
		row("chat-ws", "node server.js", 48211, 0, 94e6),
		row("chat-ws", "/usr/bin/node /home/alice/apps/chat-ws/worker.js --shard 1 --inspect=127.0.0.1:9229 --max-old-space-size=256", 48230, 1, 61e6),
		row("search-api", "venv/bin/python venv/bin/uvicorn app:app --host :: --port 8302", 48310, 0, 112e6),
		row("search-api", "venv/bin/python -c from multiprocessing.spawn import spawn_main", 48311, 1, 50e6),
		row("search-api", "convert - -resize 800x600 out.png", 48390, 2, 50e6),
		row("image-resizer", "[resize] <defunct>", 48400, 1, 0),
	}
	rows[0].Listens = []panel.Listener{{Address: "::", Port: 8300}}
	rows[2].Listens = []panel.Listener{{Address: "127.0.0.1", Port: 8302}, {Address: "::1", Port: 8302}}
	rows[4].CPU, rows[4].State = 0.97, "running"
	rows[5].Strayed, rows[5].State, rows[5].CPU = true, "zombie", -1
	return ProcessesView{Rows: rows, Total: len(rows)}
}

func sampleDelete() DeleteView {
	return DeleteView{
		Service: sampleRows()[4].Service, Status: sampleRows()[4].Status, LogPath: "~/admin/logs/services/chat-ws.log",
		Typed: "chat", Error: "This is not the name of the service.",
	}
}

func sampleImport() ImportView {
	remark := func(kind panel.RemarkKind, line int, text string) panel.Remark {
		return panel.Remark{Kind: kind, Line: line, Text: text}
	}
	shop := panel.Draft{Line: 12, Definition: sampleDefinition("shop", "node server.js --workers 4", 8304, "").Definition, Remarks: []panel.Remark{
		remark(panel.RemarkMapped, 14, "PORT=3000: only ports 8300 to 8499 are opened for services, so another one is proposed."),
		remark(panel.RemarkIgnored, 17, "user=www-data: services run as the user of their account, alice."),
		remark(panel.RemarkIgnored, 18, "priority=5: services of upkeep do not wait for one another."),
		remark(panel.RemarkNoticed, 12, "A password in the command is visible in the process list."),
	}}
	broken := panel.Draft{Line: 30, Definition: panel.Definition{Name: "legacy", Command: "/usr/sbin/legacyd -D"}, Remarks: []panel.Remark{
		remark(panel.RemarkRefused, 31, "The directory /srv/legacy lies outside of this account’s home, /home/alice. Change it in the file and look again."),
	}}
	env := panel.Draft{Line: 1, Definition: panel.Definition{Name: "app", Environment: "A=1\n"}}
	taken := panel.Draft{Line: 40, Definition: sampleDefinition("mailer", "php bin/console messenger:consume async --time-limit=3600", 0, "").Definition}
	done := panel.Draft{Line: 50, Definition: sampleDefinition("ticker", "bin/ticker", 0, "").Definition}
	return ImportView{
		Text: "[program:shop]\ncommand=node server.js\n", FileName: "supervisord.conf", Format: "", Found: panel.FormatSupervisord, Directory: "apps",
		Error: "1 service was created, 1 could not be",
		Rows: []ImportRow{
			{Draft: shop, Name: "shop", Port: "8304", Command: shop.Command, Use: true},
			{Draft: broken, Name: "legacy", Command: broken.Command},
			{Draft: env, Name: "app", AskCommand: true, Use: true, Errors: map[string]string{"command": "Type the command that starts the program.", "environment": "x"}},
			{Draft: taken, Name: "web", Command: taken.Command, Use: true, Errors: map[string]string{"name": "The name web is taken.", "": "Try again."}},
			{Draft: done, Name: "ticker", Command: done.Command, Created: true},
		},
		Remarks: []panel.Remark{remark(panel.RemarkIgnored, 1, "[supervisord] is about supervisord itself."), remark(panel.RemarkIgnored, 0, "[group:all]: there are no groups; each program is a service of its own.")},
	}
}

func sampleTemplates() []panel.Template {
	return []panel.Template{
		{ID: "node", Name: "Node", Summary: "A web application or API", Listens: true, Definition: panel.Definition{Command: "node server.js"},
			Sentences: []string{"Node is started directly.", "Install the dependencies first: npm ci."}, Must: []string{"listen where it is told to", "end on SIGTERM"}},
		{ID: "generic", Name: "Anything else", Summary: "An empty form", Sentences: []string{"Type what you would type into a terminal."}, Must: []string{"stay in the foreground"}},
	}
}

// gallery is every page of the sample by name.
func gallery() map[string]templ.Component {
	services, service, logs := samplePage("Services", "services"), samplePage("queue-mailer · Services", "services"), samplePage("queue-mailer · Logs", "services")
	services.Events, service.Flash = "/accounts/alice/events", &Flash{Kind: "warn", Text: OutcomeText(panel.RestartOutcome{Result: panel.Reloaded, PID: 4242}),
		Action: &Action{Label: "Restart harder", Path: "/accounts/alice/services/queue-mailer/restart-hard"}}
	bad := samplePage("chat-ws · Services", "services")
	bad.Flash = &Flash{Kind: "bad", Text: "Restart failed: the program ended with exit status 1 after 0.2 s.", Detail: "It is tried again by itself.", Lines: []string{"Error: Cannot find module 'express'", "    at Module._resolveFilename"}}
	bob := samplePage("Sign in", "")
	bob.Account, bob.Accounts, bob.User = "", nil, ""
	lone := bob
	lone.User, lone.Title = "bob@example.net", "Accounts"
	small := samplePage("Services", "services")
	small.Accounts = small.Accounts[:1]
	edit := sampleForm()
	edit.Name, edit.Existing, edit.Version, edit.Running, edit.Errors, edit.Warnings = "chat-ws", "chat-ws", 3, true, nil, nil
	choice := ServiceForm{Home: "/home/alice", FreePort: 8304, Templates: sampleTemplates()}
	started := ServiceForm{Home: "/home/alice", FreePort: 8304, Command: "node server.js", Port: "8304", Chosen: &sampleTemplates()[0]}
	unread := ImportView{Text: "web node", Problems: []panel.FileProblem{{Line: 1, Text: "“web node” is not of the form “name: command”."}, {Text: "The file declares no service."}}}
	preview := sampleImport()
	preview.Error = ""
	running := sampleService(4)
	running.Pending = true
	running.Warnings = []panel.Finding{{ID: "D15", Text: "Anyone can connect. Does your program ask for a password or key?"}}
	view := LogsView{Service: sampleRows()[0].Service, Status: sampleRows()[0].Status, Extract: sampleExtract(), Display: "~/admin/logs/services/queue-mailer.log"}
	empty := LogsView{Service: sampleRows()[9].Service, Status: sampleRows()[9].Status, Display: "~/admin/logs/services/nightly-import.log", Newest: true}
	paged := sampleServices()
	paged.Query = ListQuery{Sort: "cpu", Desc: true, State: "running", Page: 2}
	paged.Pages, paged.Found = 3, 140
	troubled := services
	troubled.Flash, troubled.Trouble = nil, &Trouble{Text: "The panel's database cannot be written at the moment.",
		Detail: "there is no space left for /var/lib/upkeep/upkeep.db: database or disk is full (13)"}
	damage := DamagedView{Title: "The database is damaged", Message: "The database is damaged, so the panel cannot show anything.",
		Detail: "/var/lib/upkeep/upkeep.db is damaged, restore a backup: database disk image is malformed (11)",
		Steps: []Step{{"Restore the newest backup:", "upkeep restore --data /var/lib/upkeep /var/lib/upkeep/backups/upkeep-20260301T020000Z-nightly.db"},
			{"The panel goes on by itself.", ""}}}
	return map[string]templ.Component{
		"services":          ServicesPage(services, sampleServices()),
		"services-paged":    ServicesPage(services, paged),
		"services-empty":    ServicesPage(small, ServicesView{Pages: 1}),
		"services-nomatch":  ServicesPage(services, ServicesView{Total: 10, Pages: 1, Counts: sampleServices().Counts, Query: ListQuery{Text: "zebra", State: "paused"}}),
		"service-disabled":  ServicePage(service, sampleService(0)),
		"service-backoff":   ServicePage(samplePage("preview · Services", "services"), sampleService(1)),
		"service-running":   ServicePage(bad, running),
		"service-unhealthy": ServicePage(samplePage("search-api · Services", "services"), sampleMonitored()),
		"history":           HistoryPage(samplePage("chat-ws · History", "services"), sampleHistory()),
		"history-empty":     HistoryPage(samplePage("chat-ws · History", "services"), HistoryView{Service: sampleRows()[9].Service, Status: sampleRows()[9].Status, Kind: "checks", First: true}),
		"service-paused":    ServicePage(samplePage("nightly-import · Services", "services"), sampleService(9)),
		"form-new":          ServiceFormPage(samplePage("Add a service · Services", "services"), sampleForm()),
		"form-edit":         ServiceFormPage(samplePage("Edit chat-ws · Services", "services"), edit),
		"logs":              LogsPage(logs, view),
		"logs-empty":        LogsPage(logs, empty),
		"processes":         ProcessesPage(samplePage("Processes", "processes"), sampleProcesses()),
		"processes-empty":   ProcessesPage(samplePage("Processes", "processes"), ProcessesView{Shared: true}),
		"delete":            DeletePage(samplePage("Delete chat-ws · Services", "services"), sampleDelete()),
		"signin":            SignInPage(bob, SignInView{Email: "alice@example.net", Next: "/", Error: "E-mail and password do not belong together."}),
		"welcome":           WelcomePage(bob, WelcomeView{Email: "alice@example.net", Token: "abc"}),
		"accounts":          AccountsPage(lone, AccountsView{Accounts: []panel.Account{{Name: "alice", Home: "/home/alice"}, {Name: "bakery", Home: "/home/bakery"}}}),
		"accounts-none":     AccountsPage(lone, AccountsView{}),
		"error":             ErrorPage(samplePage("Not found", ""), ErrorView{Code: 404, Title: "Not found", Message: "There is nothing at this address. It may have been deleted, or you may not have access to it."}),
		"error-door":        ErrorPage(bob, ErrorView{Code: 500, Title: "Something went wrong", Message: "This is a fault of the panel, not yours. It has been logged."}),
		"damaged":           DamagedPage(bob, damage),
		"services-trouble":  ServicesPage(troubled, sampleServices()),
		"form-choice":       ServiceFormPage(samplePage("Add a service · Services", "services"), choice),
		"form-started":      ServiceFormPage(samplePage("Add a service · Services", "services"), started),
		"import":            ImportPage(samplePage("Import services", "services"), ImportView{}),
		"import-error":      ImportPage(samplePage("Import services", "services"), unread),
		"import-preview":    ImportPage(samplePage("Import services", "services"), preview),
		"import-result":     ImportPage(samplePage("Import services", "services"), sampleImport()),
	}
}
