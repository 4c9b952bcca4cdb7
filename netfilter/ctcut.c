/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/ctcut.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include "netfilter/ctflow.h"

#define TRIES_MAX 5

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

/* One end of the flow as it began. */
static int collect(struct cut *c, struct nfsock *s, uint32_t address, bool source)
{
	const uint32_t wire = htonl(address);

	return ctflow_dump(s,
		&(struct ctflow_end){ AF_INET, address != 0 ? &wire : NULL, false, source },
		on_entry, c);
}

static int cut_side(
	const struct fwtable *t, struct nfsock *s, uint32_t address, bool source, size_t *n)
{
	int r = -EINTR;

	for (int i = 0; i < TRIES_MAX && r == -EINTR; i++) {
		struct cut c = { .table = t };

		r = collect(&c, s, address, source);
		for (size_t k = 0; k < c.n && (r == 0 || r == -EINTR); k++) {
			const struct ctcut_entry *e = &c.at[k];
			int failed = ctflow_delete(s, AF_INET, e->tuple, e->tuple_size, e->id);

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
