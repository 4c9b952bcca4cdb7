/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolv.conf(5) and hosts(5) of a container, in its root. Both begin with a line that says whose
 * they are; one that has lost it is the container's own, and so is one that is a link.
 *
 * Images for containers ask for DHCP: systemd-networkd, where it is, is told to leave eth0 as it is
 * (/etc/systemd/network/00-hoody.network), and for eth0 "dhcp" in interfaces(5) becomes "manual".
 * Once: both are the container's own then. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

struct netfiles {
	const char *dns; /* name servers with blanks between them; "": those of the host */
	const char *address, *hostname;
};

/* @fresh: a root that was just made of an image: what stands there is replaced, a link as well. A
 * root without /etc has none of them: success. */
_must_check_ int netfiles_write(int root, const struct netfiles *n, bool fresh, struct err *err);
