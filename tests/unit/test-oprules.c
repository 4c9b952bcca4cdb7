/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of ops: params.json against every schema, the bounds of lengths, what section 3
 * requires, lanes. */
#include "proto/oprules.h"
#include "tests/unit/vector.h"

static void judge(
	enum op op, const json_t *params, const char *field, const char *reason, const char *name)
{
	struct err err = { 0 };
	int r = oprules_check(op, params, &err);

	if (!field) {
		TAP_OK(r == 0 && !err.code, "%s: accepted %s", name, err.message);
		return;
	}
	if (!TAP_OK(r == -EINVAL && err.code == ERR_INVALID_PARAMS &&
			    strcmp(err.field, field) == 0 &&
			    strcmp(err.reason, reason ? reason : "") == 0,
		    "%s: %s", name, err.message))
		TAP_NOTE("got \"%s\" %s, want \"%s\" %s", err.field, err.reason, field,
			reason ? reason : "");
}

static void test_vectors(bool seen[static OP_COUNT])
{
	_cleanup_json_ json_t *v = vector_load("params.json");
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(v, "cases"), i, c) {
		const char *wire = json_string_value(json_object_get(c, "op"));
		enum op op = oprules_find(wire);
		char name[128];

		if (op == OP_NONE)
			TAP_BAIL("params.json: case %zu has no op of ours", i);
		(void)snprintf(name, sizeof(name), "%s case %zu", wire, i);
		judge(op, json_object_get(c, "params"),
			json_string_value(json_object_get(c, "field")),
			json_string_value(json_object_get(c, "reason")), name);
		seen[op] |= !json_object_get(c, "field");
	}
}

static bool begins(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The rows agree with the sentence of section 3. */
static void test_rows(const bool seen[static OP_COUNT])
{
	static const char *const families[] = { "container.", "env.", "snapshot.", "firewall.",
		"network." };
	const json_t *none = NULL;

	for (int i = OP_NONE + 1; i < OP_COUNT; i++) {
		enum op op = (enum op)i;
		const char *wire = oprules_wire(op);
		bool container = false;
		bool project = strcmp(wire, "container.create") == 0 ||
			       strcmp(wire, "container.copy") == 0 ||
			       strcmp(wire, "project.delete") == 0;

		for (size_t f = 0; f < countof(families); f++)
			container |= begins(wire, families[f]);
		TAP_OK(*wire && oprules_find(wire) == op && seen[op], "%s is known and tested",
			wire);
		TAP_OK(oprules_needs_container(op, none) == container &&
				oprules_needs_project(op, none) == project,
			"%s: what it requires", wire);
		TAP_OK(oprules_timeout_s(op, none) >= 1 && oprules_timeout_s(op, none) <= 600,
			"%s: its time", wire);
	}
	TAP_EQ(oprules_find(""), OP_NONE, "the empty op");
	TAP_EQ(oprules_find("container.explode"), OP_NONE, "an unknown op");
	TAP_EQ(oprules_find("container.start "), OP_NONE, "nearly one");
}

static char *repeat(const char *s, size_t n)
{
	char *text = xcalloc(n * strlen(s) + 1, 1), *at = text;

	while (n-- > 0)
		at = stpcpy(at, s);
	return text;
}

/* A text of @max times @s in a member is accepted, and one more is refused. */
static const struct {
	enum op op;
	const char *head, *s, *tail;
	size_t max;
	const char *field;
} lengths[] = {
	{ OP_CONTAINER_CREATE, "{\"image\":\"a\",\"name\":\"", "a", "\"}", 100, "name" },
	{ OP_CONTAINER_CREATE, "{\"image\":\"", "a", "\"}", 255, "image" },
	{ OP_CONTAINER_CREATE, "{\"image\":\"a\",\"environment_vars\":{\"A\":\"", "x", "\"}}", 4096,
		"environment_vars.A" },
	{ OP_ENV_SET, "{\"key\":\"A\",\"value\":\"", "\xc3\xa9", "\"}", 4096, "value" },
	{ OP_ENV_UNSET, "{\"key\":\"", "A", "\"}", 128, "key" },
	{ OP_SNAPSHOT_CREATE, "{\"alias\":\"", "\xe2\x82\xac", "\"}", 100, "alias" },
	{ OP_SNAPSHOT_DELETE, "{\"name\":\"", "a", "\"}", 100, "name" },
	{ OP_FIREWALL_ADD,
		"{\"direction\":\"ingress\",\"rule\":{\"action\":\"drop\",\"protocol\":\"tcp\","
		"\"description\":\"",
		"x", "\"}}", 255, "rule.description" },
	{ OP_NETWORK_CONFIGURE, "{\"type\":\"block\",\"comment\":\"", "x", "\"}", 1000, "comment" },
	{ OP_SHARE_UPDATE, "{\"share_id\":\"cccccccccccccccccccccccc\",\"alias\":\"", "a", "\"}",
		63, "alias" },
	{ OP_PROXY_ALIAS,
		"{\"alias_id\":\"eeeeeeeeeeeeeeeeeeeeeeee\",\"enabled\":true,\"target\":null,"
		"\"alias\":\"",
		"a", "\"}", 61, "alias" },
};

static void test_lengths(void)
{
	for (size_t i = 0; i < 2 * countof(lengths); i++) {
		size_t row = i / 2, n = lengths[row].max + i % 2;
		_cleanup_(freep) char *text = repeat(lengths[row].s, n);
		_cleanup_(freep) char *json =
			xasprintf("%s%s%s", lengths[row].head, text, lengths[row].tail);
		_cleanup_json_ json_t *v = json_loads(json, 0, NULL);
		char name[64];

		(void)snprintf(name, sizeof(name), "%s of %zu", lengths[row].field, n);
		if (!v)
			TAP_BAIL("%s: not JSON", name);
		judge(lengths[row].op, v, i % 2 ? lengths[row].field : NULL, NULL, name);
	}
}

static void test_env_count(void)
{
	for (int n = 256; n <= 257; n++) {
		_cleanup_json_ json_t *v = json_pack("{s:{}}", "vars");
		char key[8];

		for (int i = 0; i < n; i++) {
			(void)snprintf(key, sizeof(key), "K%d", i);
			(void)json_object_set_new(
				json_object_get(v, "vars"), key, json_string("v"));
		}
		judge(OP_ENV_MERGE, v, n == 256 ? NULL : "vars", NULL, "env entries");
	}
}

static void expect_lanes(enum op op, const char *params, const char *want)
{
	_cleanup_json_ json_t *v = json_loads(params, 0, NULL);
	char got[256] = "";
	_cleanup_lanes_ struct oprules_lanes l = {};

	oprules_lanes(op, "c0", "p0", v, &l);
	for (size_t i = 0; i < l.n; i++) {
		strcat(got, i ? " " : "");
		strcat(got, l.name[i]);
	}
	TAP_STREQ(got, want, "lanes of %s", oprules_wire(op));
}

static void test_lanes(void)
{
	expect_lanes(OP_CONTAINER_START, "{}", "container:c0");
	expect_lanes(OP_CONTAINER_SYNC, "{}", "container:c0");
	expect_lanes(
		OP_CONTAINER_COPY, "{\"source_container_id\":\"c1\"}", "container:c0 container:c1");
	expect_lanes(OP_FIREWALL_RESET, "{}", "container:c0");
	expect_lanes(OP_SHARE_CREATE,
		"{\"share_id\":\"s\",\"source_container_id\":\"c1\",\"target_container_id\":"
		"\"c2\"}",
		"share:s container:c1 container:c2");
	expect_lanes(OP_SHARE_CREATE,
		"{\"share_id\":\"s\",\"source_container_id\":\"c1\",\"target_project_id\":\"p2\"}",
		"share:s container:c1 project:p2");
	expect_lanes(OP_SHARE_UPDATE, "{\"share_id\":\"s\"}", "share:s");
	expect_lanes(OP_SHARE_MOUNT, "{\"share_id\":\"s\",\"container_id\":\"c2\"}",
		"share:s container:c2");
	expect_lanes(OP_IMAGE_PULL, "{}", "image");
	expect_lanes(OP_PROXY_DOCUMENT, "{\"scope\":\"container\"}", "document:c0");
	expect_lanes(OP_PROXY_DOCUMENT, "{\"scope\":\"project\"}", "document:p0");
	expect_lanes(OP_PROXY_ALIAS, "{}", "proxy");
	expect_lanes(OP_PROJECT_DELETE, "{}", "project:p0");
	expect_lanes(OP_NODE_RESYNC, "{}", "node");
}

int main(void)
{
	_cleanup_json_ json_t *timeout = json_pack("{s:i}", "timeout_s", 7);
	_cleanup_json_ json_t *scope = json_pack("{s:s}", "scope", "project");
	_cleanup_json_ json_t *list = json_array();
	bool seen[OP_COUNT] = { false };

	test_vectors(seen);
	test_rows(seen);
	test_lengths();
	test_env_count();
	test_lanes();
	TAP_EQ(oprules_timeout_s(OP_CONTAINER_STOP, timeout), 7, "timeout_s");
	TAP_EQ(oprules_timeout_s(OP_CONTAINER_STOP, NULL), 30, "stop waits 30 s");
	TAP_OK(oprules_needs_project(OP_PROXY_DOCUMENT, scope) &&
			!oprules_needs_container(OP_PROXY_DOCUMENT, scope),
		"a document needs what its scope names");
	TAP_OK(oprules_kind(OP_ENV_SET) == OPRULES_SET &&
			oprules_kind(OP_CONTAINER_START) == OPRULES_ACT,
		"kinds");
	judge(OP_NODE_RESYNC, list, "params", NULL, "params a list");
	return tap_done();
}
