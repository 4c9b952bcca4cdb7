/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-netup NAME MAC ADDRESS IPV6-ADDRESS|- LIMIT_BPS MARK: a container's link. liblxc's monitor
 * runs it when the container's namespaces are there and its init is not (lxc.hook.start-host,
 * lxc.container.conf(5); it says whose by LXC_PID, and adds arguments of its own). A small program,
 * for the time that an exec takes. What it fails of is its exit status, an errno, and a line on the
 * standard error. */
#include <arpa/inet.h>
#include <linux/if_ether.h>

#include "netns/rtlink.h"

enum { NAME = 1, MAC, ADDRESS, ADDRESS6, LIMIT, MARK, ARGUMENTS };

static bool read_mac(const char *s, uint8_t ret[static ETH_ALEN])
{
	unsigned b[ETH_ALEN];
	char end;

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		    &end) != ETH_ALEN)
		return false;
	for (int i = 0; i < ETH_ALEN; i++)
		ret[i] = (uint8_t)b[i];
	return true;
}

int main(int argc, char **argv)
{
	const char *pid = getenv("LXC_PID");
	struct rtlink l = {};
	struct in_addr address;
	struct err err = {};
	int r;

	if (argc < ARGUMENTS || !pid || atoi(pid) <= 1 || strlen(argv[NAME]) >= sizeof(l.name) ||
		!read_mac(argv[MAC], l.mac) || inet_pton(AF_INET, argv[ADDRESS], &address) != 1) {
		(void)fputs("hoody-netup is run by liblxc\n", stderr);
		return EINVAL;
	}
	strcpy(l.name, argv[NAME]);
	l.address = ntohl(address.s_addr);
	l.has_address6 = inet_pton(AF_INET6, argv[ADDRESS6], l.address6) == 1;
	l.limit_bps = strtoull(argv[LIMIT], NULL, 10);
	l.unseen_mark = (uint32_t)strtoul(argv[MARK], NULL, 10);
	r = rtlink_make(&l, atoi(pid), &err);
	if (r < 0)
		(void)fprintf(stderr, "hoody-netup: %s\n", err.message);
	return -r & 0xff;
}
