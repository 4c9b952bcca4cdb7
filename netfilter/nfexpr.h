/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The expressions that our rules are made of, each appended to a rule. Registers are the 32-bit
 * ones, by number: a key of several fields lies in neighbouring ones. */
#pragma once

#include <libnftnl/rule.h>

#include "proto/base.h"

struct nftnl_rule *nfexpr_rule(void);

void nfexpr_meta(struct nftnl_rule *r, uint32_t key, unsigned to);     /* NFT_META_… */
void nfexpr_next_hop(struct nftnl_rule *r, uint32_t key, unsigned to); /* NFT_RT_NEXTHOP… */
void nfexpr_set_meta(struct nftnl_rule *r, uint32_t key, unsigned from);
void nfexpr_ct_state(struct nftnl_rule *r, uint32_t any_of);       /* go on if one of them */
void nfexpr_ct_state_is_not(struct nftnl_rule *r, uint32_t state); /* exactly one */
void nfexpr_ct_answer(
	struct nftnl_rule *r); /* go on if the packet goes against the way that its flow began */
void nfexpr_ct_confirmed(
	struct nftnl_rule *r); /* go on if an earlier packet of the same flow has passed */
/* Go on if more than @n flows have come to this rule, each counted once. Only for rules, never
 * for a set's elements: the kernel copies an element's expression without taking a reference of
 * conntrack's hooks (nft_connlimit's clone), but gives one back when the element goes (its
 * destroy). Once the table has been deleted a time or two, conntrack has left the namespace, and
 * every packet is invalid from then on. */
void nfexpr_flows_over(struct nftnl_rule *r, uint32_t n);
void nfexpr_payload(
	struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t size, unsigned to);
/* Write the register into a transport header whose 16-bit checksum stands at @sum, and mend
 * that. */
void nfexpr_set_transport(
	struct nftnl_rule *r, uint32_t offset, uint32_t size, unsigned from, uint32_t sum);
void nfexpr_mask(struct nftnl_rule *r, unsigned reg, const void *mask, uint32_t size);
/* Go on if the register is (not) @value, or is (not) an element of @set. */
void nfexpr_is(struct nftnl_rule *r, unsigned reg, const void *value, uint32_t size);
void nfexpr_is_not(struct nftnl_rule *r, unsigned reg, const void *value, uint32_t size);
void nfexpr_in(struct nftnl_rule *r, unsigned reg, const char *set, bool invert);
void nfexpr_add_to(struct nftnl_rule *r, unsigned reg, const char *set); /* for the set's time */
void nfexpr_map(struct nftnl_rule *r, unsigned reg, const char *map, unsigned to);
void nfexpr_verdict_map(struct nftnl_rule *r, unsigned reg, const char *map);
void nfexpr_verdict(struct nftnl_rule *r, int verdict, const char *chain); /* NF_…, NFT_… */
void nfexpr_immediate(struct nftnl_rule *r, unsigned to, const void *value, uint32_t size);
/* IPv4, to the socket of that address and port; goes on only if there is one. */
void nfexpr_tproxy(struct nftnl_rule *r, unsigned address, unsigned port);
void nfexpr_reject(struct nftnl_rule *r, uint32_t type, uint8_t code);
void nfexpr_masquerade(struct nftnl_rule *r);
