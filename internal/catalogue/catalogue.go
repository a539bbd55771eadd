// Package catalogue holds the templates that a person who adds a service can start from: data, and nothing that acts.
package catalogue

import (
	"crypto/rand"
	"slices"
	"strings"

	"upkeep/internal/panel"
)

// secret stands in a template where each service gets a random text of its own.
const secret = "{secret}"

// All returns the templates in the order in which they are offered. The last one, "generic", is the bare form.
func All() []panel.Template { return slices.Clone(templates) }

// Find returns a template, with its secrets made. It is false when there is none of the name.
func Find(id string) (panel.Template, bool) {
	i := slices.IndexFunc(templates, func(t panel.Template) bool { return t.ID == id })
	if i < 0 {
		return panel.Template{}, false
	}
	t := templates[i]
	t.Environment = strings.ReplaceAll(t.Environment, secret, rand.Text())
	return t, true
}

var templates = []panel.Template{
	{
		ID: "node", Name: "Node", Summary: "A web application or API", Listens: true,
		Definition: panel.Definition{Command: "node server.js", Directory: "app", Environment: "NODE_ENV=production\n"},
		Sentences: []string{
			"Node is started directly, so a restart reaches your program and not a wrapper.",
			"Install the dependencies in the working directory first: npm ci.",
			"“npm start” would stand between upkeep and Node and may swallow signals.",
		},
		Must: []string{"listen where it is told to: server.listen(process.env.PORT, '::')", "end on SIGTERM, which Node does by itself"},
	},
	{
		ID: "python", Name: "Python script", Summary: "A bot, a consumer, a loop",
		Definition: panel.Definition{Command: "venv/bin/python -u app.py", Directory: "app", Environment: "PYTHONUNBUFFERED=1\n"},
		Sentences: []string{
			"The Python of the virtual environment brings its packages along; nothing has to be activated.",
			"Make it in the working directory: python3 -m venv venv && venv/bin/pip install -r requirements.txt.",
			"Python holds its output back when nobody looks; -u and PYTHONUNBUFFERED show it at once.",
		},
		Must: []string{"keep running: a script that ends is started again"},
	},
	{
		ID: "python-web", Name: "Python web", Summary: "FastAPI, Starlette, Django, Flask", Listens: true,
		Definition: panel.Definition{Command: "venv/bin/uvicorn app:app --host :: --port $PORT", Directory: "app"},
		Sentences: []string{
			"uvicorn serves the object app of app.py; $PORT is replaced by upkeep, without a shell.",
			"For WSGI, as of Django and Flask, use gunicorn: venv/bin/gunicorn -b [::]:$PORT app:app.",
			"Leave out -D and --daemon: the server has to stay in the foreground.",
		},
		Must: []string{"have its server installed in venv, in the working directory", "offer the application under the name in the command"},
	},
	{
		ID: "go", Name: "Go binary", Summary: "One file that does everything", Listens: true,
		Definition: panel.Definition{Command: "./app", Directory: "app"},
		Sentences: []string{
			"The program is executed as it is; nothing else is needed on the host.",
			"Build it for the host’s kind of processor: GOOS=linux GOARCH=amd64 go build -o app.",
			"Set GOMEMLIMIT in the environment where memory is short, such as 400MiB.",
		},
		Must: []string{`listen on all addresses: http.ListenAndServe(":"+os.Getenv("PORT"), nil)`, "be executable: chmod +x app"},
	},
	{
		ID: "ruby", Name: "Ruby", Summary: "Rails, Sinatra, any Rack application", Listens: true,
		Definition: panel.Definition{Command: "bundle exec puma -b tcp://[::]:$PORT", Directory: "app", Environment: "RACK_ENV=production\nRAILS_ENV=production\n"},
		Sentences: []string{
			"puma serves the application of config.ru; $PORT is replaced by upkeep, without a shell.",
			"Install the gems in the working directory first: bundle install.",
			"Puma must not become a daemon: leave that out of config/puma.rb.",
		},
		Must: []string{"have puma in its Gemfile", "have a config.ru in the working directory"},
	},
	{
		ID: "php", Name: "PHP worker", Summary: "Symfony Messenger, Laravel queues",
		Definition: panel.Definition{Command: "php bin/console messenger:consume async --time-limit=3600", Directory: "app", Environment: "APP_ENV=prod\n"},
		Sentences: []string{
			"Such workers end on purpose, here after an hour, to give memory back; upkeep starts them again.",
			"An end with status 0 after a minute or more is no failure.",
			"For Laravel: php artisan queue:work --max-time=3600.",
		},
		Must: []string{"end with status 0 when its time is over", "finish the message at hand when it gets SIGTERM"},
	},
	{
		ID: "redis", Name: "Redis", Summary: "A database in memory", Listens: true,
		Definition: panel.Definition{
			Command:     `redis-server --bind :: --port $PORT --requirepass "$REDIS_PASSWORD" --dbfilename redis.rdb`,
			Environment: "REDIS_PASSWORD=" + secret + "\n",
		},
		Sentences: []string{
			"The port is open to the whole internet, so a password was made; clients need it.",
			"The data is kept in redis.rdb in the working directory, your home unless you name another one.",
			"“daemonize yes” must not stand in a configuration file, should you use one.",
		},
		Must: []string{"be installed: redis-server --version shows it", "not hold more than your memory allows: add --maxmemory 100mb"},
	},
	{
		ID: "generic", Name: "Anything else", Summary: "An empty form",
		Sentences: []string{
			"Type what you would type into a terminal.",
			"With a port, upkeep gives it as PORT, and HOST=:: to listen on.",
			"Try the command over SSH first: it has to stay, and not return to the prompt.",
		},
		Must: []string{"stay in the foreground", "listen on “::” if others connect to it, and ask them for a password or key"},
	},
}
