package diagnose

import (
	"strings"
	"testing"

	"upkeep/internal/panel"
)

func TestDaemons(t *testing.T) {
	tests := []struct{ text, fix string }{
		{"nginx", "nginx -g 'daemon off;'"},
		{"/usr/sbin/nginx -e stderr", "/usr/sbin/nginx -e stderr -g 'daemon off;'"},
		{"nginx -g 'daemon on;'", ""},
		{"redis-server --daemonize yes", "redis-server"},
		{"redis-server --port 8300 --daemonize YES --save ''", "redis-server --port 8300 --save ''"},
		{"valkey-server --daemonize=yes", "valkey-server"},
		{"gunicorn -D -b [::]:$PORT app:app", "gunicorn -b [::]:$PORT app:app"},
		{"venv/bin/gunicorn app:app --daemon", "venv/bin/gunicorn app:app"},
		{"python3 -m gunicorn -D app:app", "python3 -m gunicorn app:app"},
		{"cd x && exec gunicorn -D app:app > log", "cd x && exec gunicorn app:app > log"},
		{"uwsgi --ini x.ini --daemonize log.txt", "uwsgi --ini x.ini"},
		{"uwsgi --daemonize=log.txt --ini x.ini", "uwsgi --ini x.ini"},
		{"uwsgi -d log.txt --ini x.ini", "uwsgi --ini x.ini"},
		{"memcached -d -p 8300", "memcached -p 8300"},
		{"mosquitto -p 8300 -d", "mosquitto -p 8300"},
		{"mysqld --daemonize", "mysqld"},
		{"mongod --fork --logpath x", "mongod --logpath x"},
		{"bundle exec puma -d", "bundle exec puma"},
		{"RAILS_ENV=production bundle exec puma --daemon", "RAILS_ENV=production bundle exec puma"},
		{"unicorn -c x.rb -D", "unicorn -c x.rb"},
		{"bin/rails s -d", "bin/rails s"},
		{"celery -A proj worker --detach", "celery -A proj worker"},
		{"celery multi start w1 -A proj", ""},
		{"haproxy -D -f x.cfg", "haproxy -f x.cfg"},
		{"php-fpm", "php-fpm -F"},
		{"/usr/sbin/php-fpm8.3 -y pool.conf", "/usr/sbin/php-fpm8.3 -y pool.conf -F"},
		{"sshd -p 8300", "sshd -p 8300 -D"},
		{"apache2", "apache2 -DFOREGROUND"},
		{"apache2ctl start", "apache2ctl start -DFOREGROUND"},
		{"supervisord", "supervisord -n"},
		{"lighttpd -f x.conf", "lighttpd -f x.conf -D"},
		{"pm2 start app.js", "node app.js"},
		{"pm2 start ecosystem.config.js --env production", ""},
		{"npx pm2 start app.js", ""},
		{"forever start app.js", "node app.js"},
		{"docker run -d -p 8300:80 nginx", "docker run -p 8300:80 nginx"},
		{"docker run --name x --detach nginx", "docker run --name x nginx"},
		{"docker run -itd nginx", ""},
		{"docker compose up -d", "docker compose up"},
		{"docker compose -f x.yml up --detach", "docker compose -f x.yml up"},
		{"caddy start", ""},
		{"pg_ctl start -D data", ""},
		{"catalina.sh start", ""},
		{"php server.php start -d", "php server.php start"},
		{"znc", "znc --foreground"},
		{"transmission-daemon -g config", "transmission-daemon -g config -f"},
		{"twistd web --port 8300", ""},
		{"rabbitmq-server -detached", "rabbitmq-server"},
		{"tor --RunAsDaemon 1", "tor"},
		{"solr start", "solr start -f"},
		{"kafka-server-start.sh -daemon x.properties", "kafka-server-start.sh x.properties"},
	}
	for _, test := range tests {
		var found []panel.Finding
		for _, f := range Definition(panel.Definition{Command: test.text, Port: 8300}, Facts{}) {
			if f.ID == "D07" {
				found = append(found, f)
			}
		}
		if len(found) != 1 {
			t.Errorf("%s: findings %+v; want one D07", test.text, found)
			continue
		}
		if f := found[0]; f.Fix != test.fix || f.Field != "command" || !strings.Contains(f.Text, "must stay in front") {
			t.Errorf("%s: got %+v; want fix %q", test.text, f, test.fix)
		}
	}
}
