/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctproc.h"

#include <fcntl.h>
#include <stdio.h>

#define STAT_MAX       1024
#define STAT_STARTTIME 22

int ctproc_read(pid_t pid, const char *name, char *ret, size_t size)
{
	char path[64];
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

/* Lines of a process's own making (Groups: up to 65,536 of them) are longer than any buffer, and
 * come in parts. */
static bool find_line(FILE *f, const char *key, char *ret, size_t size)
{
	size_t len = strlen(key);
	bool begins = true;
	char line[256];

	while (fgets(line, sizeof(line), f)) {
		if (begins && strncmp(line, key, len) == 0 && line[len] == ':') {
			(void)snprintf(ret, size, "%s", line + len + 1);
			return true;
		}
		begins = strchr(line, '\n');
	}
	return false;
}

int ctproc_line(pid_t pid, const char *key, char *ret, size_t size)
{
	char path[64];
	FILE *f;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	r = find_line(f, key, ret, size) ? 1 : ferror(f) ? -errno : 0;
	(void)fclose(f);
	return r;
}

/* Counted from the end of the name, which may hold anything. */
uint64_t ctproc_started(pid_t pid)
{
	char text[STAT_MAX];
	char *at = ctproc_read(pid, "stat", text, sizeof(text)) < 0 ? NULL : strrchr(text, ')');
	unsigned long long ticks;

	for (int field = 2; at && field < STAT_STARTTIME; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, " %llu", &ticks) == 1 ? ticks : 0;
}
