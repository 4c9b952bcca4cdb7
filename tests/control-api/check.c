/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is what the node says what the protocol says? What is not becomes a violation, which tests look
 * at in "stats". */
#include <sodium.h>
#include <stdarg.h>

#include "tests/control-api/api.h"

#define REPORT_TYPE    "application/vnd.hoody.report+json"
#define VIOLATIONS_MAX 200

void api_violation(struct api *api, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (json_array_size(api->violations) < VIOLATIONS_MAX)
		(void)json_array_append_new(api->violations, json_string(text));
	api_ctl_event(api, "violation", json_pack("{s:s}", "text", text));
}

/* Members that section 6 asks for, by type; "!" marks a time. */
static const struct {
	const char *type;
	const char *members[10];
} shapes[] = {
	{ "node.hello", { "agent_version", "hostname", "kernel", "lxc_version", "pool",
				"public_key_hex", "capabilities", "high_seq" } },
	{ "node.inventory", { "containers", "images", "shares" } },
	{ "order", { "order_id", "order_seq", "op", "state" } },
	{ "container.status",
		{ "container_id", "project_id", "from_status", "to_status", "!transition_time",
			"duration_ms", "triggered_by", "metadata" } },
	{ "container.stats", { "interval_ms", "containers" } },
	{ "node.stats", { "uptime_s", "cores", "load", "cpu", "mem", "swap", "storage", "agent" } },
	{ "snapshot", { "container_id", "event", "data" } },
	{ "share", { "container_id", "event", "data" } },
	{ "network", { "event", "data" } }, /* nor is the host's forwarding */
	{ "firewall", { "event",
			      /* the node's own table, when it was healed, is no container's */
			      "data" } },
	{ "env", { "container_id", "event", "data" } },
	{ "proxy", { "event", "data" } }, /* nor is a project's document */
};

static void check_shape(struct api *api, const json_t *v)
{
	const char *type = json_string_value(json_object_get(v, "type"));

	if (!api_is_time(json_string_value(json_object_get(v, "at"))))
		api_violation(api, "report of type %s without a time of the form in `at`",
			type ? type : "?");
	for (size_t i = 0; type && i < countof(shapes); i++) {
		if (strcmp(shapes[i].type, type) != 0)
			continue;
		for (size_t j = 0; shapes[i].members[j]; j++) {
			const char *name = shapes[i].members[j];
			bool is_time = *name == '!';

			name += is_time;
			if (!json_object_get(v, name) ||
				(is_time &&
					!api_is_time(json_string_value(json_object_get(v, name)))))
				api_violation(api, "report of type %s: %s is missing or malformed",
					type, name);
		}
		return;
	}
	api_violation(api, "report of unknown type %s", type ? type : "(none)");
}

void api_check_stats(struct api *api, const json_t *v)
{
	static const char *const members[] = { "v", "boot_id", "interval_ms", "containers", "node",
		"dropped" };
	const char *node_id = json_string_value(json_object_get(v, "node_id"));

	if (!node_id || strcmp(node_id, api->node_id) != 0)
		api_violation(api, "statistics of another node");
	if (!api_is_time(json_string_value(json_object_get(v, "at"))))
		api_violation(api, "statistics without a time");
	for (size_t i = 0; i < countof(members); i++)
		if (!json_object_get(v, members[i]))
			api_violation(api, "statistics without %s", members[i]);
}

static bool is_terminal(const char *state)
{
	return state && (strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 ||
				strcmp(state, "rejected") == 0);
}

/* Both absent, or equal. */
static bool is_same_member(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return (!x && !y) || json_equal(x, y);
}

/* The same end may be told again (a duplicate was delivered); another end may not. */
static bool is_same_end(const char *before, const json_t *v)
{
	json_t *b = json_loads(before, 0, NULL);
	bool same = is_same_member(b, v, "state") && is_same_member(b, v, "error") &&
		    is_same_member(b, v, "finished_at");

	json_decref(b);
	return same;
}

static void check_order(struct api *api, const json_t *v, const char *text)
{
	const char *id = json_string_value(json_object_get(v, "order_id")),
		   *state = json_string_value(json_object_get(v, "state"));
	const json_t *error = json_object_get(v, "error");
	struct api_order *o = api_order_find(api, id);
	bool bad = state && (strcmp(state, "failed") == 0 || strcmp(state, "rejected") == 0);

	if (bad && (!json_is_string(json_object_get(error, "code")) ||
			   !json_is_string(json_object_get(error, "message"))))
		api_violation(api, "order %s ended %s without an error code and message",
			id ? id : "?", state);
	if (!o || !is_terminal(state))
		return;
	if (o->terminal) {
		if (!is_same_end(o->terminal, v)) {
			o->terminals++;
			api_violation(api, "order %s ended twice: %s", id, text);
		} else {
			api->n_duplicates++;
		}
		return;
	}
	o->terminal = xstrdup(text);
	o->terminals = 1;
	api->n_terminal++;
	api->last_terminal_ms = api_now_ms(NULL);
	if (!api->first_terminal_ms)
		api->first_terminal_ms = api->last_terminal_ms;
	if (strcmp(o->id, api->rotate_order) == 0 && strcmp(state, "succeeded") == 0) {
		api->active = api->rotate_key;
		api_write_trusted_keys(api);
	}
}

static void learn_key(struct api *api, const json_t *reports)
{
	size_t i;
	json_t *v;

	json_array_foreach(reports, i, v) {
		const char *hex = json_string_value(json_object_get(v, "public_key_hex"));

		if (!api->has_node_key && hex && api_unhex(hex, api->node_key, 32)) {
			api->has_node_key = true;
			api_log(api, "nodekey", json_pack("{s:s}", "public_key_hex", hex));
		}
	}
}

static void take_report(struct api *api, json_t *v)
{
	uint64_t seq = (uint64_t)json_integer_value(json_object_get(v, "seq"));
	char *text;

	if (seq <= api->acked_seq) {
		api->n_duplicates++;
		return;
	}
	text = json_dumps(v, JSON_COMPACT);
	check_shape(api, v);
	check_order(api, v, text);
	api_report_add(api, seq, text);
	api_log(api, "report", json_pack("{s:I, s:s}", "seq", (json_int_t)seq, "text", text));
	api_ctl_report(api, text, v);
	free(text);
}

static void check_chain(
	struct api *api, const json_t *batch, const char *payload, size_t size, uint64_t last_seq)
{
	static const uint8_t zeros[32];
	const char *prev_hex = json_string_value(json_object_get(batch, "prev"));
	uint8_t prev[32], digest[32];
	char hex[65];

	(void)crypto_hash_sha256(digest, (const uint8_t *)payload, size);
	if (memcmp(digest, api->prev, 32) == 0 && api->has_prev)
		return; /* the last one again: its acknowledgement was lost */
	if (!api_unhex(prev_hex, prev, 32))
		api_violation(api, "a batch without a prev of 64 hex characters");
	else if (memcmp(prev, api->has_prev ? api->prev : zeros, 32) != 0 &&
		 last_seq > api->acked_seq)
		api_violation(api, "the chain of batches is broken at report %llu",
			(unsigned long long)last_seq);
	memcpy(api->prev, digest, 32);
	api->has_prev = true;
	api_hex(digest, 32, hex);
	api_log(api, "batch", json_pack("{s:s}", "digest", hex));
}

int api_take_batch(struct api *api, const char *envelope, size_t size, uint64_t *ret_acked)
{
	_cleanup_(freep) char *payload = NULL;
	size_t payload_size = 0, i;
	const char *why;
	uint64_t before = 0;
	json_t *batch = api_dsse_open(envelope, REPORT_TYPE, NULL, &payload, &payload_size, &why),
	       *reports = json_object_get(batch, "reports"), *v;

	if (batch) {
		learn_key(api, reports);
		json_decref(api_dsse_open(envelope, REPORT_TYPE, api->node_key, NULL, NULL, &why));
	}
	if (!batch || why || !api->has_node_key) {
		api_violation(api, "a report batch is refused: %s",
			why ? why : "the node's key is not known");
		json_decref(batch);
		return 400;
	}
	api->n_batches++;
	api->batch_payload_bytes += payload_size;
	if (json_integer_value(json_object_get(batch, "v")) != 1 || !json_is_array(reports) ||
		!api_is_time(json_string_value(json_object_get(batch, "sent_at"))) ||
		strlen(json_string_value(json_object_get(batch, "boot_id"))
				? json_string_value(json_object_get(batch, "boot_id"))
				: "") != 32)
		api_violation(api, "a report batch is not of the form of section 6");
	check_chain(api, batch, payload, payload_size,
		(uint64_t)json_integer_value(json_object_get(
			json_array_get(reports, json_array_size(reports) - 1), "seq")));
	json_array_foreach(reports, i, v) {
		uint64_t seq = (uint64_t)json_integer_value(json_object_get(v, "seq"));

		if (seq <= before)
			api_violation(api, "report seq %llu does not rise above %llu",
				(unsigned long long)seq, (unsigned long long)before);
		before = seq;
		take_report(api, v);
	}
	*ret_acked = api->acked_seq;
	json_decref(batch);
	return 200;
}
