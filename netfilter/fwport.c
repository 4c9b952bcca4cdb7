/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one interface has in the table: for each direction with rules a chain, named by the
 * interface and -i or -e, and one set for each shape of its plan (…-i0, -i1); elements in the
 * base's sets and maps, by which packets find that chain; and the chain -f, which bounds its
 * flows.
 *
 * A chain is filled before a map leads to it, and no map leads to it when it is emptied and
 * deleted: the kernel refuses to delete what is referred to. A change of rules that keeps the
 * shapes adds and removes elements alone, so that what stays keeps its counters; else the chain
 * is filled anew, while the map goes on leading to it. All is words for one batch, which the
 * kernel takes as a whole or not at all: nothing here talks to it, or can fail. */
#include "netfilter/fwport.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "netfilter/fwbase.h"
#include "netfilter/fwsets.h"
#include "netfilter/nfexpr.h"

static const char letters[FW_DIRECTIONS] = { [FW_INGRESS] = 'i', [FW_EGRESS] = 'e' };
static const char *const words[FW_DIRECTIONS] = {
	[FW_INGRESS] = "ingress", [FW_EGRESS] = "egress"
};

struct fwport_state *fwport_new(const struct fwport *port, struct fwplan *take[FW_DIRECTIONS])
{
	struct fwport_state *p = xcalloc(1, sizeof(*p));

	p->port = *port;
	for (int d = 0; d < FW_DIRECTIONS; d++) {
		if (!take[d])
			continue;
		p->side[d].is_attached = true;
		p->side[d].plan = *take[d];
		*take[d] = (struct fwplan){};
	}
	return p;
}

void fwport_give_back(struct fwport_state *p, struct fwplan *take[FW_DIRECTIONS])
{
	for (int d = 0; d < FW_DIRECTIONS; d++) {
		if (!take[d])
			continue;
		*take[d] = p->side[d].plan;
		p->side[d].plan = (struct fwplan){};
	}
}

void fwport_free(struct fwport_state *p)
{
	for (int d = 0; d < FW_DIRECTIONS; d++)
		fwplan_done(&p->side[d].plan);
	free(p);
}

bool fwport_is_same(const struct fwport *a, const struct fwport *b)
{
	return strcmp(a->ifname, b->ifname) == 0 && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       a->address == b->address &&
	       memcmp(a->address6, b->address6, sizeof(a->address6)) == 0 &&
	       a->project == b->project && a->mode == b->mode && a->proxy_port == b->proxy_port;
}

static void chain_name(
	const struct fwport *p, enum fwdirection direction, char ret[static FWPORT_NAME_MAX])
{
	(void)snprintf(ret, FWPORT_NAME_MAX, "%s-%c", p->ifname, letters[direction]);
}

static void bound_name(const struct fwport *p, char ret[static FWPORT_NAME_MAX])
{
	(void)snprintf(ret, FWPORT_NAME_MAX, "%s-f", p->ifname);
}

void fwport_set_name(const struct fwport *p, enum fwdirection direction, size_t i,
	char ret[static FWPORT_NAME_MAX])
{
	(void)snprintf(ret, FWPORT_NAME_MAX, "%s-%c%zu", p->ifname, letters[direction], i);
}

/* --- a shape in the kernel's terms --- */

/* nft(8)'s numbers of data types (its src/datatype.c), with which it lists what we make. */
enum {
	TYPE_BITS = 6,
	TYPE_IPADDR = 7,
	TYPE_INET_PROTOCOL = 12,
	TYPE_INET_SERVICE = 13,
	TYPE_ICMP_TYPE = 14,
	TYPE_ICMP_CODE = 32,
};

/* Where a field is found: [0] ingress, [1] egress. Offsets by RFC 791, 9293, 768 and 792. */
static const struct field {
	unsigned bit;
	uint32_t type, base, offset[FW_DIRECTIONS];
	uint8_t size;
} fields[] = {
	{ FWSHAPE_ADDRESS, TYPE_IPADDR, NFT_PAYLOAD_NETWORK_HEADER, { 12, 16 }, 4 },
	{ FWSHAPE_PORT, TYPE_INET_SERVICE, NFT_PAYLOAD_TRANSPORT_HEADER, { 2, 2 }, 2 },
	{ FWSHAPE_SOURCE_PORT, TYPE_INET_SERVICE, NFT_PAYLOAD_TRANSPORT_HEADER, { 0, 0 }, 2 },
	{ FWSHAPE_ICMP_TYPE, TYPE_ICMP_TYPE, NFT_PAYLOAD_TRANSPORT_HEADER, { 0, 0 }, 1 },
	{ FWSHAPE_ICMP_CODE, TYPE_ICMP_CODE, NFT_PAYLOAD_TRANSPORT_HEADER, { 1, 1 }, 1 },
};

static void put(uint8_t *to, uint32_t value, uint8_t size)
{
	for (uint8_t i = 0; i < size; i++)
		to[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

struct fwport_key fwport_key_of(const struct fwset *set, const struct fwelement *e)
{
	struct fwport_key k = { .size = 4 };
	size_t n = 1;

	put(k.low, e->field[0].low, 1);
	put(k.high, e->field[0].high, 1);
	for (size_t i = 0; i < countof(fields); i++) {
		if (!(set->shape & fields[i].bit))
			continue;
		put(k.low + k.size, e->field[n].low, fields[i].size);
		put(k.high + k.size, e->field[n].high, fields[i].size);
		k.size += 4;
		n++;
	}
	if (n == 1)
		k.size = 1; /* only parts of a key are padded */
	return k;
}

static void add_set(struct nfbatch *b, const char *name, const struct fwset *set)
{
	uint8_t sizes[FWPLAN_FIELDS + 1] = { 1 };
	struct nfbatch_set s = { .name = name,
		.flags = set->shape & FWSHAPE_RANGES ? NFT_SET_INTERVAL : 0,
		.key_type = TYPE_INET_PROTOCOL,
		.fields = sizes,
		.counts = true };
	size_t n = 1;

	for (size_t i = 0; i < countof(fields); i++) {
		if (!(set->shape & fields[i].bit))
			continue;
		sizes[n++] = fields[i].size;
		s.key_type = s.key_type << TYPE_BITS | fields[i].type;
	}
	nfbatch_add_set(b, &s);
}

static void change_elements(struct nfbatch *b, const char *name, const struct fwset *set,
	const struct fwelement *const *at, size_t n, bool delete)
{
	_cleanup_(freep) struct fwport_key *keys = xcalloc(n, sizeof(*keys));
	_cleanup_(freep) struct nfbatch_element *elements = xcalloc(n, sizeof(*elements));

	for (size_t i = 0; i < n; i++) {
		keys[i] = fwport_key_of(set, at[i]);
		elements[i] = (struct nfbatch_element){ .key = keys[i].low,
			.key_end = set->shape & FWSHAPE_RANGES ? keys[i].high : NULL,
			.size = keys[i].size };
	}
	nfbatch_elements(b, name, false, delete, elements, n);
}

static void fill_set(struct nfbatch *b, const char *name, const struct fwset *set)
{
	_cleanup_(freep) const struct fwelement **at = xcalloc(set->n, sizeof(*at));

	for (size_t i = 0; i < set->n; i++)
		at[i] = &set->at[i];
	change_elements(b, name, set, at, set->n, false);
}

/* What is allowed goes back to where a chain of the base has asked. */
static void add_verdict(struct nftnl_rule *r, enum fwverdict verdict)
{
	if (verdict == FW_REJECT)
		nfexpr_verdict(r, NFT_GOTO, FWBASE_REJECT);
	else if (verdict == FW_DROP)
		nfexpr_verdict(r, NF_DROP, NULL);
	else
		nfexpr_verdict(r, NFT_RETURN, NULL);
}

static void add_set_rule(struct nfbatch *b, const char *chain, const char *name,
	const struct fwset *set, enum fwdirection direction)
{
	struct nftnl_rule *r = nfexpr_rule();
	unsigned reg = 0;

	nfexpr_meta(r, NFT_META_L4PROTO, reg++);
	for (size_t i = 0; i < countof(fields); i++)
		if (set->shape & fields[i].bit)
			nfexpr_payload(r, fields[i].base, fields[i].offset[direction],
				fields[i].size, reg++);
	nfexpr_in(r, 0, name, false);
	add_verdict(r, set->verdict);
	nfbatch_add_rule(b, chain, r);
}

/* --- a direction --- */

/* What the kernel refuses is told with the rules that asked for it, as the API counts them: from
 * 0. */
static void about_set(struct nfbatch *b, const struct fwport *p, enum fwdirection direction,
	const struct fwset *set)
{
	uint32_t low = UINT32_MAX, high = 0;

	for (size_t i = 0; i < set->n; i++) {
		low = MIN_OF(low, set->at[i].rule);
		high = MAX_OF(high, set->at[i].rule);
	}
	if (set->n == 0)
		return;
	if (low == high)
		nfbatch_about(b, "%s rule %u of interface %s", words[direction], low, p->ifname);
	else
		nfbatch_about(b, "%s rules %u to %u of interface %s", words[direction], low, high,
			p->ifname);
}

static void fill_chain(struct nfbatch *b, const struct fwport_state *p, enum fwdirection direction)
{
	const struct fwplan *plan = &p->side[direction].plan;
	struct nftnl_rule *last = nfexpr_rule();
	char chain[FWPORT_NAME_MAX], name[FWPORT_NAME_MAX];

	chain_name(&p->port, direction, chain);
	for (size_t i = 0; i < plan->n; i++) {
		fwport_set_name(&p->port, direction, i, name);
		about_set(b, &p->port, direction, &plan->at[i]);
		add_set(b, name, &plan->at[i]);
		fill_set(b, name, &plan->at[i]);
		add_set_rule(b, chain, name, &plan->at[i], direction);
	}
	nfexpr_verdict(last, NFT_GOTO, FWBASE_REJECT);
	nfbatch_add_rule(b, chain, last);
}

static void empty_chain(struct nfbatch *b, const struct fwport_state *p, enum fwdirection direction)
{
	char chain[FWPORT_NAME_MAX], name[FWPORT_NAME_MAX];

	chain_name(&p->port, direction, chain);
	nfbatch_flush_chain(b, chain);
	for (size_t i = 0; i < p->side[direction].plan.n; i++) {
		fwport_set_name(&p->port, direction, i, name);
		nfbatch_delete_set(b, name);
	}
}

static void map_direction(
	struct nfbatch *b, const struct fwport *p, enum fwdirection direction, bool delete)
{
	char chain[FWPORT_NAME_MAX];
	const struct fwbase_family_key v4 = fwbase_family_key(NFPROTO_IPV4, p->ifname),
				       v6 = fwbase_family_key(NFPROTO_IPV6, p->ifname);
	const struct nfbatch_element elements[] = {
		{ .key = &v4, .size = sizeof(v4), .chain = chain, .verdict = NFT_GOTO },
		{ .key = &v6, .size = sizeof(v6) },
	};

	chain_name(p, direction, chain);
	nfbatch_elements(b, fwsets_maps[direction], true, delete, elements, countof(elements));
}

static void attach(struct nfbatch *b, const struct fwport_state *p, enum fwdirection direction)
{
	char chain[FWPORT_NAME_MAX];

	chain_name(&p->port, direction, chain);
	nfbatch_add_chain(b, chain);
	fill_chain(b, p, direction);
	map_direction(b, &p->port, direction, false);
}

static void detach(struct nfbatch *b, const struct fwport_state *p, enum fwdirection direction)
{
	char chain[FWPORT_NAME_MAX];

	chain_name(&p->port, direction, chain);
	map_direction(b, &p->port, direction, true);
	empty_chain(b, p, direction);
	nfbatch_delete_chain(b, chain);
}

/* What one has and the other has not; the rest keeps its counters. */
static void change_one_way(struct nfbatch *b, const char *name, const struct fwset *has,
	const struct fwset *lacks, bool delete)
{
	_cleanup_(freep) const struct fwelement **at = xcalloc(has->n, sizeof(*at));
	size_t n = 0;

	for (size_t i = 0; i < has->n; i++) {
		bool both = false;

		for (size_t k = 0; !both && k < lacks->n; k++)
			both = fwplan_is_same_element(&has->at[i], &lacks->at[k]);
		if (!both)
			at[n++] = &has->at[i];
	}
	change_elements(b, name, has, at, n, delete);
}

static void change_sets(struct nfbatch *b, const struct fwport_state *old,
	const struct fwport_state *new, enum fwdirection direction)
{
	const struct fwplan *was = &old->side[direction].plan, *is = &new->side[direction].plan;
	char name[FWPORT_NAME_MAX];

	for (size_t i = 0; i < is->n; i++) {
		fwport_set_name(&new->port, direction, i, name);
		about_set(b, &new->port, direction, &is->at[i]);
		change_one_way(b, name, &was->at[i], &is->at[i], true);
		change_one_way(b, name, &is->at[i], &was->at[i], false);
	}
}

/* --- a port --- */

void fwport_change(
	struct nfbatch *b, const struct fwport_state *old, const struct fwport_state *new)
{
	for (int d = 0; d < FW_DIRECTIONS; d++) {
		enum fwdirection direction = (enum fwdirection)d;
		bool was = old->side[d].is_attached, is = new->side[d].is_attached;

		nfbatch_about(b, "%s rules of interface %s", words[d], new->port.ifname);
		if (was && !is) {
			detach(b, old, direction);
		} else if (!was && is) {
			attach(b, new, direction);
		} else if (is && fwplan_is_alike(&old->side[d].plan, &new->side[d].plan)) {
			change_sets(b, old, new, direction);
		} else if (is) {
			empty_chain(b, old, direction);
			fill_chain(b, new, direction);
		}
	}
}

static void add_or_remove(struct nfbatch *b, const struct fwport *p, bool delete)
{
	static const uint8_t no_address[sizeof(p->address6)];
	const struct fwbase_address_key address = fwbase_address_key(p);
	const struct fwbase_address6_key address6 = fwbase_address6_key(p);
	const uint32_t mark = p->mode == FWMODE_DIRECT ? 0 : FWTABLE_UNSEEN_MARK;
	const struct nfbatch_element at_address6 = { .key = &address6,
		.size = sizeof(address6),
		.value = &mark,
		.value_size = sizeof(mark) };
	const struct fwbase_member_key member = fwbase_member_key(p);
	const struct nfbatch_element at_address = { .key = &address,
		.size = sizeof(address),
		.value = &mark,
		.value_size = sizeof(mark) },
				     at_source = { .key = &address.address,
					     .size = sizeof(address.address) },
				     at_member = { .key = &member, .size = sizeof(member) },
				     at_project = { .key = member.ifname,
					     .size = sizeof(member.ifname),
					     .value = &p->project,
					     .value_size = sizeof(p->project) };
	const uint16_t port = htons(p->proxy_port);
	const struct nfbatch_element at_closed = { .key = member.ifname,
		.size = sizeof(member.ifname) },
				     at_proxied = { .key = member.ifname,
					     .size = sizeof(member.ifname),
					     .value = &port,
					     .value_size = sizeof(port) };

	nfbatch_about(b, "interface %s", p->ifname);
	nfbatch_elements(b, FWBASE_ADDRESSES, false, delete, &at_address, 1);
	nfbatch_elements(b, FWBASE_SOURCES, false, delete, &at_source, 1);
	if (memcmp(p->address6, no_address, sizeof(no_address)) != 0)
		nfbatch_elements(b, FWBASE_ADDRESSES6, false, delete, &at_address6, 1);
	nfbatch_elements(b, FWBASE_MEMBERS, false, delete, &at_member, 1);
	nfbatch_elements(b, FWBASE_PROJECTS, false, delete, &at_project, 1);
	if (p->mode != FWMODE_DIRECT)
		nfbatch_elements(b, FWBASE_CLOSED, false, delete, &at_closed, 1);
	if (p->mode == FWMODE_PROXY)
		nfbatch_elements(b, FWBASE_PROXIED, false, delete, &at_proxied, 1);
}

/* One count for both directions, so the chain doesn't know which of them it was jumped from: the
 * name is its own. */
static void fill_bound(struct nfbatch *b, const char *chain, const struct fwbase_member_key *key,
	uint32_t flows_max)
{
	struct nftnl_rule *r = nfexpr_rule();

	nfexpr_flows_over(r, flows_max);
	nfexpr_immediate(r, 0, key->ifname, sizeof(key->ifname));
	nfexpr_add_to(r, 0, FWBASE_FULL);
	nfexpr_in(r, 0, FWBASE_REFUSED, false);
	nfexpr_verdict(r, NF_DROP, NULL);
	nfbatch_add_chain(b, chain);
	nfbatch_add_rule(b, chain, r);
}

void fwport_bound(struct nfbatch *b, const struct fwport *p, uint32_t flows_max)
{
	const struct fwbase_member_key key = fwbase_member_key(p);
	char chain[FWPORT_NAME_MAX];
	const struct nfbatch_element at = { .key = key.ifname, .size = sizeof(key.ifname) },
				     at_flows = { .key = key.ifname,
					     .size = sizeof(key.ifname),
					     .chain = chain,
					     .verdict = NFT_JUMP };

	if (flows_max == 0)
		return;
	bound_name(p, chain);
	nfbatch_about(b, "bounds of interface %s", p->ifname);
	nfbatch_elements(b, FWBASE_REFUSED, false, false, &at, 1);
	fill_bound(b, chain, &key, flows_max);
	nfbatch_elements(b, FWBASE_FLOWS, true, false, &at_flows, 1);
}

void fwport_unbound(struct nfbatch *b, const struct fwport *p, uint32_t flows_max)
{
	const struct fwbase_member_key key = fwbase_member_key(p);
	const struct nfbatch_element at = { .key = key.ifname, .size = sizeof(key.ifname) };
	char chain[FWPORT_NAME_MAX];

	if (flows_max == 0)
		return;
	bound_name(p, chain);
	nfbatch_about(b, "bounds of interface %s", p->ifname);
	nfbatch_elements(b, FWBASE_FLOWS, true, true, &at, 1);
	nfbatch_flush_chain(b, chain);
	nfbatch_delete_chain(b, chain);
	nfbatch_elements(b, FWBASE_REFUSED, false, true, &at, 1);
}

void fwport_add(struct nfbatch *b, const struct fwport_state *p)
{
	for (int d = 0; d < FW_DIRECTIONS; d++) {
		nfbatch_about(b, "%s rules of interface %s", words[d], p->port.ifname);
		if (p->side[d].is_attached)
			attach(b, p, (enum fwdirection)d);
	}
	add_or_remove(b, &p->port, false);
}

void fwport_remove(struct nfbatch *b, const struct fwport_state *p)
{
	add_or_remove(b, &p->port, true);
	for (int d = 0; d < FW_DIRECTIONS; d++)
		if (p->side[d].is_attached)
			detach(b, p, (enum fwdirection)d);
}
