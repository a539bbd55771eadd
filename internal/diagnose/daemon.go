package diagnose

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"upkeep/internal/command"
	"upkeep/internal/panel"
)

// foregroundFindings is D07: the program was asked to become a daemon, or does so unless it is told to stay.
func foregroundFindings(cmd *command.Command) []panel.Finding {
	n := program(cmd.Words())
	if len(n.words) == 0 {
		return nil
	}
	if f, ok := special(cmd, n); ok {
		return f
	}
	for _, rule := range daemons {
		if rule.concerns(n) {
			return rule.apply(cmd, n)
		}
	}
	return nil
}

var version = regexp.MustCompile(`[0-9][0-9.]*$`)

// canonical removes what systems add to a program's name: php-fpm8.3, catalina.sh.
func canonical(name string) string {
	name = strings.TrimSuffix(name, ".sh")
	if short := version.ReplaceAllString(name, ""); short == "php-fpm" {
		return short
	}
	return name
}

// daemon describes how a program leaves the foreground, and how it is kept there.
type daemon struct {
	names []string
	// sub is a word that must come first for the rule to apply, such as start.
	sub string
	// leaves are options that send it away. Without any, it always leaves, unless it is told to stay.
	leaves []string
	// stays are options that keep it in front, or under which it does something else and ends.
	stays []string
	// configured are options that name a configuration, which may say that it stays: nothing is certain then.
	configured []string
	add        string // words that keep it in front
	instead    string // what to do where neither removing nor adding a word is the cure
}

func (d daemon) concerns(n named) bool {
	return slices.Contains(d.names, canonical(n.words[0])) &&
		(d.sub == "" || len(n.words) > 1 && n.words[1] == d.sub)
}

func (d daemon) apply(cmd *command.Command, n named) []panel.Finding {
	switch {
	case n.any(d.stays), n.any(d.configured):
		return nil
	case len(d.leaves) == 0:
		return d.always(cmd, n)
	}
	for _, option := range d.leaves {
		if at, count := n.option(option); count > 0 {
			given := strings.Join(n.words[at:at+count], " ")
			return daemonFinding(fmt.Sprintf("The option `%s` makes %s leave the foreground", given, n.words[0]),
				"Remove it.", cmd.Without(n.at+at, count))
		}
	}
	return nil
}

// always is for a program that leaves unless it is told to stay.
func (d daemon) always(cmd *command.Command, n named) []panel.Finding {
	what := n.words[0]
	if d.sub != "" {
		what += " " + d.sub
	}
	text := fmt.Sprintf("`%s` leaves the foreground", what)
	if d.add == "" {
		return daemonFinding(text, d.instead, "")
	}
	return daemonFinding(text, fmt.Sprintf("Add `%s`.", d.add), cmd.With(d.add))
}

// daemonFinding is D07 in its usual words. A cure that is itself a daemon, or cannot be read, is not offered.
func daemonFinding(what, remedy, fix string) []panel.Finding {
	if cured, err := command.Parse(fix); err != nil || len(foregroundFindings(cured)) > 0 {
		fix = ""
	}
	return []panel.Finding{about("D07", what+", but a service must stay in front: upkeep would see it end at once. "+
		remedy, fix)}
}

// special handles programs whose options do not fit a table; ok is false for all others.
func special(cmd *command.Command, n named) (found []panel.Finding, ok bool) {
	switch n.words[0] {
	case "nginx", "openresty":
		return nginx(cmd, n), true
	case "docker", "podman":
		return container(cmd, n), true
	case "pm2", "forever":
		return nodeManager(cmd, n), true
	case "php":
		return phpServer(cmd, n), true
	}
	return nil, false
}

// nginx stays in front when it is told so by -g; a configuration of one's own may say so too.
func nginx(cmd *command.Command, n named) []panel.Finding {
	for i, w := range n.words {
		directives := strings.TrimPrefix(w, "-g")
		if (w != directives || i > 0 && n.words[i-1] == "-g") && strings.Contains(directives, "daemon off") {
			return nil
		}
	}
	if n.any([]string{"-t", "-T", "-v", "-V", "-h", "-?", "-s", "-c", "-p"}) {
		return nil
	}
	text := fmt.Sprintf("`%s` leaves the foreground", n.words[0])
	fix := cmd.With("-g 'daemon off;'")
	if n.any([]string{"-g"}) { // nginx does not accept a directive twice, so the one that is there has to change
		fix = ""
	}
	return daemonFinding(text, "Add `daemon off;` with -g.", fix)
}

// containerFlags are options of "docker run" without a value; every other one takes the next word.
var containerFlags = []string{"--rm", "--init", "--privileged", "--read-only", "--interactive", "--tty",
	"--publish-all", "--no-healthcheck", "--oom-kill-disable", "--quiet", "--detach"}

// container finds the -d of "run" before the image: behind it, words belong to the program inside.
func container(cmd *command.Command, n named) []panel.Finding {
	at := 1
	if at < len(n.words) && n.words[at] == "compose" {
		return compose(cmd, n)
	}
	if at < len(n.words) && n.words[at] == "container" {
		at++
	}
	if at >= len(n.words) || n.words[at] != "run" {
		return nil
	}
	for i := at + 1; i < len(n.words) && strings.HasPrefix(n.words[i], "-"); i++ {
		w := n.words[i]
		long := strings.HasPrefix(w, "--")
		if w == "--detach" || w == "--detach=true" || !long && strings.Trim(w, "-itPq") == "d" {
			fix := ""
			if long || w == "-d" {
				fix = cmd.Without(n.at+i, 1)
			}
			return daemonFinding(fmt.Sprintf("The option `%s` makes %s leave the container alone", w, n.words[0]),
				"Remove it.", fix)
		}
		if takesNext(w) {
			i++
		}
	}
	return nil
}

// takesNext reports whether an option of "docker run" has its value in the next word.
func takesNext(w string) bool {
	if strings.HasPrefix(w, "--") {
		return !strings.Contains(w, "=") && !slices.Contains(containerFlags, w)
	}
	return len(w) == 2 && !strings.ContainsAny(w[1:], "itPqd")
}

func compose(cmd *command.Command, n named) []panel.Finding {
	if !slices.Contains(n.words, "up") {
		return nil
	}
	for _, option := range []string{"-d", "--detach"} {
		if at, count := n.option(option); count > 0 {
			return daemonFinding(fmt.Sprintf("The option `%s` makes %s leave the containers alone", option, n.words[0]),
				"Remove it.", cmd.Without(n.at+at, count))
		}
	}
	return nil
}

// nodeManager is for process managers that have their own daemon: upkeep does their work.
func nodeManager(cmd *command.Command, n named) []panel.Finding {
	if len(n.words) < 2 || !slices.Contains([]string{"start", "restart", "reload", "resurrect"}, n.words[1]) ||
		n.any([]string{"--no-daemon"}) {
		return nil
	}
	fix, remedy := "", "Run the program itself: upkeep restarts it."
	if len(n.words) == 3 && slices.Contains([]string{".js", ".mjs", ".cjs"}, path.Ext(n.words[2])) {
		fix = cmd.WithProgram("node")
		if cured, err := command.Parse(fix); err == nil && n.at == 0 && n.words[1] == "start" {
			fix = cured.Without(1, 1)
		} else {
			fix = ""
		}
	}
	return daemonFinding(fmt.Sprintf("`%s %s` hands the program to a manager in the background", n.words[0], n.words[1]),
		remedy, fix)
}

// phpServer is for Workerman and its relatives: php server.php start -d.
func phpServer(cmd *command.Command, n named) []panel.Finding {
	last := len(n.words) - 1
	if last < 3 || n.words[last] != "-d" || n.words[last-1] != "start" {
		return nil
	}
	return daemonFinding("The option `-d` behind `start` makes the server leave the foreground", "Remove it.",
		cmd.Without(n.at+last, 1))
}
