/* The program of a measured service. It reports the moment in which its main() began and sleeps. With SIZE and TOTAL
 * it writes TOTAL bytes to its output, SIZE at a time, whenever it gets SIGUSR1, and reports when it is done. Each
 * block is one line and begins with its number. With PACE, in microseconds, it writes from one SIGUSR1 to the next, a
 * block at a time, and reports the longest time between two blocks as well. */
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

static struct timespec since(struct timespec a, struct timespec b)
{
	long long nanos = (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec;
	return (struct timespec){.tv_sec = nanos / 1000000000, .tv_nsec = nanos % 1000000000};
}

/* Waiting for the signal is the pause between two blocks. */
static void steady(char *block, long size, struct timespec pace, sigset_t *go)
{
	struct timespec longest = {0}, last, now, gap;
	clock_gettime(CLOCK_MONOTONIC, &last);
	while (sigtimedwait(go, NULL, &pace) < 0) {
		emit(block, size, size);
		clock_gettime(CLOCK_MONOTONIC, &now);
		gap = since(last, now);
		if (gap.tv_sec > longest.tv_sec || (gap.tv_sec == longest.tv_sec && gap.tv_nsec > longest.tv_nsec))
			longest = gap;
		last = now;
	}
	report("stalled", longest);
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
		if (argc > 3)
			steady(block, size, (struct timespec){.tv_nsec = atol(argv[3]) * 1000}, &go);
		else
			emit(block, size, total);
		clock_gettime(CLOCK_MONOTONIC, &at);
		report("written", at);
	}
}
