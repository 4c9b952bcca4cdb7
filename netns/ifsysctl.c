/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/ifsysctl.h"

#include <fcntl.h>
#include <net/if.h>

void ifsysctl_write(const char *family, const char *name, const char *key, const char *value)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, name, key);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && write(fd, value, strlen(value)) < 0)
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
