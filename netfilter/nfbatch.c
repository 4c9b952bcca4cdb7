/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A transaction of nftables as it grows: netlink messages one behind another, in one buffer.
 * Each is written at once and libnftnl's object for it freed; only the bytes are kept. room()
 * makes space for the longest message before one begins; long lists of elements are cut into
 * several.
 *
 * A message's sequence number is its place in the batch. `subjects` says from which number on
 * the messages are about what, so that a refusal, which names a number alone, can be told in
 * words. The first refusal is the one that is told. The last message alone asks for an
 * acknowledgement.
 *
 * The kernel takes all of it or nothing. What somebody else's transaction has made it refuse
 * (EAGAIN, EBUSY, EINTR) is sent again as it is. What the rules mean is not known here. */
#include "netfilter/nfbatch.h"

#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdarg.h>

#define MESSAGE_MAX    ((size_t)128 * 1024) /* room for one; lists are cut at half of that */
#define ELEMENTS_BYTES 40000                /* of a nested list: its length has 16 bits */
#define ABOUT_MAX      96
#define TRIES_MAX      20

/* From this seq on, messages are about that. */
struct subject {
	uint32_t seq;
	char words[ABOUT_MAX];
};

struct nfbatch {
	const char *table;
	uint8_t *data;
	size_t size, allocated;
	uint32_t messages, set_id; /* the seq of a message: its number in the batch, from 1 */
	size_t last;               /* offset of the last message */
	struct subject *subjects;
	size_t n_subjects;
	struct err *err;
	int refused;
};

static void *room(struct nfbatch *b)
{
	if (b->allocated - b->size < MESSAGE_MAX) {
		b->allocated = MAX_OF(2 * b->allocated, b->size + 2 * MESSAGE_MAX);
		b->data = xrealloc(b->data, b->allocated, 1);
	}
	return b->data + b->size;
}

static void took(struct nfbatch *b, const struct nlmsghdr *m)
{
	assert(m->nlmsg_len <= MESSAGE_MAX);
	b->last = b->size;
	b->size += NLMSG_ALIGN(m->nlmsg_len);
}

static struct nlmsghdr *begin(struct nfbatch *b, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(room(b), type, NFPROTO_INET, flags, ++b->messages);
}

struct nfbatch *nfbatch_new(const char *table)
{
	struct nfbatch *b = xcalloc(1, sizeof(*b));

	b->table = table;
	took(b, nftnl_batch_begin(room(b), ++b->messages));
	return b;
}

struct nfbatch *nfbatch_free(struct nfbatch *b)
{
	if (b) {
		free(b->data);
		free(b->subjects);
		free(b);
	}
	return NULL;
}

void nfbatch_about(struct nfbatch *b, const char *fmt, ...)
{
	struct subject *s;
	va_list ap;

	b->subjects = xrealloc(b->subjects, b->n_subjects + 1, sizeof(*b->subjects));
	s = &b->subjects[b->n_subjects++];
	s->seq = b->messages + 1;
	va_start(ap, fmt);
	(void)vsnprintf(s->words, sizeof(s->words), fmt, ap);
	va_end(ap);
}

/* libnftnl's objects are small: out of memory ends the process, like everywhere. */
static void *must(void *object)
{
	if (!object)
		abort();
	return object;
}

/* --- tables and chains --- */

static void table_message(struct nfbatch *b, uint16_t type, uint16_t flags)
{
	struct nftnl_table *t = must(nftnl_table_alloc());
	struct nlmsghdr *m = begin(b, type, flags);

	nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table);
	nftnl_table_nlmsg_build_payload(m, t);
	nftnl_table_free(t);
	took(b, m);
}

void nfbatch_add_table(struct nfbatch *b)
{
	table_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
}

void nfbatch_delete_table(struct nfbatch *b)
{
	nfbatch_add_table(b); /* so that there is one to delete */
	table_message(b, NFT_MSG_DELTABLE, 0);
}

static void chain_message(struct nfbatch *b, uint16_t type, uint16_t flags, const char *name,
	const char *kind, unsigned hook, int priority)
{
	struct nftnl_chain *c = must(nftnl_chain_alloc());
	struct nlmsghdr *m = begin(b, type, flags);

	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, b->table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
	if (kind) {
		nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, kind);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, priority);
	}
	nftnl_chain_nlmsg_build_payload(m, c);
	nftnl_chain_free(c);
	took(b, m);
}

void nfbatch_add_base_chain(
	struct nfbatch *b, const char *name, const char *type, unsigned hook, int priority)
{
	chain_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, name, type, hook, priority);
}

void nfbatch_add_chain(struct nfbatch *b, const char *name)
{
	chain_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, name, NULL, 0, 0);
}

void nfbatch_delete_chain(struct nfbatch *b, const char *name)
{
	chain_message(b, NFT_MSG_DELCHAIN, 0, name, NULL, 0, 0);
}

static void rule_message(
	struct nfbatch *b, uint16_t type, uint16_t flags, const char *chain, struct nftnl_rule *r)
{
	struct nlmsghdr *m = begin(b, type, flags);

	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, b->table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_nlmsg_build_payload(m, r);
	nftnl_rule_free(r);
	took(b, m);
}

void nfbatch_flush_chain(struct nfbatch *b, const char *name)
{
	rule_message(b, NFT_MSG_DELRULE, 0, name, must(nftnl_rule_alloc()));
}

void nfbatch_add_rule(struct nfbatch *b, const char *chain, struct nftnl_rule *steals)
{
	rule_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, chain, steals);
}

/* --- sets --- */

static struct nftnl_set *named_set(const struct nfbatch *b, const char *name)
{
	struct nftnl_set *s = must(nftnl_set_alloc());

	nftnl_set_set_str(s, NFTNL_SET_TABLE, b->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, name);
	return s;
}

void nfbatch_add_set(struct nfbatch *b, const struct nfbatch_set *set)
{
	struct nftnl_set *s = named_set(b, set->name);
	struct nlmsghdr *m = begin(b, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
	uint32_t size = 0;
	uint8_t n = 0;

	for (; set->fields[n]; n++)
		size += (set->fields[n] + 3U) / 4 * 4;
	if (n == 1)
		size = set->fields[0]; /* only parts of a key are padded */
	nftnl_set_set_u32(s, NFTNL_SET_ID, ++b->set_id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, set->flags | (n > 1 ? NFT_SET_CONCAT : 0));
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, set->key_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, size);
	if (n > 1)
		nftnl_set_set_data(s, NFTNL_SET_DESC_CONCAT, set->fields, n);
	if (set->flags & NFT_SET_MAP) {
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, set->data_type);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, set->data_size);
	}
	if (set->timeout_ms)
		nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, set->timeout_ms);
	if (set->counts)
		nftnl_set_add_expr(s, must(nftnl_expr_alloc("counter")));
	nftnl_set_nlmsg_build_payload(m, s);
	nftnl_set_free(s);
	took(b, m);
}

void nfbatch_delete_set(struct nfbatch *b, const char *name)
{
	struct nftnl_set *s = named_set(b, name);
	struct nlmsghdr *m = begin(b, NFT_MSG_DELSET, 0);

	nftnl_set_nlmsg_build_payload(m, s);
	nftnl_set_free(s);
	took(b, m);
}

static struct nftnl_set_elem *element(const struct nfbatch_element *e, bool verdicts, bool delete)
{
	struct nftnl_set_elem *x = must(nftnl_set_elem_alloc());

	nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY, e->key, (uint32_t)e->size);
	if (e->key_end)
		nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY_END, e->key_end, (uint32_t)e->size);
	if (verdicts && !delete) {
		nftnl_set_elem_set_u32(
			x, NFTNL_SET_ELEM_VERDICT, e->chain ? (uint32_t)e->verdict : NF_DROP);
		if (e->chain)
			nftnl_set_elem_set_str(x, NFTNL_SET_ELEM_CHAIN, e->chain);
	}
	if (e->value && !delete)
		nftnl_set_elem_set(x, NFTNL_SET_ELEM_DATA, e->value, e->value_size);
	return x;
}

void nfbatch_elements(struct nfbatch *b, const char *set, bool verdicts, bool delete,
	const struct nfbatch_element *at, size_t n)
{
	size_t i = 0;

	while (i < n) {
		struct nftnl_set *s = named_set(b, set);
		struct nlmsghdr *m = begin(b, delete ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
			delete ? 0 : NLM_F_CREATE | NLM_F_EXCL);

		for (size_t bytes = 0; i < n && bytes < ELEMENTS_BYTES; i++) {
			bytes += 2 * at[i].size + 96;
			nftnl_set_elem_add(s, element(&at[i], verdicts, delete));
		}
		nftnl_set_elems_nlmsg_build_payload(m, s);
		nftnl_set_free(s);
		took(b, m);
	}
}

/* --- sending --- */

static const char *words_of(const struct nfbatch *b, uint32_t seq)
{
	size_t i = b->n_subjects;

	while (i > 0 && b->subjects[i - 1].seq > seq)
		i--;
	return i > 0 ? b->subjects[i - 1].words : "the table";
}

/* The first refusal is the cause; those after it may follow from it. */
static void on_error(uint32_t seq, int errnum, void *userdata)
{
	struct nfbatch *b = userdata;

	if (b->refused)
		return;
	b->refused = errnum;
	(void)err_set(b->err, -errnum, ERR_FIREWALL_HOST_UNAVAILABLE, "Network.Table",
		"nftables refuses %s: %s", words_of(b, seq), strerror(errnum));
}

int nfbatch_commit(struct nfbatch *b, struct nfsock *s, struct err *err)
{
	uint32_t last_seq = b->messages;
	int r = -EAGAIN;

	if (b->messages == 1) /* its beginning */
		return 0;
	((struct nlmsghdr *)(b->data + b->last))->nlmsg_flags |= NLM_F_ACK;
	took(b, nftnl_batch_end(room(b), ++b->messages));
	b->err = err;
	for (int i = 0; i < TRIES_MAX && (r == -EAGAIN || r == -EBUSY || r == -EINTR); i++) {
		b->refused = 0;
		r = nfsock_talk(s, b->data, b->size, last_seq, on_error, b);
	}
	if (r < 0 && !b->refused)
		(void)err_set(err, r, ERR_FIREWALL_HOST_UNAVAILABLE, "Network.Table",
			"nftables can't be reached: %s", strerror(-r));
	return r;
}
