/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libnl in our words: a socket that talks to rtnetlink, and errors that say what was wanted. */
#pragma once

#include <netlink/addr.h>
#include <netlink/netlink.h>

#include "proto/base.h"
#include "proto/err.h"

_must_check_ int rtsock_open(struct nl_sock **ret, struct err *err);
/* "can't <what> <name>: …", from a negative NLE_…; returns a negative errno. */
int rtsock_fail(struct err *err, int r, const char *what, const char *name);
/* Out of memory ends the process, like everywhere. */
void *rtsock_must(void *object);
/* An address as text, with "/0" behind it or for one host. The caller's. NULL in, NULL out. */
struct nl_addr *rtsock_address(const char *text);

static inline void rtsock_closep(struct nl_sock **s)
{
	if (*s)
		nl_socket_free(*s);
}
#define _cleanup_sock_ _cleanup_(rtsock_closep)

static inline void rtsock_putp(struct nl_addr **a)
{
	if (*a)
		nl_addr_put(*a);
}
#define _cleanup_addr_ _cleanup_(rtsock_putp)
