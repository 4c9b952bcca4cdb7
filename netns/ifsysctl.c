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

/* proc(5): a route per line, destination and mask 0 is a default one. */
void ifsysctl_forward_uplinks(const char *prefix)
{
	FILE *f = fopen("/proc/net/route", "re");
	char line[256], name[IF_NAMESIZE];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long destination, mask;

		if (sscanf(line, "%15s %lx %*s %*s %*s %*s %*s %lx", name, &destination, &mask) ==
				3 &&
			destination == 0 && mask == 0 && strncmp(name, prefix, strlen(prefix)) != 0)
			ifsysctl_write("ipv4", name, "forwarding", "1");
	}
	if (f)
		(void)fclose(f);
}
