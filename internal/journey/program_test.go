package journey

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"upkeep/internal/panel"
)

// webProgram answers HTTP on [::]:$PORT, has a child, and prints what a page must not take for its own: markup,
// colours, a new title for the terminal, control characters, and bytes that are no text. On SIGHUP it ends.
const webProgram = `use strict;
use warnings;
use IO::Socket::IP;

$| = 1;
$SIG{CHLD} = 'IGNORE';
defined(my $child = fork) or die "cannot fork: $!\n";
if (!$child) { exec 'sleep', '100000' or die "cannot execute sleep: $!\n" }
print "<script>alert(1)</script><img src=x onerror=alert(2)>\n";
print "\e[31mred\e[0m \e]0;taken over\a\e[2J\e[1;1H bell \x07 nul \x00 del \x7f bytes \xff\xfe end\n";
my $server = IO::Socket::IP->new(
    LocalHost => '::', LocalPort => $ENV{PORT}, Listen => 16, ReuseAddr => 1, V6Only => 0,
) or die "cannot listen: $@\n";
print "listening\n";
while (my $client = $server->accept) {
    my $request = <$client> // '';
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
    my $body = "hello from $ENV{SERVICE_NAME}";
    print $client "HTTP/1.1 200 OK\r\nContent-Length: ", length($body), "\r\nConnection: close\r\n\r\n", $body;
    close $client;
    print $request =~ s/\s+$//r, "\n";
}
`

// brokenProgram fails until a file named "repaired" is there.
const brokenProgram = `if [ -e repaired ]; then
	echo "connected"
	exec sleep 100000
fi
echo "database: connection refused" >&2
exit 3
`

// portsTaken counts the ports that tests have used up. It starts somewhere, so that two runs at once rarely meet.
var portsTaken atomic.Int64

func init() { portsTaken.Store(rand.Int64N(panel.MaxPort - panel.MinPort)) }

// freePort returns a port for a service on which nothing listens, another one each time.
func freePort(t *testing.T) int {
	t.Helper()
	const count = panel.MaxPort - panel.MinPort + 1
	for range count {
		// The lowest ports are left alone: they are what upkeep proposes to whoever asks.
		port := panel.MinPort + int(portsTaken.Add(1)%count)
		if port < panel.MinPort+20 {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// ask sends a request to a service, as soon as it can be reached, and returns what it answers.
func ask(t *testing.T, port int, path string) string {
	t.Helper()
	var body []byte
	var err error
	eventually(t, fmt.Sprintf("port %d answers", port), func() bool {
		body, err = fetch(fmt.Sprintf("http://[::1]:%d%s", port, path))
		return err == nil
	}, func() string { return err.Error() })
	return string(body)
}

func fetch(url string) ([]byte, error) {
	r, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	return io.ReadAll(r.Body)
}

// commandLine is what a process was started with; empty when it is gone, or dead and not yet reaped.
func commandLine(pid int) string { return strings.Join(procStrings(pid, "cmdline"), " ") }

func environ(pid int) []string { return procStrings(pid, "environ") }

// procStrings reads a file of a process that holds strings, each with a NUL behind it.
func procStrings(pid int, file string) []string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + file)
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// awaitGone waits until a process has ended.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("process %d is gone", pid), func() bool { return commandLine(pid) == "" },
		func() string { return commandLine(pid) })
}
