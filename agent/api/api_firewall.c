/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET …/firewall/rules (hoody-api.md section 8). */
#include "agent/api/api_handlers.h"
#include "agent/host/ctnet.h"
#include "agent/state/desired.h"
#include "agent/state/fwlist.h"
#include "proto/jsonx.h"

/* Each rule with how often it has decided. */
static json_t *with_counters(
	struct agent *a, const struct container *c, enum fwdirection direction, size_t *bytes)
{
	json_t *rules = fwlist_get(a->store, c->spec.id, direction), *rule;
	_cleanup_(freep) char *text = NULL;
	size_t n, i;

	if (!rules)
		return json_array();
	text = jsonx_dump(rules);
	*bytes += strlen(text);
	n = json_array_size(rules);
	_cleanup_(freep) uint64_t *packets = xcalloc(n, sizeof(*packets));
	_cleanup_(freep) uint64_t *octets = xcalloc(n, sizeof(*octets));

	ctnet_count(a, c, direction, packets, octets, n);
	json_array_foreach(rules, i, rule) {
		(void)json_object_set_new(rule, "direction", json_string(fwlist_names[direction]));
		(void)json_object_set_new(rule, "packets", json_integer((json_int_t)packets[i]));
		(void)json_object_set_new(rule, "bytes", json_integer((json_int_t)octets[i]));
	}
	return rules;
}

/* To what no rule is for: a direction that has lost its last rule is closed still. */
static bool is_closed(const struct agent *a, const struct container *c, enum fwdirection direction)
{
	_cleanup_json_ json_t *rules = fwlist_get(a->store, c->spec.id, direction);

	return rules != NULL;
}

void api_firewall_rules(struct api_call *c)
{
	const struct container *found = api_container(c);
	size_t bytes = 0, n;
	json_t *ingress, *egress;

	if (!found)
		return;
	ingress = with_counters(c->agent, found, FW_INGRESS, &bytes);
	egress = with_counters(c->agent, found, FW_EGRESS, &bytes);
	n = json_array_size(ingress) + json_array_size(egress);
	api_whole(c, n);
	api_ok(c, 200, "firewall rules",
		json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:{s:b, s:b}}", "rule_count",
			(json_int_t)n, "byte_count", (json_int_t)bytes, "max_rules",
			(json_int_t)FWLIST_RULES_MAX, "max_bytes", (json_int_t)FWLIST_BYTES_MAX,
			"ingress", ingress, "egress", egress, "closed", "ingress",
			is_closed(c->agent, found, FW_INGRESS), "egress",
			is_closed(c->agent, found, FW_EGRESS)));
}
