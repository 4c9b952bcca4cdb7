/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/ifsysctl.h"

#include <fcntl.h>
#include <net/if.h>

/* To write some of them wants the kernel's lock of all links, for which the writer is kept running
 * until it is free (restart_syscall); to read none does. */
static bool is_so(int fd, const char *value)
{
	char now[32];
	ssize_t n = pread(fd, now, sizeof(now) - 1, 0);

	now[MAX_OF(n, 0)] = '\0';
	now[strcspn(now, "\n")] = '\0';
	return n > 0 && strcmp(now, value) == 0;
}

void ifsysctl_write(const char *family, const char *name, const char *key, const char *value)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, name, key);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && !is_so(fd, value) && write(fd, value, strlen(value)) < 0)
		(void)0; /* a key that this kernel hasn't: the firewall's rules don't rely on any */
	closefd(fd);
}

void ifsysctl_forward_six(const char *prefix)
{
	struct if_nameindex *all = if_nameindex();

	for (const struct if_nameindex *i = all; i && i->if_index != 0; i++) {
		_cleanup_(freep) char *path =
			xasprintf("/proc/sys/net/ipv6/conf/%s/accept_ra", i->if_name);
		_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
		char now = '0';

		if (strncmp(i->if_name, prefix, strlen(prefix)) != 0 && fd >= 0 &&
			read(fd, &now, 1) == 1 && now == '1')
			ifsysctl_write("ipv6", i->if_name, "accept_ra", "2");
	}
	if (all)
		if_freenameindex(all);
	ifsysctl_write("ipv6", "all", "forwarding", "1");
}

unsigned ifsysctl_index(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s", name);
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		errno = ENODEV;
		return 0;
	}
	return if_nametoindex(name);
}
