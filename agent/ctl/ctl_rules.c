/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl firewall list: a numbered table for each direction, and what becomes of all else. */
#include "agent/ctl/ctl_rules.h"
#include "agent/ctl/ctl_value.h"
#include "proto/jsonx.h"

struct direction {
	const char *key, *name, *peer;
};

static const struct direction directions[] = {
	{ "ingress", "Ingress", "source" },
	{ "egress", "Egress", "destination" },
};

/* "443", "from 1024-2048 to 443", "echo-request" */
static char *ports(const json_t *rule)
{
	const char *from = ctl_text_of(rule, "source_port"),
		   *to = ctl_text_of(rule, "destination_port"),
		   *type = ctl_text_of(rule, "icmp_type"), *code = ctl_text_of(rule, "icmp_code");

	if (type)
		return xasprintf("type %s%s%s", type, code ? " code " : "", code ? code : "");
	if (from)
		return xasprintf("from %s%s%s", from, to ? " to " : "", to ? to : "");
	return to ? xstrdup(to) : NULL;
}

static enum ctl_colour colour_of(const char *action)
{
	return !action ? CTL_PLAIN : strcmp(action, "allow") == 0 ? CTL_GREEN : CTL_RED;
}

static void add_rule(
	struct ctl_text *t, size_t number, const struct direction *d, const json_t *rule)
{
	const char *action = ctl_text_of(rule, "action"), *peer = ctl_text_of(rule, d->peer),
		   *state = ctl_text_of(rule, "state");
	bool is_off = state && strcmp(state, "disabled") == 0;
	_cleanup_(freep) char *port = ports(rule);
	char bytes[CTL_TEXT_MAX];

	ctl_text_number(t, (int64_t)number);
	ctl_text_cell(t, is_off ? "off" : "on", is_off ? CTL_DIM : CTL_PLAIN);
	ctl_text_cell(t, action, is_off ? CTL_DIM : colour_of(action));
	ctl_text_cell(t, ctl_text_of(rule, "protocol"), CTL_PLAIN);
	ctl_text_cell(t, port ? port : "any", CTL_PLAIN);
	ctl_text_cell(t, peer ? peer : "any", CTL_PLAIN);
	ctl_text_number(t, json_integer_value(json_object_get(rule, "packets")));
	ctl_text_right(t, ctl_text_size(json_integer_value(json_object_get(rule, "bytes")), bytes),
		CTL_PLAIN);
	ctl_text_cell(t, ctl_text_of(rule, "description"), CTL_PLAIN);
}

static void print_rules(const struct ctl *ctl, const struct direction *d, const json_t *rules)
{
	const char *const heads[] = { "#", "STATE", "ACTION", "PROTOCOL", "PORTS",
		d->peer[0] == 's' ? "FROM" : "TO", "PACKETS", "BYTES", "DESCRIPTION" };
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(heads, countof(heads));
	json_t *rule;
	size_t i;

	ctl_text_fit(t, countof(heads) - 1, CTL_FIT_TEXT);
	json_array_foreach((json_t *)(uintptr_t)rules, i, rule)
		add_rule(t, i + 1, d, rule);
	ctl_text_print(t, stdout, ctl->colour);
}

enum ctl_exit ctl_rules_show(
	const struct ctl *ctl, const char *path, const json_t *data, struct err *err)
{
	(void)path;
	(void)err;
	for (size_t i = 0; i < countof(directions); i++) {
		const struct direction *d = &directions[i];
		const json_t *rules = json_object_get(data, d->key);
		bool is_closed =
			json_array_size(rules) > 0 ||
			json_is_true(json_object_get(json_object_get(data, "closed"), d->key));

		printf("%s%s: %s\n", i ? "\n" : "", d->name,
			!is_closed ? "open"
			: json_array_size(rules) > 0
				? "closed to all else; the first rule that fits decides"
				: "closed to all");
		if (json_array_size(rules) > 0)
			print_rules(ctl, d, rules);
	}
	return CTL_OK;
}
