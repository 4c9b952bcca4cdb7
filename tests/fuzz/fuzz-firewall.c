/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firewall rules, from an order's parameters to the sets that the kernel is given: rules that the
 * order's check lets pass make a plan, and the plan judges every packet as the rules do, read one
 * after the other. */
#include <jansson.h>
#include <netinet/in.h>

#include "netfilter/fwjson.h"
#include "proto/jsonx.h"
#include "proto/order.h"
#include "tests/fuzz/fuzz.h"

#define RULES_MAX   24 /* more are the same again, and slow */
#define PACKETS_MAX 64

#define ORDER                                                                                     \
	"{\"v\":1,\"id\":\"00112233445566778899aabb\",\"node_id\":\"00112233445566778899aabb\","  \
	"\"seq\":1,"                                                                              \
	"\"issued_at\":\"2026-11-23T05:00:00.000Z\",\"expires_at\":\"2026-11-23T06:00:00.000Z\"," \
	"\"op\":\"firewall.replace\",\"container_id\":\"00112233445566778899aabb\",\"params\":%s}"

static bool in(const struct fwranges *r, uint32_t value)
{
	for (size_t i = 0; i < r->n; i++)
		if (value >= r->at[i].low && value <= r->at[i].high)
			return true;
	return r->n == 0;
}

static enum fwverdict judge(const struct fwrule *rules, size_t n, const struct fwpacket *p)
{
	for (size_t i = 0; i < n; i++) {
		const struct fwrule *r = &rules[i];

		if (r->enabled && r->protocol == p->protocol && in(&r->addresses, p->address) &&
			in(&r->ports, p->port) && in(&r->source_ports, p->source_port) &&
			(r->icmp_type < 0 || r->icmp_type == p->icmp_type) &&
			(r->icmp_code < 0 || r->icmp_code == p->icmp_code))
			return r->action;
	}
	return FW_REJECT;
}

/* A value at, or beside, an end of one of the ranges. */
static uint32_t near(const struct fwranges *r, unsigned chance)
{
	const struct fwrange *at = r->n ? &r->at[chance % r->n] : NULL;

	if (!at)
		return chance;
	switch (chance / 7 % 4) {
	case 0:
		return at->low;
	case 1:
		return at->high;
	case 2:
		return at->low - 1;
	default:
		return at->high + 1;
	}
}

static void check_packets(const struct fwrule *rules, size_t n, const struct fwplan *plan)
{
	unsigned chance = 1;

	for (int i = 0; n > 0 && i < PACKETS_MAX; i++) {
		const struct fwrule *r = &rules[(unsigned)i % n];
		struct fwpacket p = { .protocol = r->protocol };

		chance = chance * 1103515245 + 12345;
		p.address = near(&r->addresses, chance >> 3);
		if (p.protocol == IPPROTO_ICMP) {
			p.icmp_type = (uint8_t)(r->icmp_type + (chance >> 9) % 2);
			p.icmp_code = (uint8_t)(r->icmp_code + (chance >> 11) % 2);
		} else {
			p.port = (uint16_t)near(&r->ports, chance >> 5);
			p.source_port = (uint16_t)near(&r->source_ports, chance >> 7);
		}
		assert(fwplan_judge(plan, &p) == judge(rules, n, &p));
	}
}

/* Of a key of this shape, the protocol included. */
static unsigned fields(unsigned shape)
{
	return 1 + (unsigned)__builtin_popcount(shape & ~(unsigned)FWSHAPE_RANGES);
}

/* pipapo sets refuse overlapping elements. */
static void check_sets(const struct fwplan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		assert(plan->at[i].n > 0 && fields(plan->at[i].shape) <= FWPLAN_FIELDS);
	assert(fwplan_is_alike(plan, plan));
}

/* The rules one by one; fwjson_plan reads the same members. */
static size_t read_rules(const json_t *list, enum fwdirection d, struct fwrule *ret)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		const struct fwrule_text t = {
			.action = json_string_value(json_object_get(v, "action")),
			.protocol = json_string_value(json_object_get(v, "protocol")),
			.destination_port =
				json_string_value(json_object_get(v, "destination_port")),
			.source_port = json_string_value(json_object_get(v, "source_port")),
			.address = json_string_value(
				json_object_get(v, d == FW_INGRESS ? "source" : "destination")),
			.icmp_type = json_string_value(json_object_get(v, "icmp_type")),
			.icmp_code = json_string_value(json_object_get(v, "icmp_code")),
			.state = json_string_value(json_object_get(v, "state")),
		};

		if (fwrule_parse(&t, &ret[i], NULL) < 0)
			abort(); /* the order's check let it pass */
	}
	return i;
}

static void check_direction(const json_t *list, enum fwdirection d)
{
	struct fwrule rules[RULES_MAX] = {};
	struct fwplan plan = {};
	struct err err = {};
	size_t n;
	int r;

	if (json_array_size(list) > RULES_MAX)
		return;
	n = read_rules(list, d, rules);
	r = fwjson_plan(list, d, &plan, &err);
	assert(r == 0 || (r == -E2BIG && err.code == ERR_CONTAINER_FIREWALL_RULE_LIMIT));
	if (r == 0) {
		check_sets(&plan);
		check_packets(rules, n, &plan);
	}
	fwplan_done(&plan);
	for (size_t i = 0; i < n; i++)
		fwrule_done(&rules[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *params = fuzz_text(data, size), *text = xasprintf(ORDER, params);
	_cleanup_order_ struct order o = {};
	struct err err = {};

	if (order_parse(text, strlen(text), &o, &err) < 0 || order_check(&o, &err) < 0)
		return 0;
	check_direction(json_object_get(o.params, "ingress"), FW_INGRESS);
	check_direction(json_object_get(o.params, "egress"), FW_EGRESS);
	return 0;
}
