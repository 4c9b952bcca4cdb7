/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/rtsock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>

static int rtsock_errno(int r)
{
	switch (-r) {
	case 0:
		return 0;
	case NLE_EXIST:
		return -EEXIST;
	case NLE_NODEV:
	case NLE_OBJ_NOTFOUND:
		return -ENODEV;
	case NLE_PERM:
		return -EPERM;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_OPNOTSUPP:
		return -EOPNOTSUPP;
	case NLE_BUSY:
		return -EBUSY;
	default:
		return -EIO;
	}
}

int rtsock_fail(struct err *err, int r, const char *what, const char *name)
{
	return err_set(err, rtsock_errno(r), ERR_INTERNAL, "Network.InterfacePrefix",
		"can't %s %s: %s", what, name, nl_geterror(r));
}

int rtsock_open(struct nl_sock **ret, struct err *err)
{
	struct nl_sock *s = nl_socket_alloc();
	int r = s ? nl_connect(s, NETLINK_ROUTE) : -NLE_NOMEM;

	if (r < 0) {
		if (s)
			nl_socket_free(s);
		return rtsock_fail(err, r, "talk to", "rtnetlink");
	}
	(void)fcntl(nl_socket_get_fd(s), F_SETFD, FD_CLOEXEC);
	*ret = s;
	return 0;
}

void *rtsock_must(void *object)
{
	if (!object)
		abort();
	return object;
}

struct nl_addr *rtsock_address(const char *text)
{
	struct nl_addr *a = NULL;

	if (text && nl_addr_parse(text, AF_UNSPEC, &a) < 0)
		abort(); /* one of ours */
	return a;
}
