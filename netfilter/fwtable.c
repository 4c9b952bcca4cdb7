/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What we know of our table in the kernel: the configuration, and the ports, sorted by
 * interface, each with the plans that its chains were made from. Both are owned here.
 *
 * A change is built as one batch from what is known to what is wanted, and remembered when the
 * kernel has taken it; when it refuses, the caller has its plans back and nothing has changed on
 * either side. fwtable_expect alone changes our knowledge and not the kernel's: fwtable_load
 * then replaces the whole table in one batch.
 *
 * Counters are read from the kernel, element by element, and given to the rules that the
 * elements come from; a dump that a change has interrupted (EINTR) begins again.
 * fwtable_allows() judges a flow by our knowledge, as the chains of netfilter/fwbase.c do:
 * whoever changes one changes both. */
#include "netfilter/fwtable.h"

#include <arpa/inet.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "netfilter/fwbase.h"
#include "netfilter/fwport.h"

#define TRIES_MAX 5

/* Sorted by interface. */
struct fwtable {
	struct nfsock *sock;
	char *table, *prefix;
	struct fwtable_conf conf;
	struct fwport_state **at;
	size_t n, allocated;
	struct fwrange addresses; /* none has one outside */
};

static struct fwranges copy_ranges(const struct fwranges *r)
{
	struct fwranges copy = { r->n, xcalloc(r->n, sizeof(*r->at)) };

	if (r->n > 0)
		memcpy(copy.at, r->at, r->n * sizeof(*r->at));
	return copy;
}

int fwtable_open(const struct fwtable_conf *conf, struct fwtable **ret, struct err *err)
{
	struct fwtable *t = xcalloc(1, sizeof(*t));
	int r = nfsock_open(&t->sock);

	if (r < 0) {
		free(t);
		return err_set(err, r, ERR_FIREWALL_HOST_UNAVAILABLE, NULL,
			"the kernel has no netfilter socket for us: %s", strerror(-r));
	}
	t->table = xstrdup(conf->table);
	t->prefix = xstrdup(conf->prefix);
	t->conf = *conf;
	t->conf.table = t->table;
	t->conf.prefix = t->prefix;
	t->conf.proxies = copy_ranges(&conf->proxies);
	t->addresses = conf->subnet;
	*ret = t;
	return 0;
}

struct fwtable *fwtable_close(struct fwtable *t)
{
	if (t) {
		for (size_t i = 0; i < t->n; i++)
			fwport_free(t->at[i]);
		free(t->at);
		free(t->table);
		free(t->prefix);
		free(t->conf.proxies.at);
		nfsock_close(t->sock);
		free(t);
	}
	return NULL;
}

bool fwtable_swap_proxies(struct fwtable *t, struct fwranges *proxies)
{
	const struct fwranges old = t->conf.proxies;

	t->conf.proxies = *proxies;
	*proxies = old;
	return old.n != t->conf.proxies.n ||
	       (old.n > 0 && memcmp(old.at, t->conf.proxies.at, old.n * sizeof(*old.at)) != 0);
}

uint32_t fwtable_netlink_port(const struct fwtable *t)
{
	return nfsock_port(t->sock);
}

/* --- the ports that we know --- */

static int by_ifname(const void *item, const void *ifname)
{
	return strcmp((*(struct fwport_state *const *)item)->port.ifname, ifname);
}

static size_t lower_bound(const struct fwtable *t, const char *ifname)
{
	return sorted_place(t->at, t->n, sizeof(*t->at), ifname, by_ifname);
}

static struct fwport_state *find(const struct fwtable *t, const char *ifname)
{
	size_t i = lower_bound(t, ifname);

	return i < t->n && strcmp(t->at[i]->port.ifname, ifname) == 0 ? t->at[i] : NULL;
}

bool fwtable_has(const struct fwtable *t, const char *ifname)
{
	return find(t, ifname);
}

static void insert(struct fwtable *t, struct fwport_state *p)
{
	size_t i = lower_bound(t, p->port.ifname);

	if (t->n == t->allocated) {
		t->allocated = t->allocated ? 2 * t->allocated : 16;
		t->at = xrealloc(t->at, t->allocated, sizeof(*t->at));
	}
	memmove(t->at + i + 1, t->at + i, (t->n - i) * sizeof(*t->at));
	t->at[i] = p;
	t->n++;
	t->addresses.low = MIN_OF(t->addresses.low, p->port.address);
	t->addresses.high = MAX_OF(t->addresses.high, p->port.address);
}

static void forget(struct fwtable *t, struct fwport_state *p)
{
	size_t i = lower_bound(t, p->port.ifname);

	memmove(t->at + i, t->at + i + 1, (t->n - i - 1) * sizeof(*t->at));
	t->n--;
	fwport_free(p);
}

void fwtable_expect(
	struct fwtable *t, const struct fwport *port, struct fwplan *take[FW_DIRECTIONS])
{
	struct fwport_state *old = find(t, port->ifname);

	if (old)
		forget(t, old);
	insert(t, fwport_new(port, take));
}

/* --- the kernel's --- */

int fwtable_load(struct fwtable *t, struct err *err)
{
	_cleanup_nfbatch_ struct nfbatch *b = nfbatch_new(t->table);

	nfbatch_about(b, "table %s", t->table);
	nfbatch_delete_table(b);
	nfbatch_add_table(b);
	fwbase_build(b, &t->conf);
	for (size_t i = 0; i < t->n; i++) {
		fwport_add(b, t->at[i]);
		fwport_bound(b, &t->at[i]->port, t->conf.flows_max);
	}
	return nfbatch_commit(b, t->sock, err);
}

int fwtable_drop(const char *table, struct err *err)
{
	_cleanup_nfbatch_ struct nfbatch *b = nfbatch_new(table);
	struct nfsock *s;
	int r = nfsock_open(&s);

	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, NULL, "can't open a netlink socket: %s",
			strerror(-r));
	nfbatch_about(b, "table %s", table);
	nfbatch_delete_table(b);
	r = nfbatch_commit(b, s, err);
	nfsock_close(s);
	return r;
}

int fwtable_put(struct fwtable *t, const struct fwport *port, struct fwplan *take[FW_DIRECTIONS],
	struct err *err)
{
	_cleanup_nfbatch_ struct nfbatch *b = nfbatch_new(t->table);
	struct fwport_state *old = find(t, port->ifname), *new = fwport_new(port, take);
	int r;

	if (!old) {
		fwport_add(b, new);
		fwport_bound(b, port, t->conf.flows_max);
	} else if (fwport_is_same(&old->port, port))
		fwport_change(b, old, new);
	else { /* what its flows were counted by stays */
		fwport_remove(b, old);
		fwport_add(b, new);
	}
	r = nfbatch_commit(b, t->sock, err);
	if (r < 0) {
		fwport_give_back(new, take);
		fwport_free(new);
		return r;
	}
	if (old) {
		new->refused = old->refused;
		forget(t, old);
	}
	insert(t, new);
	return 0;
}

int fwtable_remove(struct fwtable *t, const char *ifname, struct err *err)
{
	_cleanup_nfbatch_ struct nfbatch *b = nfbatch_new(t->table);
	struct fwport_state *p = find(t, ifname);
	int r;

	if (!p)
		return 0;
	fwport_remove(b, p);
	fwport_unbound(b, &p->port, t->conf.flows_max);
	r = nfbatch_commit(b, t->sock, err);
	forget(t, p);
	return r;
}

/* --- counters --- */

/* An element as the kernel shows it. Those of a set overlap nowhere, so no two begin alike. */
struct known {
	struct fwport_key key;
	uint32_t rule;
};

struct count {
	int (*look)(struct nftnl_set_elem *e, void *userdata);
	const struct fwtable *table;
	struct known *known; /* of the set that is dumped, in the order of by_key */
	size_t n_known;
	uint64_t *packets, *bytes;
	size_t n;
};

static int by_key(const void *a, const void *b)
{
	const struct fwport_key *x = &((const struct known *)a)->key,
				*y = &((const struct known *)b)->key;

	return memcmp(x->low, y->low, sizeof(x->low));
}

static void know(struct count *c, const struct fwset *set)
{
	c->known = xrealloc(c->known, set->n, sizeof(*c->known));
	c->n_known = set->n;
	for (size_t i = 0; i < set->n; i++)
		c->known[i] = (struct known){ fwport_key_of(set, &set->at[i]), set->at[i].rule };
	qsort(c->known, c->n_known, sizeof(*c->known), by_key);
}

static uint32_t rule_of(const struct count *c, const void *key, size_t size)
{
	struct known wanted = { .key.size = size };
	const struct known *found = NULL;

	if (size <= sizeof(wanted.key.low)) {
		memcpy(wanted.key.low, key, size);
		found = bsearch(&wanted, c->known, c->n_known, sizeof(*c->known), by_key);
	}
	return found && found->key.size == size ? found->rule
						: UINT32_MAX; /* somebody else's: will be healed */
}

static const struct nftnl_expr *counter_of(struct nftnl_set_elem *e)
{
	return nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_EXPR)
		       ? nftnl_set_elem_get(e, NFTNL_SET_ELEM_EXPR, &(uint32_t){ 0 })
		       : NULL;
}

static int count_element(struct nftnl_set_elem *e, void *userdata)
{
	struct count *c = userdata;
	uint32_t size, rule;
	const void *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &size);
	const struct nftnl_expr *counter = counter_of(e);

	rule = key ? rule_of(c, key, size) : UINT32_MAX;
	if (counter && rule < c->n) {
		c->packets[rule] += nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_PACKETS);
		c->bytes[rule] += nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_BYTES);
	}
	return 0;
}

static int look_at_refused(struct nftnl_set_elem *e, void *userdata)
{
	uint32_t size;
	const char *ifname = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &size);
	const struct nftnl_expr *counter = counter_of(e);
	const struct count *c = userdata;
	struct fwport_state *p = NULL;

	if (ifname && counter && memchr(ifname, 0, size))
		p = find(c->table, ifname);
	if (p)
		p->refused = nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_PACKETS);
	return 0;
}

static void on_elements(const struct nlmsghdr *m, void *userdata)
{
	struct count *c = userdata;
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		abort();
	if (nftnl_set_elems_nlmsg_parse(m, s) == 0)
		(void)nftnl_set_elem_foreach(s, c->look, c);
	nftnl_set_free(s);
}

static int dump_set(struct fwtable *t, const char *name, struct count *c)
{
	_Alignas(struct nlmsghdr) char buffer[4096];
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(
		buffer, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP, nfsock_next_seq(t->sock));
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		abort();
	nftnl_set_set_str(s, NFTNL_SET_TABLE, t->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, name);
	nftnl_set_elems_nlmsg_build_payload(m, s);
	nftnl_set_free(s);
	return nfsock_dump(t->sock, m, on_elements, c);
}

static int count_once(struct fwtable *t, const struct fwport_state *p, enum fwdirection direction,
	struct count *c)
{
	const struct fwplan *plan = &p->side[direction].plan;
	char name[FWPORT_NAME_MAX];
	int r = 0;

	memset(c->packets, 0, c->n * sizeof(*c->packets));
	memset(c->bytes, 0, c->n * sizeof(*c->bytes));
	for (size_t i = 0; r == 0 && i < plan->n; i++) {
		know(c, &plan->at[i]);
		fwport_set_name(&p->port, direction, i, name);
		r = dump_set(t, name, c);
	}
	return r;
}

int fwtable_count(struct fwtable *t, const char *ifname, enum fwdirection direction,
	uint64_t *ret_packets, uint64_t *ret_bytes, size_t n)
{
	struct count c = { count_element, t, .packets = ret_packets, .bytes = ret_bytes, .n = n };
	const struct fwport_state *p = find(t, ifname);
	int r = -EINTR;

	memset(ret_packets, 0, n * sizeof(*ret_packets));
	memset(ret_bytes, 0, n * sizeof(*ret_bytes));
	for (int i = 0; p && i < TRIES_MAX && r == -EINTR; i++)
		r = count_once(t, p, direction, &c);
	free(c.known);
	return p ? r : 0;
}

int fwtable_look_refused(struct fwtable *t)
{
	struct count c = { look_at_refused, t };
	int r = -EINTR;

	for (int i = 0; i < TRIES_MAX && r == -EINTR; i++)
		r = dump_set(t, FWBASE_REFUSED, &c);
	return r;
}

uint64_t fwtable_refused(const struct fwtable *t, const char *ifname)
{
	const struct fwport_state *p = find(t, ifname);

	return p ? p->refused : 0;
}

/* --- the same in words --- */

/* Ports are few against packets of a table walk; but thousands of both are not. */
static const struct fwport_state *by_address(const struct fwtable *t, uint32_t address)
{
	bool is_ours = address >= t->addresses.low && address <= t->addresses.high;

	for (size_t i = 0; is_ours && i < t->n; i++)
		if (t->at[i]->port.address == address)
			return t->at[i];
	return NULL;
}

static bool side_allows(const struct fwport_side *side, const struct fwflow *f, uint32_t peer)
{
	const struct fwpacket packet = { f->protocol, peer, f->port, f->source_port, f->icmp_type,
		f->icmp_code };

	return fwplan_judge(&side->plan, &packet) == FW_ALLOW;
}

static bool is_proxy(const struct fwtable *t, const struct fwflow *f)
{
	if (f->protocol == IPPROTO_TCP && f->port == 22)
		return false;
	for (size_t i = 0; i < t->conf.proxies.n; i++)
		if (f->source >= t->conf.proxies.at[i].low &&
			f->source <= t->conf.proxies.at[i].high)
			return true;
	return false;
}

/* As fwbase has them; a flow of IPv6 is nothing that is asked for here. */
static bool is_metadata(const struct fwflow *f)
{
	static const uint32_t services[] = { 0xa9fea9fe, 0xa9feaa02, 0xa83f8110, 0x646464c8 };

	for (size_t i = 0; i < countof(services); i++)
		if (f->destination == services[i])
			return f->port != 53;
	return false;
}

bool fwtable_was_diverted(const struct fwtable *t, const struct fwflow *f)
{
	const struct fwport_state *from = by_address(t, f->source);

	return from && from->port.mode == FWMODE_DIRECT && t->conf.masquerade &&
	       !f->is_masqueraded && !by_address(t, f->destination);
}

bool fwtable_allows(const struct fwtable *t, const struct fwflow *f)
{
	const struct fwport_state *from = by_address(t, f->source),
				  *to = by_address(t, f->destination);

	if (from && from->side[FW_EGRESS].is_attached &&
		!side_allows(&from->side[FW_EGRESS], f, f->destination))
		return false;
	if (from && !t->conf.metadata && is_metadata(f))
		return false;
	if (from && from->port.mode == FWMODE_BLOCK)
		return false;
	if (from &&
		from->port.mode == FWMODE_PROXY) /* what the forwarder has taken is not forwarded */
		return f->protocol == IPPROTO_TCP || (f->protocol == IPPROTO_UDP && f->port == 53);
	if (!to || is_proxy(t, f))
		return true;
	if (to->side[FW_INGRESS].is_attached)
		return side_allows(&to->side[FW_INGRESS], f, f->source);
	return !from || from->port.project == to->port.project;
}
