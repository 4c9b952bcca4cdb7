/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/nfexpr.h"

#include <libnftnl/expr.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define REG(n) (NFT_REG32_00 + (n))

struct nftnl_rule *nfexpr_rule(void)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (!r)
		abort();
	return r;
}

static struct nftnl_expr *add(struct nftnl_rule *r, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	if (!e)
		abort();
	nftnl_rule_add_expr(r, e);
	return e;
}

void nfexpr_meta(struct nftnl_rule *r, uint32_t key, unsigned to)
{
	struct nftnl_expr *e = add(r, "meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, REG(to));
}

void nfexpr_set_meta(struct nftnl_rule *r, uint32_t key, unsigned from)
{
	struct nftnl_expr *e = add(r, "meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, REG(from));
}

void nfexpr_next_hop(struct nftnl_rule *r, uint32_t key, unsigned to)
{
	struct nftnl_expr *e = add(r, "rt");

	nftnl_expr_set_u32(e, NFTNL_EXPR_RT_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_RT_DREG, REG(to));
}

void nfexpr_payload(
	struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t size, unsigned to)
{
	struct nftnl_expr *e = add(r, "payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, REG(to));
}

void nfexpr_set_transport(
	struct nftnl_rule *r, uint32_t offset, uint32_t size, unsigned from, uint32_t sum)
{
	struct nftnl_expr *e = add(r, "payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, REG(from));
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, sum);
}

void nfexpr_mask(struct nftnl_rule *r, unsigned reg, const void *mask, uint32_t size)
{
	struct nftnl_expr *e = add(r, "bitwise");
	const uint8_t none[16] = {};

	assert(size <= sizeof(none));
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, REG(reg));
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, REG(reg));
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, size);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, size);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, none, size);
}

static void compare(
	struct nftnl_rule *r, unsigned reg, uint32_t op, const void *value, uint32_t size)
{
	struct nftnl_expr *e = add(r, "cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, REG(reg));
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, size);
}

void nfexpr_is(struct nftnl_rule *r, unsigned reg, const void *value, uint32_t size)
{
	compare(r, reg, NFT_CMP_EQ, value, size);
}

void nfexpr_is_not(struct nftnl_rule *r, unsigned reg, const void *value, uint32_t size)
{
	compare(r, reg, NFT_CMP_NEQ, value, size);
}

static void load_ct_state(struct nftnl_rule *r)
{
	struct nftnl_expr *e = add(r, "ct");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, REG(0));
}

void nfexpr_ct_state_is_not(struct nftnl_rule *r, uint32_t state)
{
	load_ct_state(r);
	nfexpr_is_not(r, 0, &state, sizeof(state));
}

void nfexpr_ct_state(struct nftnl_rule *r, uint32_t any_of)
{
	const uint32_t none = 0;

	load_ct_state(r);
	nfexpr_mask(r, 0, &any_of, sizeof(any_of));
	nfexpr_is_not(r, 0, &none, sizeof(none));
}

void nfexpr_ct_answer(struct nftnl_rule *r)
{
	struct nftnl_expr *e = add(r, "ct");
	const uint8_t reply = IP_CT_DIR_REPLY;

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_DIRECTION);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, REG(0));
	nfexpr_is(r, 0, &reply, sizeof(reply));
}

void nfexpr_ct_confirmed(struct nftnl_rule *r)
{
	struct nftnl_expr *e = add(r, "ct");
	const uint32_t confirmed = IPS_CONFIRMED, none = 0;

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATUS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, REG(0));
	nfexpr_mask(r, 0, &confirmed, sizeof(confirmed));
	nfexpr_is_not(r, 0, &none, sizeof(none));
}

void nfexpr_flows_over(struct nftnl_rule *r, uint32_t n)
{
	struct nftnl_expr *e = add(r, "connlimit");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_COUNT, n);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
}

static struct nftnl_expr *lookup(struct nftnl_rule *r, unsigned reg, const char *set)
{
	struct nftnl_expr *e = add(r, "lookup");

	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, REG(reg));
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
	return e;
}

void nfexpr_in(struct nftnl_rule *r, unsigned reg, const char *set, bool invert)
{
	struct nftnl_expr *e = lookup(r, reg, set);

	if (invert)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

void nfexpr_add_to(struct nftnl_rule *r, unsigned reg, const char *set)
{
	struct nftnl_expr *e = add(r, "dynset");

	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, REG(reg));
	nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set);
}

void nfexpr_map(struct nftnl_rule *r, unsigned reg, const char *map, unsigned to)
{
	nftnl_expr_set_u32(lookup(r, reg, map), NFTNL_EXPR_LOOKUP_DREG, REG(to));
}

void nfexpr_verdict_map(struct nftnl_rule *r, unsigned reg, const char *map)
{
	nftnl_expr_set_u32(lookup(r, reg, map), NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
}

void nfexpr_verdict(struct nftnl_rule *r, int verdict, const char *chain)
{
	struct nftnl_expr *e = add(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain)
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
}

void nfexpr_immediate(struct nftnl_rule *r, unsigned to, const void *value, uint32_t size)
{
	struct nftnl_expr *e = add(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, REG(to));
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, value, size);
}

void nfexpr_tproxy(struct nftnl_rule *r, unsigned address, unsigned port)
{
	struct nftnl_expr *e = add(r, "tproxy");

	nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_FAMILY, NFPROTO_IPV4);
	nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_ADDR, REG(address));
	nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_PORT, REG(port));
}

void nfexpr_reject(struct nftnl_rule *r, uint32_t type, uint8_t code)
{
	struct nftnl_expr *e = add(r, "reject");

	nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, type);
	nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, code);
}

void nfexpr_masquerade(struct nftnl_rule *r)
{
	(void)add(r, "masq");
}
