package diagnose

import (
	"testing"

	"upkeep/internal/command"
	"upkeep/internal/panel"
)

// quiet are commands as people really run them: there is nothing to say about any of them.
var quiet = []string{
	"node server.js",
	"node -d server.js",
	"node --env-file=.env --max-old-space-size=256 dist/main.js",
	"venv/bin/python -u app.py",
	"python3 -m http.server $PORT --bind ::",
	"python3 -m gunicorn -b [::]:$PORT app:app",
	"python3 bot.py -D",
	"venv/bin/uvicorn app:app --host :: --port $PORT",
	"venv/bin/gunicorn -b [::]:$PORT app:app",
	"gunicorn -w 2 -k uvicorn.workers.UvicornWorker -b [$HOST]:$PORT --access-logfile - app:app",
	"~/venv/bin/celery -A proj worker -l info",
	"celery -A proj beat",
	"./app --listen [::]:$PORT",
	"bundle exec puma -b tcp://[::]:$PORT",
	"bundle exec sidekiq -C config/sidekiq.yml",
	"bin/rails server -b :: -p $PORT",
	"php bin/console messenger:consume async --time-limit=3600",
	"php artisan queue:work",
	"php -d memory_limit=256M worker.php start",
	"php -S [::]:$PORT -t public",
	"redis-server --port 8300",
	"redis-server --port 8300 --daemonize no",
	"redis-server redis.conf --requirepass $REDIS_PASSWORD",
	"nginx -g 'daemon off;'",
	`nginx -p . -c nginx.conf -g "pid nginx.pid; daemon off;"`,
	"nginx -c conf/nginx.conf",
	"memcached -p 8300",
	"memcached -l :: -p $PORT -m 64 -U 0",
	"mosquitto -c mosquitto.conf -p 8300",
	"mongod --dbpath data --port $PORT --ipv6 --bind_ip_all",
	"postgres -D data -p 8300",
	"mysqld --datadir=data --port=8300",
	"php-fpm8.3 -F -y pool.conf",
	"php-fpm --nodaemonize",
	"sshd -D -p 8300 -f sshd_config",
	"apache2 -D FOREGROUND -f x",
	"httpd -DFOREGROUND",
	"lighttpd -D -f lighttpd.conf",
	"haproxy -f haproxy.cfg -db",
	"haproxy -W -f haproxy.cfg",
	"caddy run --config Caddyfile",
	"supervisord -n -c supervisord.conf",
	"supervisord -c supervisord.conf",
	"pm2-runtime start ecosystem.config.js",
	"pm2 start app.js --no-daemon",
	"pm2 logs",
	"forever app.js",
	"docker run --rm -p 8300:80 nginx",
	"docker run --rm --name x redis redis-server -d",
	"docker run -e D=1 -v /a:/b -it img cmd -d",
	"docker compose up",
	"uwsgi --http-socket [::]:$PORT --module app",
	"java -Xmx256m -Dserver.port=$PORT -jar app.jar",
	"java -Dspring.daemon=true -jar app.jar",
	"deno run --allow-net server.ts",
	"bun run server.ts",
	"npx http-server -p $PORT -a ::",
	"env NODE_ENV=production node server.js",
	"minio server data --address [::]:$PORT",
	"znc --foreground --datadir ~/znc",
	"transmission-daemon -f -g config",
	"catalina.sh run",
	"grep -d skip --daemon x",
	"tail -F log",
	"ssh -N -L 8300:db:5432 user@example.org",
	"autossh -M 0 -N tunnel",
	"sleep 1000",
	"./server --token-file token.txt --password-file ~/secret",
	"./server --token $TOKEN --db postgres://user:$PASS@db/x",
	"./server --url https://example.org:8300/a@b",
	"./server --no-password --secret",
	"hugo server --bind :: -p $PORT -D",
	"gitea web --port $PORT",
	"code-server --bind-addr [::]:$PORT --auth password",
	"echo 'a – b' “",
	"jupyter lab --ip=:: --port=$PORT",
	"mailhog",
	"rackup -o :: -p $PORT",
	"twistd -n web --listen tcp6:8300",
	"twistd -noy app.tac",
	"screen -D -m top",
	"npm ci",
}

func TestNoFalseAlarms(t *testing.T) {
	env := "TOKEN=x\nPASS=x\nREDIS_PASSWORD=x"
	for _, text := range quiet {
		if _, err := command.Parse(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		def := panel.Definition{Command: text, Environment: env, Port: 8300}
		for _, f := range Definition(def, Facts{User: "ann"}) {
			t.Errorf("%s: false alarm %s: %s", text, f.ID, f.Text)
		}
	}
}
