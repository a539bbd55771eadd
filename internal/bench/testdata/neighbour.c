/* The programs of two accounts that share a machine. "echo PATH" sends back each byte that comes in at a socket. The
 * others do nothing until they get SIGUSR1, and then all that they can to disturb: "cpu N" calculates in N processes,
 * "memory" takes memory until it is killed for it, again and again, and "forks" makes processes without end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strncpy(a.sun_path, path, sizeof a.sun_path - 1);
	return a;
}

static void report(void)
{
	struct sockaddr_un to = address(getenv("BENCH_SOCKET"));
	struct timespec at;
	char text[128];
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	clock_gettime(CLOCK_MONOTONIC, &at);
	int n = snprintf(text, sizeof text, "started %s %d %lld", getenv("SERVICE_ID"), (int)getpid(),
			 at.tv_sec * 1000000000LL + at.tv_nsec);
	sendto(s, text, n, 0, (struct sockaddr *)&to, sizeof to);
	close(s);
}

static void echo(const char *path)
{
	struct sockaddr_un at = address(path);
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c;
	unlink(path);
	if (bind(l, (struct sockaddr *)&at, sizeof at) || listen(l, 8))
		exit(1);
	report();
	for (;;) {
		int s = accept(l, NULL, NULL);
		while (read(s, &c, 1) == 1 && write(s, &c, 1) == 1)
			;
		close(s);
	}
}

static void calculate(int processes)
{
	while (--processes > 0 && fork() > 0)
		;
	for (volatile unsigned long i = 0;; i++)
		;
}

static void fill(void)
{
	for (;;) {
		pid_t child = fork();
		if (child == 0)
			for (;;)
				memset(malloc(1 << 20), 1, 1 << 20);
		waitpid(child, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	sigset_t go;
	int sig;
	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "echo") && argc > 2)
		echo(argv[2]);
	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, NULL);
	report();
	sigwait(&go, &sig);
	if (!strcmp(argv[1], "cpu") && argc > 2)
		calculate(atoi(argv[2]));
	if (!strcmp(argv[1], "memory"))
		fill();
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		fork();
}
