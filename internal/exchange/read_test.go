package exchange

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"upkeep/internal/panel"
)

// short writes an import so that all of it can be compared.
func short(in panel.Import) string {
	var b strings.Builder
	remarks := func(list []panel.Remark) {
		for _, r := range list {
			fmt.Fprintf(&b, "  %s %d: %s\n", r.Kind, r.Line, r.Text)
		}
	}
	for _, d := range in.Drafts {
		fmt.Fprintf(&b, "%d %s: %s", d.Line, d.Name, d.Command)
		if d.Directory != "" {
			fmt.Fprintf(&b, " | in %s", d.Directory)
		}
		if d.Environment != "" {
			fmt.Fprintf(&b, " | with %s", strings.ReplaceAll(strings.TrimSpace(d.Environment), "\n", " "))
		}
		if d.Port != 0 || d.AnyPort {
			fmt.Fprintf(&b, " | port %d", d.Port)
		}
		if d.Annotation != "" {
			fmt.Fprintf(&b, " | %s", d.Annotation)
		}
		b.WriteString("\n")
		remarks(d.Remarks)
	}
	remarks(in.Remarks)
	return b.String()
}

func TestRead(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"Procfile", "Procfile", "# a remark\nworker: php bin/worker\n\nweb: node server.js | cat\nrelease: ./migrate\nMail_Queue: x\nweb=2 worker=3\n", `4 web: node server.js | cat | port 0
2 worker: php bin/worker | port 0
6 mail-queue: x | port 0
  mapped 6: "Mail_Queue" becomes mail-queue: names have small letters, digits and hyphens.
  ignored 5: “release” runs once with each new version; a service runs all the time.
  ignored 7: Numbers of processes are not kept: each line becomes one service.
`},
		{"a command that cannot be parsed", "Procfile", "web: node 'x\n", `1 web: node 'x | port 0
  refused 1: The command cannot be used: a quote that opens at character 6 is never closed.
`},
		{"environment", ".env", "A=1\nexport PORT=8400\nB=${A}/x\n", `1 app:  | with A=1 B='${A}/x' | port 8400
  mapped 0: 3 variables. The file does not say how the program is started: type its command.
  mapped 2: PORT=8400 becomes the declared port, which upkeep gives as PORT.
  mapped 3: B speaks of another variable. upkeep does not replace it: ${A}/x
`},
		{"supervisord", "x.conf", `; a remark
[supervisord]
nodaemon = true ; with one behind

[program:shop]
command = /usr/bin/node "server x.js" --at 100%% %(process_num)d ; a remark
directory=/home/ann/shop
environment=
    A="1,2",
    B='it "is" so',   # with one behind
    HOME_DIR="%(ENV_HOME)s/x",C=3
numprocs=2
process_name=%(program_name)s_%(process_num)02d
autorestart=unexpected
stopsignal=QUIT
user=www-data
priority: 5
stdout_logfile=/var/log/x
unknown=1

[eventlistener:x]
command=x
[group:g]
programs=shop
[include]
files=*.ini
`, `5 shop-1: /usr/bin/node 'server x.js' --at 100% 0 | in shop | with A=1,2 B='it "is" so' HOME_DIR=/home/ann/x C=3
  mapped 12: numprocs=2 becomes 2 services; this is process 0.
  ignored 14: autorestart=unexpected: upkeep starts every program again, whatever its exit status. Exit status 0 after a minute or more is no failure; before that it is one.
  ignored 15: stopsignal=QUIT: upkeep stops with SIGTERM, and kills what is left after a while.
  ignored 16: user=www-data: services run as the user of their account, ann.
  ignored 17: priority=5: services of upkeep do not wait for one another.
  ignored 18: stdout_logfile=/var/log/x: output goes to the log of the service.
  ignored 19: unknown=1: this is not known.
5 shop-2: /usr/bin/node 'server x.js' --at 100% 1 | in shop | with A=1,2 B='it "is" so' HOME_DIR=/home/ann/x C=3
  mapped 12: numprocs=2 becomes 2 services; this is process 1.
  ignored 14: autorestart=unexpected: upkeep starts every program again, whatever its exit status. Exit status 0 after a minute or more is no failure; before that it is one.
  ignored 15: stopsignal=QUIT: upkeep stops with SIGTERM, and kills what is left after a while.
  ignored 16: user=www-data: services run as the user of their account, ann.
  ignored 17: priority=5: services of upkeep do not wait for one another.
  ignored 18: stdout_logfile=/var/log/x: output goes to the log of the service.
  ignored 19: unknown=1: this is not known.
  ignored 2: [supervisord] is about supervisord itself.
  ignored 21: [eventlistener:x]: event listeners talk to supervisord; upkeep has no such events.
  ignored 23: [group:g]: there are no groups; each program is a service of its own.
  ignored 25: [include]: other files are not read. Import them one by one.
`},
		{"what only supervisord knows", "x.ini", "[program:x]\ncommand=%(here)s/run\ndirectory=/srv\nenvironment=A=\"x\n[program:y]\ndirectory=/home/anna\n[fcgi-program:z]\ncommand=x\nnumprocs=1\n", `1 x:  | in /srv
  refused 2: command: %(here)s stands for something that only supervisord knows. Write its value into the file and look again.
  refused 3: The directory /srv lies outside of this account's home, /home/ann. Change it in the file and look again.
  refused 4: environment cannot be read: the value of A: a quote is never closed.
5 y:  | in /home/anna
  refused 5: There is no command.
  refused 6: The directory /home/anna lies outside of this account's home, /home/ann. Change it in the file and look again.
7 z: x
  refused 7: FastCGI programs get their socket from supervisord; services open theirs themselves.
`},
		{"systemd", "chat@eu.service", `[Unit]
Description=Chat of the club
After=network.target

[Service]
Type=notify
User=chat
WorkingDirectory=%h/chat
Environment=NODE_ENV=production "NAME=a \"b\" 100%%" PORT=8400
Environment='REGION=%i'
EnvironmentFile=/etc/chat.env
ExecStart=/usr/bin/node server.js \
  # a remark in between
  --name "two words" --port ${PORT} $ARGS --price 5$$ 'x;y'
ExecStartPre=/bin/true
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
KillSignal=SIGINT
KillMode=control-group
MemoryMax=200M
NoNewPrivileges=true

[Install]
WantedBy=multi-user.target
[Socket]
ListenStream=80
`, `5 chat-eu: /usr/bin/node server.js --name 'two words' --port "${PORT}" $ARGS --price '5$' 'x;y' | in chat | with NODE_ENV=production NAME='a "b" 100%' REGION=eu | port 8400 | Chat of the club
  mapped 5: "chat@eu" becomes chat-eu: names have small letters, digits and hyphens.
  ignored 6: Type=notify: upkeep does not wait for the program to say that it is ready; it counts as running once it has stayed for a second.
  ignored 7: User=chat: services run as the user of their account, ann.
  mapped 9: PORT=8400 becomes the declared port, which upkeep gives as PORT.
  ignored 11: EnvironmentFile: the file is not read here. Paste its lines into the environment of the service.
  ignored 15: ExecStartPre: nothing runs before the program. Put both into the command: first && second.
  ignored 17: Restart=on-failure: upkeep starts every program again, whatever its exit status. Exit status 0 after a minute or more is no failure.
  ignored 18: KillSignal=SIGINT: upkeep stops with SIGTERM, and kills what is left after a while.
  ignored 20: MemoryMax: limits, privileges and isolation are the host’s business.
  ignored 3: After: services of upkeep do not wait for one another. A program has to try again until what it needs is there.
  ignored 25: [Socket] is nothing that a service has; upkeep keeps programs up, and only that.
`},
		{"a forking unit", "", "[Service]\nType=forking\nExecStart=/usr/sbin/legacyd -D\nWorkingDirectory=/srv\nPIDFile=/run/x\n", `1 legacyd: /usr/sbin/legacyd -D | in /srv
  refused 2: Type=forking: this program leaves the foreground, and its main process ends at once. Services must stay in front: look for its option to do so (-f, --foreground, --no-daemon …), and change it and the type in the file.
  refused 4: The directory /srv lies outside of this account's home, /home/ann. Change it in the file and look again.
  ignored 5: PIDFile: the program stays in the foreground, so its PID is known.
`},
		{"a unit of one shot, with what only systemd knows", "", "[Service]\nType=oneshot\nExecStart=-/bin/echo %t\nExecStart=/bin/two ; /bin/three\n", `1 service: 
  refused 2: Type=oneshot: this program does its work and ends. That is a scheduled task, not a service.
  refused 4: There are several commands. A service has one program that stays.
`},
		{"prefixes of a unit's command", "x.service", "[Service]\nExecStart=/bin/old\nExecStart=\nExecStart=-@!/bin/echo name 'a b' '$A'\n", `1 x: /bin/echo 'a b' $A
  ignored 4: -: an exit status other than 0 is a failure.
  ignored 4: @: the program gets its own name as its first argument.
  ignored 4: !: services have the rights of their account’s user and no others.
`},
		{"a shell in a unit", "x.service", "[Service]\nExecStart=/bin/sh -c 'exec node x --port $$PORT'\n", `1 x: node x --port $PORT
`},
		{"two commands in one line", "x.service", "[Service]\nExecStart=/bin/a ; /bin/b\n", `1 x: 
  refused 2: There are several commands, divided by “;”. A service has one program that stays.
`},
		{"pm2", "ecosystem.json", `{
  "apps": [
    {
      "name": "API",
      "script": "./server.js",
      "args": "--port 'a b'",
      "node_args": ["--max-old-space-size=200"],
      "cwd": "/home/ann/api",
      "env": {"NODE_ENV": "production", "PORT": 3000, "DEBUG": true, "SERVICE_ID": "x", "a-b": "1"},
      "env_staging": {"A": "1"},
      "exec_mode": "cluster",
      "instances": 2,
      "watch": false,
      "max_memory_restart": "200M",
      "odd": 1
    },
    {"script": "bot.py", "interpreter": "venv/bin/python", "instances": "max", "autorestart": false},
    {"name": "bin", "script": "bin/run", "cwd": "app", "interpreter": "none", "args": ["x", "y z"]},
    {"name": "empty"}
  ],
  "deploy": {}
}`, `3 api-1: node --max-old-space-size=200 ./server.js --port 'a b' | in api | with NODE_ENV=production DEBUG=true | port 0
  mapped 4: "API" becomes api: names have small letters, digits and hyphens.
  mapped 9: PORT=3000: only ports 8300 to 8499 are opened for services, so another one is proposed.
  ignored 9: SERVICE_ID is set by upkeep.
  ignored 9: "a-b" is no name of a variable: letters, digits and _ are allowed, and no digit comes first.
  ignored 10: env_staging: only “env” is used. Choose its values by hand.
  ignored 11: Cluster mode: processes cannot share a port here; one process serves it.
  mapped 12: instances: 2 becomes 2 services, each with a port of its own; this is number 1.
  ignored 14: max_memory_restart: limits of memory are the host’s business.
  ignored 15: odd: this is not known.
3 api-2: node --max-old-space-size=200 ./server.js --port 'a b' | in api | with NODE_ENV=production DEBUG=true | port 0
  mapped 4: "API" becomes api: names have small letters, digits and hyphens.
  mapped 9: PORT=3000: only ports 8300 to 8499 are opened for services, so another one is proposed.
  ignored 9: SERVICE_ID is set by upkeep.
  ignored 9: "a-b" is no name of a variable: letters, digits and _ are allowed, and no digit comes first.
  ignored 10: env_staging: only “env” is used. Choose its values by hand.
  ignored 11: Cluster mode: processes cannot share a port here; one process serves it.
  mapped 12: instances: 2 becomes 2 services, each with a port of its own; this is number 2.
  ignored 14: max_memory_restart: limits of memory are the host’s business.
  ignored 15: odd: this is not known.
17 bot: venv/bin/python bot.py
  ignored 17: instances: max: one service is made.
  ignored 17: autorestart: a service is a program that stays; upkeep always starts it again.
18 bin: bin/run x 'y z' | in app
19 empty: 
  refused 19: There is no script.
  ignored 21: deploy: upkeep does not copy programs.
`},
		{"pm2 jlist", "", `[{"pid":1,"name":"web","pm2_env":{"exec_interpreter":"node","pm_exec_path":"/home/ann/web/x.js","pm_cwd":"/home/ann/web","args":["a"],
"exec_mode":"fork_mode","status":"online","env":{"PATH":"/bin","HOME":"/root","SSH_TTY":"x","KEY":"v"},"watch":true,"created_at":1},"monit":{"cpu":0}}]`, `1 web: node /home/ann/web/x.js a | in web | with KEY=v
  ignored 2: 3 variables of the session that pm2 was started from were left out.
  ignored 2: watch: upkeep does not watch files. Restart the service when a new version is there.
`},
		{"upkeep's own", "", `{"upkeep": 1, "services": [
  {"name": "Web", "command": "x", "port": 80, "more": 1},
  {"command": "y 'z", "environment": "A", "directory": "/etc"}
]}`, `2 web: x | port 0
  mapped 2: "Web" becomes web: names have small letters, digits and hyphens.
  mapped 2: 80 is no port from 8300 to 8499, so another one is proposed.
  ignored 2: more: this is not known.
3 service: y 'z | in /etc | with A
  refused 3: The command cannot be used: a quote that opens at character 3 is never closed.
  refused 3: The environment cannot be used: line 1: "A" has no = behind the name.
  refused 3: The directory /etc lies outside of this account's home, /home/ann. Change it in the file and look again.
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, text := range []string{tt.text, "\ufeff" + strings.ReplaceAll(tt.text, "\n", "\r\n")} {
				in, err := Read(ann, panel.ImportFile{Name: tt.file, Text: text})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, short(in)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	many := strings.Repeat("a: x\n", panel.MaxDrafts+1)
	tests := []struct {
		name   string
		format panel.Format
		text   string
		want   string
	}{
		{"no text", "", " \n\n", "The file is empty."},
		{"large", "", strings.Repeat("a", panel.MaxImportBytes+1), "The file has 262145 bytes; at most 262144 are possible."},
		{"NUL", panel.FormatProcfile, "web: x\na: \x00", "line 2: It holds bytes that are no text."},
		{"not UTF-8", panel.FormatProcfile, "\xff", "line 1: It holds bytes that are no text."},
		{"many services", panel.FormatProcfile, many, "The file asks for more than 100 services, which is too many at once. Divide it."},
		{"JavaScript", "", "module.exports = { apps: [] }", "This is a JavaScript program, and nothing is executed here. Print it as JSON and paste that: node -p 'JSON.stringify(require(\"./ecosystem.config.js\"))'"},
		{"YAML", "", "apps:\n  - name: x\n", "YAML is not read here. If it is a file of pm2, paste what “pm2 jlist” prints."},
		{"prose", "", "Dear Sir,\n", "What kind of file this is cannot be told. Choose it from the list."},
		{"Procfile", panel.FormatProcfile, "web: x\nweb x\n: y\nz:", "line 2: \"web x\" is not of the form “name: command”.\nline 3: \": y\" is not of the form “name: command”.\nline 4: \"z:\" is not of the form “name: command”."},
		{"only a release", panel.FormatProcfile, "release: x", "The file declares no service. “release” runs once with each new version; a service runs all the time."},
		{"environment", panel.FormatDotenv, "A=1\nB\nA=2", "line 2: This \"B\" has no = behind the name.\nline 3: This A was already set on line 1."},
		{"supervisord", panel.FormatSupervisord, "a=1\n[program:x\ny\n=z\n[program:x]\nnothing", "line 1: \"a=1\" stands before the first section in brackets.\nline 2: \"[program:x\" is no section: it has to end with ].\nline 3: \"y\" has no = behind a name.\nline 4: There is no name before the =.\nline 6: \"nothing\" has no = behind a name."},
		{"systemd", panel.FormatSystemd, "[Service]\nExecStart\nA=b \\", "line 2: \"ExecStart\" has no = behind a name.\nline 3: The last line ends with a backslash, so something should follow."},
		{"a timer", "", "[Timer]\nOnCalendar=daily\n", "The file declares no service. [Timer] is nothing that a service has; upkeep keeps programs up, and only that."},
		{"JSON that ends", panel.FormatPM2, "{\n\"apps\": [", "line 2: This is not JSON: it ends too early."},
		{"JSON", panel.FormatPM2, "{\n\"apps\": [}", "line 2: This is not JSON: invalid character '}' looking for beginning of value."},
		{"JSON with more", panel.FormatPM2, "{\n}\nx", "line 3: Something follows behind the end of the JSON text."},
		{"other JSON", panel.FormatPM2, "\n{\"a\": 1}", "line 2: This is no file of pm2: it has neither “apps” nor “script”."},
		{"entries that are none", panel.FormatPM2, "[\n1,\n\"x\"]", "line 2: Entry 1 is no object in braces.\nline 3: Entry 2 is no object in braces."},
		{"a later format", "", "{\"upkeep\": 2,\n\"services\": []}", "line 1: The format has the version 2; this upkeep reads version 1."},
		{"no services", "", "{\"upkeep\": 1}", "line 1: There is no list “services”."},
		{"services that are none", "", "{\"upkeep\": 1, \"services\": [\n3]}", "line 2: This is no service in braces."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := Read(ann, panel.ImportFile{Text: tt.text, Format: tt.format})
			var malformed *panel.MalformedError
			if !errors.As(err, &malformed) || len(in.Drafts) > 0 {
				t.Fatalf("%d drafts, %v", len(in.Drafts), err)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Files that ask for as much as fits into them must not make pages that no browser can show.
func TestHostileSizes(t *testing.T) {
	fill := func(head, part string) string {
		return head + strings.Repeat(part, (panel.MaxImportBytes-len(head))/len(part))
	}
	for name, text := range map[string]string{
		"many keys":      fill("[program:a]\ncommand=x\nnumprocs=20\n", "k=1\n"),
		"many programs":  fill("", "[program:a]\nnumprocs=20\n"),
		"many sections":  fill("[program:a]\ncommand=x\n", "[x]\n"),
		"many problems":  fill("[program:a]\ncommand=x\n", "x\n"),
		"many apps":      fill("[{}", ",{}") + "]",
		"deep":           fill("", "["),
		"many variables": fill("[Service]\nExecStart=x\n", "Environment=A=1\n"),
		"many words":     fill("[Service]\nExecStart=x", " x"),
		"many options":   fill("[Service]\nExecStart=x\n", "A=\n"),
	} {
		start := time.Now()
		in, err := Read(ann, panel.ImportFile{Text: text})
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		n := len(in.Remarks) + len(in.Drafts)
		for _, d := range in.Drafts {
			n += len(d.Remarks)
		}
		if malformed := (*panel.MalformedError)(nil); errors.As(err, &malformed) {
			n = len(malformed.Problems)
		}
		if n == 0 || n > 25*(maxRemarks+2) {
			t.Errorf("%s: %d drafts and remarks", name, n)
		}
	}
}

// FuzzRead holds what must be so for any text: no panic, lines that exist, and texts that can be shown.
func FuzzRead(f *testing.F) {
	for _, text := range []string{"web: x", "A=1", "[program:x]\ncommand=%(", "[Service]\nExecStart=\"\\x", "[{\"script\":\"x\",\"args\":\"'\"}]", "{\"upkeep\":1,\"services\":[{}]}"} {
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text, format string) {
		in, err := Read(ann, panel.ImportFile{Text: text, Format: panel.Format(format)})
		last := strings.Count(strings.ReplaceAll(text, "\r", "\n"), "\n") + 1
		lines := func(line int) {
			if line < 0 || line > last {
				t.Fatalf("line %d of %d", line, last)
			}
		}
		var malformed *panel.MalformedError
		if errors.As(err, &malformed) {
			for _, p := range malformed.Problems {
				lines(p.Line)
			}
			return
		}
		if err != nil || len(in.Drafts) == 0 || len(in.Drafts) > panel.MaxDrafts {
			t.Fatalf("%d drafts, %v", len(in.Drafts), err)
		}
		for _, d := range in.Drafts {
			for _, r := range d.Remarks {
				lines(r.Line)
			}
			if d.Name != ServiceName(d.Name) && d.Possible() {
				t.Fatalf("name %q", d.Name)
			}
		}
	})
}
