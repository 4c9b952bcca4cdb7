/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Container root takes write leases on files of its own: leases MODE FILE …
 *
 * "polite" gives one up when it is told to, as a file server does, and "deaf" never does. Prints
 * "held N" and goes on until it is killed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t told;

static void on_io(int sig)
{
	told = 1;
}

int main(int argc, char **argv)
{
	int polite = argc > 1 && strcmp(argv[1], "polite") == 0, held = 0, fd = -1;

	signal(SIGIO, polite ? on_io : SIG_IGN);
	for (int i = 2; i < argc; i++) {
		fd = open(argv[i], O_RDWR);
		held += fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
	}
	printf("held %d\n", held);
	fflush(stdout);
	for (;;) {
		pause();
		for (int i = 3; told && i <= fd; i++)
			fcntl(i, F_SETLEASE, F_UNLCK);
	}
}
