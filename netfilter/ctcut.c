/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/ctcut.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "netfilter/ctflow.h"

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

/* As it began, and as its answers come. */
struct tuples {
	struct fwflow begun, answered;
};

static int read_tuples(const struct nlattr *a, void *userdata)
{
	struct tuples *t = userdata;

	if (mnl_attr_get_type(a) == CTA_TUPLE_ORIG)
		(void)mnl_attr_parse_nested(a, read_tuple, &t->begun);
	else if (mnl_attr_get_type(a) == CTA_TUPLE_REPLY)
		(void)mnl_attr_parse_nested(a, read_tuple, &t->answered);
	return MNL_CB_OK;
}

void ctcut_read_flow(const struct nlmsghdr *m, struct fwflow *ret)
{
	struct tuples t = {};

	(void)mnl_attr_parse(m, sizeof(struct nfgenmsg), read_tuples, &t);
	*ret = t.begun;
	ret->destination = t.answered.source;
	ret->is_masqueraded = t.answered.destination != t.begun.source;
	if (t.begun.protocol != IPPROTO_ICMP)
		ret->port = t.answered.source_port;
}

struct judge {
	const struct fwtable *table;
	bool diverted;
};

static bool is_forbidden(const struct nlmsghdr *m, const void *userdata)
{
	const struct judge *j = userdata;
	struct fwflow f;

	ctcut_read_flow(m, &f);
	return !fwtable_allows(j->table, &f) || (j->diverted && fwtable_was_diverted(j->table, &f));
}

int ctcut_run(
	const struct fwtable *t, struct nfsock *s, uint32_t address, bool diverted, size_t *ret_cut)
{
	const uint32_t wire = htonl(address);
	/* who began it, and who answers */
	const struct ctflow_end ends[] = { { AF_INET, &wire, false, true },
		{ AF_INET, &wire, true, true } };
	const struct judge j = { t, diverted };
	size_t n = 0;
	int r = address != 0 ? ctflow_cut_ends(s, ends, countof(ends), is_forbidden, &j, &n)
			     : ctflow_cut_end(s, &(struct ctflow_end){ .family = AF_INET },
				       is_forbidden, &j, &n);

	if (r >= 0 && ret_cut)
		*ret_cut = n;
	return r;
}
