/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/ctcut.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#define TRIES_MAX   5
#define BATCH_BYTES ((size_t)64 * 1024)

/* linux/netfilter/nf_conntrack_tuple.h, for CTA_FILTER (since Linux 5.8; older ones give all). */
#define FILTER_SOURCE      (1 << 0)
#define FILTER_DESTINATION (1 << 1)

struct cut {
	const struct fwtable *table;
	struct ctcut_entry *at;
	size_t n, allocated;
};

static int read_ip(const struct nlattr *a, void *userdata)
{
	struct fwflow *f = userdata;

	if (mnl_attr_get_payload_len(a) != sizeof(uint32_t))
		return MNL_CB_OK;
	if (mnl_attr_get_type(a) == CTA_IP_V4_SRC)
		f->source = ntohl(mnl_attr_get_u32(a));
	else if (mnl_attr_get_type(a) == CTA_IP_V4_DST)
		f->destination = ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

static int read_protocol(const struct nlattr *a, void *userdata)
{
	struct fwflow *f = userdata;
	size_t size = mnl_attr_get_payload_len(a);

	switch (mnl_attr_get_type(a)) {
	case CTA_PROTO_NUM:
		f->protocol = size == 1 ? mnl_attr_get_u8(a) : 0;
		break;
	case CTA_PROTO_SRC_PORT:
		f->source_port = size == 2 ? ntohs(mnl_attr_get_u16(a)) : 0;
		break;
	case CTA_PROTO_DST_PORT:
		f->port = size == 2 ? ntohs(mnl_attr_get_u16(a)) : 0;
		break;
	case CTA_PROTO_ICMP_TYPE:
		f->icmp_type = size == 1 ? mnl_attr_get_u8(a) : 0;
		break;
	case CTA_PROTO_ICMP_CODE:
		f->icmp_code = size == 1 ? mnl_attr_get_u8(a) : 0;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int read_tuple(const struct nlattr *a, void *userdata)
{
	if (mnl_attr_get_type(a) == CTA_TUPLE_IP)
		(void)mnl_attr_parse_nested(a, read_ip, userdata);
	else if (mnl_attr_get_type(a) == CTA_TUPLE_PROTO)
		(void)mnl_attr_parse_nested(a, read_protocol, userdata);
	return MNL_CB_OK;
}

static int read_entry(const struct nlattr *a, void *userdata)
{
	struct ctcut_entry *e = userdata;

	if (mnl_attr_get_type(a) == CTA_TUPLE_ORIG &&
		mnl_attr_get_payload_len(a) <= sizeof(e->tuple)) {
		(void)mnl_attr_parse_nested(a, read_tuple, &e->flow);
		e->tuple_size = mnl_attr_get_payload_len(a);
		memcpy(e->tuple, mnl_attr_get_payload(a), e->tuple_size);
	} else if (mnl_attr_get_type(a) == CTA_ID && mnl_attr_get_payload_len(a) == 4) {
		e->id = mnl_attr_get_u32(a);
	}
	return MNL_CB_OK;
}

bool ctcut_read_entry(const struct nlmsghdr *m, struct ctcut_entry *ret)
{
	*ret = (struct ctcut_entry){};
	(void)mnl_attr_parse(m, sizeof(struct nfgenmsg), read_entry, ret);
	return ret->tuple_size > 0;
}

static void on_entry(const struct nlmsghdr *m, void *userdata)
{
	struct cut *c = userdata;
	struct ctcut_entry e;

	if (!ctcut_read_entry(m, &e) || fwtable_allows(c->table, &e.flow))
		return;
	if (c->n == c->allocated) {
		c->allocated = c->allocated ? 2 * c->allocated : 16;
		c->at = xrealloc(c->at, c->allocated, sizeof(*c->at));
	}
	c->at[c->n++] = e;
}

static struct nlmsghdr *header(void *buffer, uint8_t type, uint16_t flags, uint32_t seq)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *g;

	m->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
	m->nlmsg_flags = NLM_F_REQUEST | flags;
	m->nlmsg_seq = seq;
	g = mnl_nlmsg_put_extra_header(m, sizeof(*g));
	g->nfgen_family = AF_INET;
	return m;
}

/* One end of the flow as it began. */
static int collect(struct cut *c, struct nfsock *s, uint32_t address, bool source)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[512];
	struct nlmsghdr *m = header(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, nfsock_next_seq(s));
	struct nlattr *tuple, *ip, *filter;

	if (address != 0) {
		tuple = mnl_attr_nest_start(m, CTA_TUPLE_ORIG);
		ip = mnl_attr_nest_start(m, CTA_TUPLE_IP);
		mnl_attr_put_u32(m, source ? CTA_IP_V4_SRC : CTA_IP_V4_DST, htonl(address));
		mnl_attr_nest_end(m, ip);
		mnl_attr_nest_end(m, tuple);
		filter = mnl_attr_nest_start(m, CTA_FILTER);
		mnl_attr_put_u32(
			m, CTA_FILTER_ORIG_FLAGS, source ? FILTER_SOURCE : FILTER_DESTINATION);
		mnl_attr_nest_end(m, filter);
	}
	return nfsock_dump(s, m, on_entry, c);
}

/* Gone meanwhile is as good. */
static int cut(struct nfsock *s, const struct ctcut_entry *e)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[1024];
	uint32_t seq = nfsock_next_seq(s);
	struct nlmsghdr *m = header(buffer, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, seq);
	int r;

	mnl_attr_put(m, CTA_TUPLE_ORIG | NLA_F_NESTED, e->tuple_size, e->tuple);
	mnl_attr_put_u32(m, CTA_ID, e->id);
	r = nfsock_talk(s, m, m->nlmsg_len, seq, NULL, NULL);
	return r == -ENOENT ? 0 : r;
}

static int cut_side(
	const struct fwtable *t, struct nfsock *s, uint32_t address, bool source, size_t *n)
{
	int r = -EINTR;

	for (int i = 0; i < TRIES_MAX && r == -EINTR; i++) {
		struct cut c = { .table = t };

		r = collect(&c, s, address, source);
		for (size_t k = 0; k < c.n && (r == 0 || r == -EINTR); k++) {
			int failed = cut(s, &c.at[k]);

			if (failed < 0)
				r = failed;
			else
				(*n)++;
		}
		free(c.at);
	}
	return r;
}

int ctcut_run(const struct fwtable *t, struct nfsock *s, uint32_t address, size_t *ret_cut)
{
	size_t n = 0;
	int r = cut_side(t, s, address, true, &n);

	if (r >= 0 && address != 0)
		r = cut_side(t, s, address, false, &n);
	if (r >= 0 && ret_cut)
		*ret_cut = n;
	return r;
}
