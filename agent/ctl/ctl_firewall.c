/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firewall rules as people say them: "allow web 443/tcp from 10.0.0.0/8" is a row of the API's.
 *
 * To move a rule is to replace all of its direction by themselves in another order: the API has
 * no names for rules. Who changes them in between has changed them for nothing; the manual says
 * so. */
#include "agent/ctl/ctl_change.h"
#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_keys.h"
#include "agent/ctl/ctl_text.h"
#include "proto/jsonx.h"

static enum ctl_exit refuse(struct err *err, const char *word, const char *want)
{
	(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL, "\"%.60s\": want %s", word, want);
	return CTL_USAGE;
}

/* --- allow, drop, reject --- */

static bool is_protocol(const char *word)
{
	static const char *const known[] = { "tcp", "udp", "icmp4", "icmp" };

	for (size_t i = 0; i < countof(known); i++)
		if (strcmp(known[i], word) == 0)
			return true;
	return false;
}

static enum ctl_exit read_what(const char *word, json_t *body, struct err *err)
{
	const char *slash = strchr(word, '/'), *protocol = slash               ? slash + 1
							   : is_protocol(word) ? word
									       : "tcp";
	_cleanup_(freep) char *ports = slash ? xasprintf("%.*s", (int)(slash - word), word)
				       : is_protocol(word) ? NULL
							   : xstrdup(word);

	if (!is_protocol(protocol) || (ports && (*ports < '0' || *ports > '9')))
		return refuse(
			err, word, "a port and a protocol: 443/tcp, 53/udp, 8000-8100, icmp4");
	jsonx_set_string(body, "protocol", strcmp(protocol, "icmp") == 0 ? "icmp4" : protocol);
	if (ports)
		jsonx_set_string(body, "destination_port", ports);
	return CTL_OK;
}

/* Which way, and how many words that took. */
static enum ctl_exit read_peer(const struct ctl *ctl, json_t *body, const char **ret_direction,
	size_t *ret_words, struct err *err)
{
	const char *word = ctl->rest ? ctl->rest[0] : NULL;
	bool from = word && strcmp(word, "from") == 0, to = word && strcmp(word, "to") == 0;

	*ret_direction = to ? "egress" : "ingress";
	*ret_words = from || to ? 2 : 0;
	if (!from && !to)
		return CTL_OK;
	if (!ctl->rest[1])
		return refuse(err, word, "an address or a network behind it, or any");
	if (strcmp(ctl->rest[1], "any") != 0)
		jsonx_set_string(body, from ? "source" : "destination", ctl->rest[1]);
	return CTL_OK;
}

enum ctl_exit ctl_firewall_rule(const struct ctl *ctl, struct err *err)
{
	_cleanup_json_ json_t *body = jsonx_pack("{s:s}", "action", ctl->verb);
	_cleanup_(freep) char *id = NULL, *path = NULL;
	const char *direction = NULL;
	size_t words = 0;
	enum ctl_exit e = read_what(ctl->args[1], body, err);

	if (e == CTL_OK)
		e = read_peer(ctl, body, &direction, &words, err);
	if (e == CTL_OK)
		e = ctl_keys_read(ctl, words, direction, body, err);
	if (e == CTL_OK)
		e = ctl_find(ctl, ctl->args[0], &id, err);
	if (e != CTL_OK)
		return e;
	path = xasprintf("/containers/%s/firewall/%s", id, direction);
	return ctl_change(ctl, "POST", path, body, err);
}

/* --- move --- */

/* From 1 on; 0: it is no place among @n. */
static size_t place_of(const char *word, size_t n)
{
	char *end;
	unsigned long place = strtoul(word, &end, 10);

	return *word >= '0' && *word <= '9' && !*end && place <= n ? place : 0;
}

/* A rule as it may be given: without what is told of it alone. */
static json_t *given(const json_t *rule)
{
	static const char *const told[] = { "direction", "packets", "bytes" };
	json_t *copy = json_copy((json_t *)(uintptr_t)rule);

	for (size_t i = 0; i < countof(told); i++)
		(void)json_object_del(copy, told[i]);
	return copy;
}

static json_t *moved(const json_t *rules, size_t from, size_t to)
{
	json_t *all = json_array(), *rule;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)rules, i, rule)
		if (i != from)
			(void)json_array_append_new(all, given(rule));
	(void)json_array_insert_new(all, to, given(json_array_get(rules, from)));
	return all;
}

enum ctl_exit ctl_firewall_move(const struct ctl *ctl, struct err *err)
{
	const char *direction = ctl->args[1];
	_cleanup_(freep) char *id = NULL, *path = NULL;
	_cleanup_json_ json_t *data = NULL, *body = NULL;
	const json_t *rules;
	size_t n, from, to;
	enum ctl_exit e;

	if (strcmp(direction, "ingress") != 0 && strcmp(direction, "egress") != 0)
		return refuse(err, direction, "ingress or egress");
	e = ctl_find(ctl, ctl->args[0], &id, err);
	if (e != CTL_OK)
		return e;
	path = xasprintf("/containers/%s/firewall/rules", id);
	e = ctl_http_ask(ctl, "GET", path, NULL, false, &data, err);
	if (e != CTL_OK)
		return e;
	rules = json_object_get(data, direction);
	n = json_array_size(rules);
	from = place_of(ctl->args[2], n);
	to = place_of(ctl->args[3], n);
	if (!from || !to) {
		(void)err_set(err, -ENOENT, ERR_FIREWALL_RULE_NOT_FOUND, NULL,
			"%s has %zu rule%s for %s: there is no place %.20s", ctl->args[0], n,
			ctl_text_s((int64_t)n), direction, from ? ctl->args[3] : ctl->args[2]);
		return CTL_FAILED;
	}
	body = jsonx_pack("{s:o}", direction, moved(rules, from - 1, to - 1));
	return ctl_change(ctl, "PUT", path, body, err);
}
