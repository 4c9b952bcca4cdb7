/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/nfwatch.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
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
	int64_t generation; /* when it was paused */
	uint32_t asked;     /* the last question's seq */
	uint8_t buffer[RECEIVE_SIZE];
};

static void listen_to_changes(struct nfwatch *w, bool listen)
{
	int group = NFNLGRP_NFTABLES;

	(void)mnl_socket_setsockopt(w->nl,
		listen ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
}

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
	listen_to_changes(w, true);
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

static int look_for_id(const struct nlattr *a, void *userdata)
{
	if (mnl_attr_get_type(a) == NFTA_GEN_ID && mnl_attr_get_payload_len(a) == 4)
		*(int64_t *)userdata = ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

/* Counts the kernel's transactions; -1: it can't be said. The answer is there when the question is
 * sent. */
static int64_t generation(struct nfwatch *w)
{
	_Alignas(struct nlmsghdr) uint8_t question[128];
	struct nlmsghdr *m = mnl_nlmsg_put_header(question);
	int64_t id = -1;
	ssize_t n;

	m->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
	m->nlmsg_flags = NLM_F_REQUEST;
	m->nlmsg_seq = ++w->asked;
	mnl_nlmsg_put_extra_header(m, sizeof(struct nfgenmsg));
	if (mnl_socket_sendto(w->nl, m, m->nlmsg_len) < 0)
		return -1;
	while (id < 0 &&
		(n = recv(nfwatch_fd(w), w->buffer, sizeof(w->buffer), MSG_DONTWAIT)) > 0) {
		m = (struct nlmsghdr *)w->buffer;
		if (nfsock_is_whole(m, (int)n) && m->nlmsg_seq == w->asked &&
			m->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN))
			(void)mnl_attr_parse(m, sizeof(struct nfgenmsg), look_for_id, &id);
	}
	return id;
}

void nfwatch_pause(struct nfwatch *w)
{
	listen_to_changes(w, false);
	w->generation = generation(w);
}

bool nfwatch_resume(struct nfwatch *w, bool done)
{
	listen_to_changes(w, true);
	return w->generation < 0 || generation(w) != (uint32_t)(w->generation + done);
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

/* Each family has names of its own. */
static bool is_of(const struct nlmsghdr *m, const char *table)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(m);

	return m->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
	       (m->nlmsg_type & 0xff) != NFT_MSG_NEWGEN &&
	       mnl_nlmsg_get_payload_len(m) >= sizeof(*g) && g->nfgen_family == NFPROTO_INET &&
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
