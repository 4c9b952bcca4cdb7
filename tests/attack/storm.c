/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The init of a hostile container, which hears what asks it to end and does nothing: all attacks of
 * /storm/list at once, each again and again. A line of the list is "TRIES COMMAND"; the command
 * prints in its first line how many of its tries came through, as the last number there.
 *
 * Each attack's row of the memfd "storm" counts rounds begun, tries and what came through, as three
 * uint64_t: the host reads them from /proc/PID/fd. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROWS_MAX 64
#define PAUSE_MS 100 /* between two rounds, and where the kernel has refused one */

struct row {
	uint64_t rounds, tries, made;
};

static struct attack {
	char *command;
	uint64_t tries;
	pid_t runner;
} attacks[ROWS_MAX];

static void rest(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L }, NULL);
}

static void deaf(int sig) {}

static uint64_t last_number(const char *line)
{
	const char *p = line + strcspn(line, "\n");

	while (p > line && !isdigit((unsigned char)p[-1]))
		p--;
	while (p > line && isdigit((unsigned char)p[-1]))
		p--;
	return strtoull(p, NULL, 10);
}

static void round_of(const struct attack *a, struct row *row)
{
	char line[256] = "";
	int ends[2];
	FILE *said;
	pid_t pid;

	row->rounds++;
	if (pipe(ends) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		setsid();
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl("/bin/sh", "sh", "-c", a->command, NULL);
		_exit(127);
	}
	close(ends[1]);
	said = fdopen(ends[0], "r");
	if (pid > 0 && said && fgets(line, sizeof(line), said)) {
		row->made += last_number(line);
		row->tries += a->tries;
	}
	if (said)
		fclose(said);
	while (waitpid(pid, NULL, 0) > 0)
		;
}

static void run(const struct attack *a, struct row *row)
{
	for (;;) {
		round_of(a, row);
		rest();
	}
}

static int read_list(void)
{
	char *line = NULL;
	size_t size = 0;
	FILE *list = fopen("/storm/list", "r");
	int n = 0;

	while (list && n < ROWS_MAX && getline(&line, &size, list) > 0) {
		char *command;

		attacks[n].tries = strtoull(line, &command, 10);
		attacks[n++].command = strdup(command);
	}
	return n;
}

int main(void)
{
	static const int asked[] = { SIGTERM, SIGINT, SIGHUP, SIGPWR, SIGUSR1, SIGUSR2 };
	int n = read_list(), memory = memfd_create("storm", MFD_CLOEXEC);
	struct row *rows;
	pid_t pid;

	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		signal(asked[i], deaf);
	if (memory < 0 || ftruncate(memory, sizeof(*rows) * ROWS_MAX) < 0)
		return 1;
	rows = mmap(NULL, sizeof(*rows) * ROWS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (rows == MAP_FAILED)
		return 1;
	for (;;) {
		for (int i = 0; i < n; i++) {
			if (attacks[i].runner > 0)
				continue;
			attacks[i].runner = fork();
			if (attacks[i].runner == 0)
				run(&attacks[i], &rows[i]);
		}
		pid = waitpid(-1, NULL, WNOHANG);
		for (int i = 0; i < n; i++) /* whom the kernel has killed for want of memory */
			if (pid > 0 && attacks[i].runner == pid)
				attacks[i].runner = 0;
		if (pid <= 0)
			rest();
	}
}
