/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/fwjson.h"

static const char *text(const json_t *rule, const char *key)
{
	return json_string_value(json_object_get(rule, key));
}

static int parse(
	const json_t *rule, enum fwdirection direction, struct fwrule *ret, struct err *err)
{
	const struct fwrule_text t = {
		.action = text(rule, "action"),
		.protocol = text(rule, "protocol"),
		.destination_port = text(rule, "destination_port"),
		.source_port = text(rule, "source_port"),
		.address = text(rule, direction == FW_INGRESS ? "source" : "destination"),
		.icmp_type = text(rule, "icmp_type"),
		.icmp_code = text(rule, "icmp_code"),
		.state = text(rule, "state"),
	};

	return fwrule_parse(&t, ret, err);
}

int fwjson_plan(
	const json_t *rules, enum fwdirection direction, struct fwplan *ret, struct err *err)
{
	size_t n = json_array_size(rules);
	_cleanup_(freep) struct fwrule *at = xcalloc(n, sizeof(*at));
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = parse(json_array_get(rules, i), direction, &at[i], err);
	if (r == 0)
		r = fwplan_make(at, n, ret, err);
	for (size_t i = 0; i < n; i++)
		fwrule_done(&at[i]);
	return r;
}
