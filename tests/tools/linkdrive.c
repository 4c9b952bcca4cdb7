/* SPDX-License-Identifier: GPL-2.0-or-later */
/* linkdrive NAME ADDRESS IPV6-ADDRESS PID: a link (netns/rtlink.h) into the network namespace of a
 * process. What it fails of is its exit status, an errno, and a line on the standard error. */
#include <arpa/inet.h>

#include "netns/rtlink.h"

enum { NAME = 1, ADDRESS, ADDRESS6, PID, ARGUMENTS };

int main(int argc, char **argv)
{
	struct rtlink l = { .mac = { 2, 0, 0, 0, 0, 1 }, .unseen_mark = 1 };
	struct in_addr address;
	struct err err = {};
	int r;

	if (argc != ARGUMENTS || strlen(argv[NAME]) >= sizeof(l.name) ||
		inet_pton(AF_INET, argv[ADDRESS], &address) != 1)
		return EINVAL;
	strcpy(l.name, argv[NAME]);
	l.address = ntohl(address.s_addr);
	l.has_address6 = inet_pton(AF_INET6, argv[ADDRESS6], l.address6) == 1;
	r = rtlink_make(&l, atoi(argv[PID]), NULL, NULL, &err);
	if (r < 0)
		(void)fprintf(stderr, "%s\n", err.message);
	return -r & 0xff;
}
