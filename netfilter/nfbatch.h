/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One transaction of nf_tables: messages are collected, sent as one batch, and take effect together
 * or not at all. A failure is told with the words of the object that the kernel refused.
 *
 * The messages are libnftnl's; what an object is for stands with its caller. */
#pragma once

#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>

#include "netfilter/nfsock.h"
#include "proto/base.h"
#include "proto/err.h"

struct nfbatch;

struct nfbatch *nfbatch_new(const char *table);
struct nfbatch *nfbatch_free(struct nfbatch *b);
static inline void nfbatch_freep(struct nfbatch **b)
{
	*b = nfbatch_free(*b);
}
#define _cleanup_nfbatch_ _cleanup_(nfbatch_freep)

/* What follows is about this ("interface hd0123…, ingress"): for the words of an error. */
void nfbatch_about(struct nfbatch *b, const char *fmt, ...) _printf_(2, 3);

void nfbatch_add_table(struct nfbatch *b);
void nfbatch_delete_table(struct nfbatch *b); /* or none, where there is none */

/* @hook NF_INET_…; @type "filter" or "nat". */
void nfbatch_add_base_chain(
	struct nfbatch *b, const char *name, const char *type, unsigned hook, int priority);
void nfbatch_add_chain(struct nfbatch *b, const char *name);
void nfbatch_delete_chain(struct nfbatch *b, const char *name);
void nfbatch_flush_chain(struct nfbatch *b, const char *name);

/* @steals: the rule's expressions; table and chain are filled in. */
void nfbatch_add_rule(struct nfbatch *b, const char *chain, struct nftnl_rule *steals);

/* A set's form. @fields ends with 0: bytes of each field of the key. */
struct nfbatch_set {
	const char *name;
	uint32_t flags;    /* NFT_SET_… */
	uint32_t key_type; /* as nft(8) numbers them, so that it can list what we made */
	uint32_t data_type, data_size; /* of maps; NFT_DATA_VERDICT: a verdict map */
	const uint8_t *fields;
	bool counts;         /* every element has a counter */
	uint64_t timeout_ms; /* of elements that rules add */
};
void nfbatch_add_set(struct nfbatch *b, const struct nfbatch_set *set);
void nfbatch_delete_set(struct nfbatch *b, const char *name);

/* An element: a key, for ranges its end, for maps a verdict with its chain, or a value. */
struct nfbatch_element {
	const void *key, *key_end; /* key_end NULL: a single value */
	size_t size;
	const char *chain; /* verdict maps: where to; NULL: drop */
	int verdict;       /* NFT_JUMP or NFT_GOTO there */
	const void *value; /* maps of values; NULL: none */
	uint32_t value_size;
};
/* Adds to, or deletes from, the set; messages are cut where netlink's 16-bit lengths end. */
void nfbatch_elements(struct nfbatch *b, const char *set, bool verdicts, bool delete,
	const struct nfbatch_element *at, size_t n);

/* All of it or nothing. -errno and FIREWALL_HOST_UNAVAILABLE, with what the kernel said of which
 * object. -EBUSY and -EAGAIN are tried again. Blocks for as long as the kernel works: about 0.1 ms
 * for elements, and more the larger the table when it has to be validated. */
_must_check_ int nfbatch_commit(struct nfbatch *b, struct nfsock *s, struct err *err);
