/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Container root puts a link in the place of each directory that the platform makes for it, the
 * moment that it is there: points DIRECTORY LINKS VICTIM TRIES
 *
 * The directories are DIRECTORY/0 and so on, in turn, the links in LINKS lead to VICTIM0 and so on,
 * which are the host's. Prints "ready", and when all were there how many have become links. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char victim[PATH_MAX], link[PATH_MAX], point[PATH_MAX];
	int tries, swapped = 0;

	if (argc != 5)
		return 2;
	tries = atoi(argv[4]);
	for (int i = 0; i < tries; i++) {
		(void)snprintf(victim, sizeof(victim), "%s%d", argv[3], i);
		(void)snprintf(link, sizeof(link), "%s/%d", argv[2], i);
		if (symlink(victim, link) < 0)
			return 1;
	}
	puts("ready");
	fflush(stdout);
	for (int i = 0; i < tries; i++) {
		int r;

		(void)snprintf(link, sizeof(link), "%s/%d", argv[2], i);
		(void)snprintf(point, sizeof(point), "%s/%d", argv[1], i);
		do
			r = renameat2(AT_FDCWD, link, AT_FDCWD, point, RENAME_EXCHANGE);
		while (r < 0 && errno == ENOENT);
		swapped += r == 0; /* else something is mounted there already */
	}
	printf("%d\n", swapped);
	return 0;
}
