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
		jsonx_set_string(rule, "direction", fwlist_names[direction]);
		jsonx_set_int(rule, "packets", packets[i]);
		jsonx_set_int(rule, "bytes", octets[i]);
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
	json_t *ingress, *egress, *v;

	if (!found)
		return;
	ingress = with_counters(c->agent, found, FW_INGRESS, &bytes);
	egress = with_counters(c->agent, found, FW_EGRESS, &bytes);
	n = json_array_size(ingress) + json_array_size(egress);
	api_whole(c, n);
	v = json_object();
	jsonx_set_int(v, "rule_count", n);
	jsonx_set_int(v, "byte_count", bytes);
	jsonx_set_int(v, "max_rules", FWLIST_RULES_MAX);
	jsonx_set_int(v, "max_bytes", FWLIST_BYTES_MAX);
	jsonx_set(v, "ingress", ingress);
	jsonx_set(v, "egress", egress);
	jsonx_set(v, "closed",
		jsonx_pack("{s:b, s:b}", "ingress", is_closed(c->agent, found, FW_INGRESS),
			"egress", is_closed(c->agent, found, FW_EGRESS)));
	api_ok(c, 200, "firewall rules", v);
}
