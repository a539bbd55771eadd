package diagnose

// help are options under which a program only says something about itself.
var help = []string{"-h", "--help", "--version"}

func or(options ...string) []string { return append(options, help...) }

// daemons are programs that are known to leave the foreground. A program that is not here is left in peace.
var daemons = []daemon{
	// Leave when asked.
	{names: []string{"redis-server", "valkey-server", "keydb-server"}, leaves: []string{"--daemonize yes"}},
	{names: []string{"gunicorn"}, leaves: []string{"-D", "--daemon"}},
	{names: []string{"uwsgi", "uwsgi_python3"}, leaves: []string{"--daemonize *", "--daemonize2 *", "-d *",
		"--daemonize", "--daemonize2"}},
	{names: []string{"memcached"}, leaves: []string{"-d", "--daemon"}},
	{names: []string{"mosquitto"}, leaves: []string{"-d", "--daemon"}},
	{names: []string{"mysqld", "mariadbd"}, leaves: []string{"--daemonize", "-D"}},
	{names: []string{"mongod", "mongos"}, leaves: []string{"--fork"}},
	{names: []string{"puma", "thin", "passenger", "sidekiq"}, leaves: []string{"-d", "--daemon", "--daemonize"}},
	{names: []string{"unicorn", "unicorn_rails", "rainbows", "rackup", "starman", "plackup"},
		leaves: []string{"-D", "--daemonize"}},
	{names: []string{"rails"}, sub: "server", leaves: []string{"-d", "--daemon"}},
	{names: []string{"rails"}, sub: "s", leaves: []string{"-d", "--daemon"}},
	{names: []string{"celery"}, sub: "multi", instead: "Use `celery worker`."},
	{names: []string{"celery"}, leaves: []string{"--detach", "-D"}},
	{names: []string{"airflow"}, leaves: []string{"-D", "--daemon"}},
	{names: []string{"haproxy"}, leaves: []string{"-D"}},
	{names: []string{"docker-compose"}, sub: "up", leaves: []string{"-d", "--detach"}},
	{names: []string{"elasticsearch", "opensearch"}, leaves: []string{"-d", "--daemonize"}},
	{names: []string{"kafka-server-start", "zookeeper-server-start"}, leaves: []string{"-daemon"}},
	{names: []string{"rabbitmq-server"}, leaves: []string{"-detached"}},
	{names: []string{"aria2c"}, leaves: []string{"-D", "--daemon"}},
	{names: []string{"turnserver"}, leaves: []string{"-o", "--daemon"}},
	{names: []string{"salt-master", "salt-minion"}, leaves: []string{"-d", "--daemon"}},
	{names: []string{"tor"}, leaves: []string{"--RunAsDaemon 1"}},
	{names: []string{"icecast", "icecast2"}, leaves: []string{"-b"}},

	// Always leave with this word.
	{names: []string{"caddy"}, sub: "start", instead: "Use `caddy run`."},
	{names: []string{"pg_ctl"}, sub: "start", instead: "Use `postgres -D` with the same directory."},
	{names: []string{"pg_ctlcluster"}, leaves: []string{"start"}, stays: or("--foreground")},
	{names: []string{"catalina"}, sub: "start", instead: "Use `catalina.sh run`."},
	{names: []string{"zkServer"}, sub: "start", instead: "Use `zkServer.sh start-foreground`."},
	{names: []string{"solr"}, sub: "start", stays: or("-f", "--foreground"), add: "-f"},
	{names: []string{"ejabberdctl"}, sub: "start", instead: "Use `ejabberdctl foreground`."},

	// Leave unless told to stay.
	{names: []string{"php-fpm"}, stays: or("-F", "--nodaemonize", "-t", "-tt", "--test", "-v", "-i", "-m"), add: "-F"},
	{names: []string{"sshd"}, stays: or("-D", "-d", "-dd", "-ddd", "-t", "-T", "-G", "-i", "-V"), add: "-D"},
	{names: []string{"apache2", "httpd"}, stays: or("-DFOREGROUND", "-D FOREGROUND", "-DNO_DETACH", "-D NO_DETACH",
		"-X", "-t", "-v", "-V", "-l", "-L", "-M", "-S"), configured: []string{"-f"}, add: "-DFOREGROUND"},
	{names: []string{"apache2ctl", "apachectl"}, sub: "start", stays: or("-DFOREGROUND", "-D FOREGROUND"),
		add: "-DFOREGROUND"},
	{names: []string{"supervisord"}, stays: or("-n", "--nodaemon", "-v"), configured: []string{"-c", "--configuration"},
		add: "-n"},
	{names: []string{"lighttpd"}, stays: or("-D", "-t", "-tt", "-v", "-V", "-p", "-1", "-i"), add: "-D"},
	{names: []string{"varnishd"}, stays: or("-F", "-d", "-C", "-V", "-I", "-x", "-?"), add: "-F"},
	{names: []string{"dnsmasq"}, stays: or("-k", "--keep-in-foreground", "-d", "--no-daemon", "-v", "--test"), add: "-k"},
	{names: []string{"squid"}, stays: or("-N", "--foreground", "-k", "-v", "-z"), add: "--foreground"},
	{names: []string{"znc"}, stays: or("-f", "--foreground", "-D", "--debug", "-c", "--makeconf", "-s", "--makepass",
		"-v"), add: "--foreground"},
	{names: []string{"transmission-daemon"}, stays: or("-f", "--foreground", "-d", "--dump-settings", "-V"), add: "-f"},
	{names: []string{"deluged"}, stays: or("-d", "--do-not-daemonize", "-V"), add: "-d"},
	{names: []string{"murmurd", "mumble-server"}, stays: or("-fg", "-supw", "-readsupw", "-disablesu"), add: "-fg"},
	{names: []string{"ngircd"}, stays: or("-n", "--nodaemon", "-t", "--configtest", "-V"), add: "-n"},
	{names: []string{"hypnotoad"}, stays: or("-f", "--foreground", "-s", "--stop", "-t", "--test"), add: "-f"},
	{names: []string{"twistd"}, stays: or("-n", "--nodaemon", "-b", "--debug", "-no", "-ny", "-noy"), instead: "Write `twistd -n`."},
	{names: []string{"spawn-fcgi"}, stays: or("-n", "-v"), instead: "Write `spawn-fcgi -n`."},
	{names: []string{"slapd"}, configured: []string{"-d"}, stays: or("-V", "-VV", "-T"), add: "-d 0"},
	{names: []string{"named"}, stays: or("-f", "-g", "-v", "-V"), add: "-f"},
	{names: []string{"unbound"}, stays: or("-d", "-dd", "-V"), configured: []string{"-c"}, add: "-d"},
	{names: []string{"cron"}, stays: or("-f"), add: "-f"},
}
