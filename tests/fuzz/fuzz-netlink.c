/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says on netlink: acknowledgements and dumps of nftables, notifications, conntrack
 * entries, links, and what rtnetlink tells of. The kernel is believed, its messages' form is not:
 * nothing is read beyond a message, and what is handed on is whole. */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "netfilter/ctcut.h"
#include "netfilter/ctflow.h"
#include "netfilter/nfsock.h"
#include "netfilter/nfwatch.h"
#include "netns/ifstats.h"
#include "netns/rtheard.h"
#include "tests/fuzz/fuzz.h"

#define SEQ   1
#define OURS  7
#define TABLE "hoody"

static void on_error(uint32_t seq, int errnum, void *userdata)
{
	assert(errnum != 0);
	(*(unsigned *)userdata)++;
}

static void read_answers(const void *data, size_t size)
{
	unsigned errors = 0;
	struct nfsock_answers a = { .last_seq = SEQ, .on_error = on_error, .userdata = &errors };

	nfsock_read_answers(data, size, &a);
	assert((a.error != 0) == (errors > 0));
}

static void on_message(const struct nlmsghdr *m, void *userdata)
{
	struct ctflow_entry e;
	struct fwflow f;

	assert(m->nlmsg_seq == SEQ);
	if (ctflow_read_entry(m, &e))
		assert(e.size <= sizeof(e.tuple) && e.size < m->nlmsg_len);
	ctcut_read_flow(m, &f);
}

static void read_dump(const void *data, size_t size)
{
	struct nfsock_reading d = { .seq = SEQ, .on_message = on_message };

	nfsock_read_dump(data, size, &d);
	assert(d.error == 0 || d.done);
}

static void read_notification(const void *data, size_t size)
{
	if (nfwatch_is_foreign(data, size, TABLE, OURS))
		assert(memmem(data, size, TABLE, sizeof(TABLE)));
}

/* /proc/net/dev, which is text */
static void read_link(const void *data, size_t size)
{
	_cleanup_(freep) char *line = strndup(data, size);
	struct rtnl_link_stats64 s;
	char name[IF_NAMESIZE];

	if (ifstats_read_line(line, name, &s))
		assert(*name && strlen(name) < IF_NAMESIZE);
}

static void read_changes(const void *data, size_t size)
{
	struct rtkeep_seen seen = {};

	rtheard_read(data, size, 0, &seen);
	assert(seen.n <= countof(seen.at));
	assert(!seen.all || seen.n == countof(seen.at));
	for (size_t i = 0; i < seen.n; i++)
		assert(seen.at[i].kind <= RTKEEP_MUTED);
}

/* The first byte says who reads; the rest lies as a receive buffer does, and ends where it ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const void *data, size_t size) = { read_answers, read_dump,
		read_notification, read_link, read_changes };
	_cleanup_(freep) void *buffer = NULL;

	if (size == 0)
		return 0;
	buffer = xcalloc(size - 1, 1);
	memcpy(buffer, data + 1, size - 1);
	readers[data[0] % countof(readers)](buffer, size - 1);
	return 0;
}
