/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries can't be deleted by an address: they are listed, and each that has it is deleted by its
 * tuple and id. A listing walks the whole table, however empty it is, so there are three ways to
 * one: as text when all of it fits a page, of everything when the entries are few, and filtered by
 * the kernel, once for each end, when they are many. */
#include "netfilter/ctflow.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRIES_MAX 5

/* A walk of an empty table takes as long as its buckets are many (nf_conntrack_buckets: 5 ms at
 * 262,144), an entry that is told about takes about 0.5 us more. So few entries are asked for once,
 * and not once for each end. */
#define COUNT_FILE "/proc/sys/net/netfilter/nf_conntrack_count"
#define FEW        10000

/* The same entries as text, of which a read brings what one page holds (seq_file). An empty table
 * is read in 0.15 ms; and a dump of one that is nearly empty keeps a processor from the kernel's
 * grace periods all the while, for which a start waits several times. */
#define TEXT_FILE    "/proc/thread-self/net/nf_conntrack"
#define TEXT_MAX     4096
#define LINE_LONGEST 512

/* linux/netfilter/nf_conntrack_tuple.h, for CTA_FILTER (since Linux 5.8; older ones give all). */
#define FILTER_SOURCE      (1 << 0)
#define FILTER_DESTINATION (1 << 1)

static struct nlmsghdr *header(
	void *buffer, uint8_t type, uint16_t flags, uint32_t seq, uint8_t family)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *g;

	m->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
	m->nlmsg_flags = NLM_F_REQUEST | flags;
	m->nlmsg_seq = seq;
	g = mnl_nlmsg_put_extra_header(m, sizeof(*g));
	g->nfgen_family = family;
	return m;
}

static void put_filter(struct nlmsghdr *m, const struct ctflow_end *e)
{
	struct nlattr *tuple = mnl_attr_nest_start(m, e->reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG);
	struct nlattr *ip = mnl_attr_nest_start(m, CTA_TUPLE_IP), *filter;

	if (e->family == AF_INET)
		mnl_attr_put(m, e->source ? CTA_IP_V4_SRC : CTA_IP_V4_DST, 4, e->address);
	else
		mnl_attr_put(m, e->source ? CTA_IP_V6_SRC : CTA_IP_V6_DST, 16, e->address);
	mnl_attr_nest_end(m, ip);
	mnl_attr_nest_end(m, tuple);
	filter = mnl_attr_nest_start(m, CTA_FILTER);
	mnl_attr_put_u32(m, e->reply ? CTA_FILTER_REPLY_FLAGS : CTA_FILTER_ORIG_FLAGS,
		e->source ? FILTER_SOURCE : FILTER_DESTINATION);
	mnl_attr_nest_end(m, filter);
}

/* -EINTR: it changed meanwhile, ask again. */
static int dump(struct nfsock *s, const struct ctflow_end *end,
	void (*on_message)(const struct nlmsghdr *m, void *userdata), void *userdata)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[512];
	struct nlmsghdr *m =
		header(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, nfsock_next_seq(s), end->family);

	if (end->address)
		put_filter(m, end);
	return nfsock_dump(s, m, on_message, userdata);
}

/* Gone meanwhile is as good. */
static int delete (struct nfsock *s, uint8_t family, const struct ctflow_entry *e)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[1024];
	uint32_t seq = nfsock_next_seq(s);
	struct nlmsghdr *m = header(buffer, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, seq, family);
	int r;

	mnl_attr_put(m, CTA_TUPLE_ORIG | NLA_F_NESTED, e->size, e->tuple);
	mnl_attr_put_u32(m, CTA_ID, e->id);
	r = nfsock_talk(s, m, m->nlmsg_len, seq, NULL, NULL);
	return r == -ENOENT ? 0 : r;
}

static int read_name(const struct nlattr *a, void *userdata)
{
	struct ctflow_entry *e = userdata;
	uint16_t type = mnl_attr_get_type(a), size = mnl_attr_get_payload_len(a);

	if (type == CTA_TUPLE_ORIG && size <= sizeof(e->tuple)) {
		e->size = size;
		memcpy(e->tuple, mnl_attr_get_payload(a), size);
	} else if (type == CTA_ID && size == 4) {
		e->id = mnl_attr_get_u32(a);
	}
	return MNL_CB_OK;
}

bool ctflow_read_entry(const struct nlmsghdr *m, struct ctflow_entry *ret)
{
	*ret = (struct ctflow_entry){};
	(void)mnl_attr_parse(m, sizeof(struct nfgenmsg), read_name, ret);
	return ret->size > 0;
}

struct found {
	ctflow_wanted *is_wanted;
	const void *userdata;
	struct ctflow_entry *at;
	size_t n, allocated;
};

static void on_entry(const struct nlmsghdr *m, void *userdata)
{
	struct found *f = userdata;
	struct ctflow_entry e;

	if (!f->is_wanted(m, f->userdata) || !ctflow_read_entry(m, &e))
		return;
	if (f->n == f->allocated) {
		f->allocated = f->allocated ? 2 * f->allocated : 16;
		f->at = xrealloc(f->at, f->allocated, sizeof(*f->at));
	}
	f->at[f->n++] = e;
}

int ctflow_cut_end(struct nfsock *s, const struct ctflow_end *end, ctflow_wanted *is_wanted,
	const void *userdata, size_t *n)
{
	int r = -EINTR;

	for (int i = 0; i < TRIES_MAX && r == -EINTR; i++) {
		struct found f = { .is_wanted = is_wanted, .userdata = userdata };

		r = dump(s, end, on_entry, &f);
		for (size_t k = 0; k < f.n && (r == 0 || r == -EINTR); k++) {
			int failed = delete (s, end->family, &f.at[k]);

			if (failed < 0)
				r = failed;
			else
				(*n)++;
		}
		free(f.at);
	}
	return r;
}

/* --- all of an address --- */

/* Kernels without CTA_FILTER give all: each is looked at once more. */
struct look {
	const struct ctflow_end *end;
	bool is_it;
};

static int look_at_ip(const struct nlattr *a, void *userdata)
{
	static const uint16_t types[2][2] = { { CTA_IP_V4_DST, CTA_IP_V4_SRC },
		{ CTA_IP_V6_DST, CTA_IP_V6_SRC } };
	struct look *l = userdata;
	bool six = l->end->family == AF_INET6;
	size_t size = six ? 16 : 4;

	if (mnl_attr_get_type(a) == types[six][l->end->source] &&
		mnl_attr_get_payload_len(a) == size &&
		memcmp(mnl_attr_get_payload(a), l->end->address, size) == 0)
		l->is_it = true;
	return MNL_CB_OK;
}

static int look_at_tuple(const struct nlattr *a, void *userdata)
{
	if (mnl_attr_get_type(a) == CTA_TUPLE_IP)
		(void)mnl_attr_parse_nested(a, look_at_ip, userdata);
	return MNL_CB_OK;
}

static int look_at(const struct nlattr *a, void *userdata)
{
	struct look *l = userdata;

	if (mnl_attr_get_type(a) == (l->end->reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG))
		(void)mnl_attr_parse_nested(a, look_at_tuple, l);
	return MNL_CB_OK;
}

struct ends {
	const struct ctflow_end *at;
	size_t n;
	ctflow_wanted *is_wanted; /* NULL: each */
	const void *userdata;
};

static bool has_one(const struct nlmsghdr *m, const void *userdata)
{
	const struct ends *ends = userdata;

	for (size_t i = 0; i < ends->n; i++) {
		struct look l = { .end = &ends->at[i] };

		(void)mnl_attr_parse(m, sizeof(struct nfgenmsg), look_at, &l);
		if (l.is_it)
			return !ends->is_wanted || ends->is_wanted(m, ends->userdata);
	}
	return false;
}

/* As it stands there in src= and dst=, with a space behind it. */
static void print_address(uint8_t family, const void *address, char ret[static 48])
{
	const uint8_t *a = address;
	size_t n = 0;

	ret[n++] = '=';
	if (family == AF_INET)
		n += (size_t)snprintf(ret + n, 48 - n, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
	for (size_t i = 0; family == AF_INET6 && i < 16; i += 2)
		n += (size_t)snprintf(ret + n, 48 - n, "%s%02x%02x", i ? ":" : "", a[i], a[i + 1]);
	(void)snprintf(ret + n, 48 - n, " ");
}

/* All there is has been seen at once, and has no such address. More than one read would miss what
 * moves up meanwhile; a kernel without the file (CONFIG_NF_CONNTRACK_PROCFS) says nothing. */
bool ctflow_is_absent(uint8_t family, const void *address)
{
	char text[TEXT_MAX + 1], more, wanted[48];
	_cleanup_(closep) int fd = open(TEXT_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, TEXT_MAX);

	if (n < 0 || n > TEXT_MAX - LINE_LONGEST || read(fd, &more, 1) != 0)
		return false;
	text[n] = '\0';
	print_address(family, address, wanted);
	return !strstr(text, wanted);
}

/* Of the network namespace that the caller is in. Not known is many. */
static bool are_few(void)
{
	FILE *f = fopen(COUNT_FILE, "re");
	unsigned count = UINT_MAX;

	if (f && fscanf(f, "%u", &count) != 1)
		count = UINT_MAX;
	if (f)
		(void)fclose(f);
	return count <= FEW;
}

int ctflow_cut_ends(struct nfsock *s, const struct ctflow_end *ends, size_t n_ends,
	ctflow_wanted *is_wanted, const void *userdata, size_t *n)
{
	const struct ctflow_end all = { .family = ends->family };
	int r = 0;

	if (ctflow_is_absent(ends->family, ends->address))
		return 0;
	if (are_few())
		return ctflow_cut_end(
			s, &all, has_one, &(struct ends){ ends, n_ends, is_wanted, userdata }, n);
	for (size_t i = 0; r >= 0 && i < n_ends; i++)
		r = ctflow_cut_end(s, &ends[i], has_one,
			&(struct ends){ &ends[i], 1, is_wanted, userdata }, n);
	return r;
}

int ctflow_cut(struct nfsock *s, uint8_t family, const void *address, size_t *ret_cut)
{
	/* Masquerading leaves the address in the tuple that the flow began with, forwarding to it
	 * (DNAT) in the one of its answers. */
	const struct ctflow_end ends[] = {
		{ family, address, false, true },
		{ family, address, false, false },
		{ family, address, true, true },
	};
	size_t n = 0;
	int r = ctflow_cut_ends(s, ends, countof(ends), NULL, NULL, &n);

	if (r >= 0 && ret_cut)
		*ret_cut = n;
	return r;
}
