/* The program of a measured service. It reports the moment in which its main() began and sleeps. With SIZE and TOTAL
 * it writes TOTAL bytes to its output, SIZE at a time, whenever it gets SIGUSR1, and reports when it is done. Each
 * block is one line and begins with its number. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void report(const char *what, struct timespec at)
{
	const char *path = getenv("BENCH_SOCKET"), *service = getenv("SERVICE_ID");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[128];
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int n = snprintf(text, sizeof text, "%s %s %d %lld", what, service ? service : "0", (int)getpid(),
			 at.tv_sec * 1000000000LL + at.tv_nsec);
	if (path)
		strncpy(to.sun_path, path, sizeof to.sun_path - 1);
	sendto(s, text, n, 0, (struct sockaddr *)&to, sizeof to);
	close(s);
}

enum { DIGITS = 12 }; /* of the number at the start of a block, from 1 on */

static void count(char *block)
{
	int i = DIGITS - 1;
	while (block[i] == '9')
		block[i--] = '0';
	block[i]++;
}

/* A write is never short: the output blocks, and only a signal with a handler could interrupt it. */
static void emit(char *block, long size, long total)
{
	for (; total > 0; total -= size) {
		count(block);
		if (write(1, block, size) != size)
			exit(1);
	}
}

int main(int argc, char **argv)
{
	struct timespec at;
	sigset_t go;
	clock_gettime(CLOCK_MONOTONIC, &at);
	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, NULL);
	report("started", at);
	if (argc < 3)
		for (;;)
			pause();
	long size = atol(argv[1]), total = atol(argv[2]);
	char *block = malloc(size);
	memset(block, 'x', size);
	memset(block, '0', DIGITS);
	block[size - 1] = '\n';
	for (int sig; sigwait(&go, &sig) == 0;) {
		emit(block, size, total);
		clock_gettime(CLOCK_MONOTONIC, &at);
		report("written", at);
	}
}
