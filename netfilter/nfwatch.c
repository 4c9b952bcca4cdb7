/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/nfwatch.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "netfilter/nfsock.h"

#define RECEIVE_SIZE ((size_t)64 * 1024)
#define QUEUE_MAX    (16 * 1024 * 1024)
#define TABLE_NAME   1 /* NFTA_TABLE_NAME, and NFTA_…_TABLE of all other objects (nf_tables.h) */

static_assert(
	NFTA_TABLE_NAME == TABLE_NAME && NFTA_CHAIN_TABLE == TABLE_NAME, "the first attribute");
static_assert(NFTA_RULE_TABLE == TABLE_NAME && NFTA_SET_TABLE == TABLE_NAME, "in all of them");
static_assert(NFTA_SET_ELEM_LIST_TABLE == TABLE_NAME && NFTA_OBJ_TABLE == TABLE_NAME, "names it");

struct nfwatch {
	struct mnl_socket *nl;
	char *table;
	uint8_t buffer[RECEIVE_SIZE];
};

int nfwatch_open(const char *table, struct nfwatch **ret)
{
	struct nfwatch *w = xcalloc(1, sizeof(*w));
	const int size = QUEUE_MAX;

	w->table = xstrdup(table);
	w->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->nl || mnl_socket_bind(w->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		nfwatch_close(w);
		return r;
	}
	(void)setsockopt(nfwatch_fd(w), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	nfwatch_pause(w, false);
	*ret = w;
	return 0;
}

struct nfwatch *nfwatch_close(struct nfwatch *w)
{
	if (w) {
		if (w->nl)
			(void)mnl_socket_close(w->nl);
		free(w->table);
		free(w);
	}
	return NULL;
}

int nfwatch_fd(const struct nfwatch *w)
{
	return mnl_socket_get_fd(w->nl);
}

void nfwatch_pause(struct nfwatch *w, bool pause)
{
	int group = NFNLGRP_NFTABLES;

	(void)mnl_socket_setsockopt(w->nl, pause ? NETLINK_DROP_MEMBERSHIP : NETLINK_ADD_MEMBERSHIP,
		&group, sizeof(group));
}

/* MNL_CB_STOP at the first attribute that names the table. */
static int look_at(const struct nlattr *a, void *userdata)
{
	const char *table = userdata;

	return mnl_attr_get_type(a) == TABLE_NAME &&
			       mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 &&
			       strcmp(mnl_attr_get_str(a), table) == 0
		       ? MNL_CB_STOP
		       : MNL_CB_OK;
}

static bool is_of(const struct nlmsghdr *m, const char *table)
{
	return m->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
	       (m->nlmsg_type & 0xff) != NFT_MSG_NEWGEN &&
	       mnl_attr_parse(m, sizeof(struct nfgenmsg), look_at, (void *)(uintptr_t)table) ==
		       MNL_CB_STOP;
}

bool nfwatch_is_foreign(const void *data, size_t size, const char *table, uint32_t ours)
{
	int left = (int)size;

	for (const struct nlmsghdr *m = data; nfsock_is_whole(m, left);
		m = mnl_nlmsg_next(m, &left))
		if (m->nlmsg_pid != ours && is_of(m, table))
			return true;
	return false;
}

bool nfwatch_read(struct nfwatch *w, uint32_t ours)
{
	bool foreign = false;
	ssize_t n;

	while ((n = recv(nfwatch_fd(w), w->buffer, sizeof(w->buffer), MSG_DONTWAIT)) > 0 ||
		(n < 0 && (errno == ENOBUFS || errno == EINTR))) {
		foreign = foreign || (n < 0 && errno == ENOBUFS) ||
			  (n > 0 && nfwatch_is_foreign(w->buffer, (size_t)n, w->table, ours));
	}
	return foreign;
}
