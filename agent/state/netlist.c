/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/netlist.h"

#include "proto/ident.h"
#include "proto/jsonx.h"

static json_t *column(struct store *s, const char *container_id, const char *query)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(s, query, "t", container_id);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 && !store_is_null(q, 0) ? json_loads(store_text(q, 0), 0, NULL) : NULL;
}

json_t *netlist_config(struct store *s, const char *container_id)
{
	return column(s, container_id, "SELECT config FROM network WHERE container_id=?1");
}

json_t *netlist_active(struct store *s, const char *container_id)
{
	return column(s, container_id, "SELECT active FROM network WHERE container_id=?1");
}

/* --- endpoints: scheme://[user[:password]@]host:port --- */

static const char *after_scheme(const char *url)
{
	const char *s = url ? strstr(url, "://") : NULL;

	return s ? s + 3 : "";
}

static bool has_credentials(const char *url)
{
	return strchr(after_scheme(url), '@');
}

char *netlist_endpoint(const char *url)
{
	const char *rest = after_scheme(url), *at = strchr(rest, '@');

	return xasprintf("%.*s%s", (int)(rest - url), url, at ? at + 1 : rest);
}

static bool keeps_secret(const char *old, const char *new)
{
	_cleanup_(freep) char *a = NULL, *b = NULL;

	if (!old || !new || has_credentials(new) || !has_credentials(old))
		return false;
	a = netlist_endpoint(old);
	b = netlist_endpoint(new);
	return strcmp(a, b) == 0;
}

void netlist_configure(
	struct store *s, const char *container_id, const json_t *params, int64_t now_ms)
{
	_cleanup_json_ json_t *old = netlist_config(s, container_id), *config = NULL;
	_cleanup_(freep) char *text = NULL;
	const char *was = json_string_value(json_object_get(old, "proxy"));

	config = json_deep_copy(params);
	(void)json_object_del(config, "timeout_s");
	if (keeps_secret(was, json_string_value(json_object_get(config, "proxy"))))
		jsonx_set_string(config, "proxy", was);
	text = jsonx_dump(config);
	store_must(store_exec(s,
		"INSERT INTO network(container_id, config, status, configured_ms) VALUES(?1, ?2, "
		"'configured', ?3) ON CONFLICT(container_id) DO UPDATE SET config=?2, "
		"status=iif(active IS NULL, 'configured', status), configured_ms=?3",
		"tti", container_id, text, now_ms));
}

void netlist_activate(
	struct store *s, const char *container_id, const json_t *active, int64_t now_ms)
{
	_cleanup_(freep) char *text = active ? jsonx_dump(active) : NULL;

	store_must(store_exec(s,
		"UPDATE network SET active=?2, status=?3, changed_ms=?4 WHERE container_id=?1",
		"ttti", container_id, text, active ? "running" : "stopped", now_ms));
}

void netlist_remove(struct store *s, const char *container_id)
{
	store_must(store_exec(s, "DELETE FROM network WHERE container_id=?1", "t", container_id));
}

void netlist_copy(
	struct store *s, const char *from_container, const char *to_container, int64_t now_ms)
{
	store_must(store_exec(s,
		"INSERT OR REPLACE INTO network(container_id, config, active, status, "
		"configured_ms) "
		"SELECT ?2, config, active, status, ?3 FROM network WHERE container_id=?1",
		"tti", from_container, to_container, now_ms));
}

/* --- as JSON --- */

static json_t *time_of(int64_t ms)
{
	return ms == 0 ? json_null() : jsonx_time(ms);
}

static json_t *or_null(const json_t *config, const char *key)
{
	json_t *v = json_object_get(config, key);

	return v ? json_incref(v) : json_null();
}

static json_t *public_form(const json_t *config)
{
	static const char *const plain[] = { "type", "country", "city", "region", "comment" };
	const char *proxy = json_string_value(json_object_get(config, "proxy"));
	_cleanup_(freep) char *shown = proxy ? netlist_endpoint(proxy) : NULL;
	json_t *v = json_object(), *dns = json_object_get(config, "dns_servers");

	for (size_t i = 0; i < countof(plain); i++)
		jsonx_set(v, plain[i], or_null(config, plain[i]));
	jsonx_set_string(v, "proxy", shown);
	jsonx_set_bool(v, "credentials_configured", proxy && has_credentials(proxy));
	jsonx_set(v, "dns_servers",
		dns ? json_incref(dns) : jsonx_pack("[s, s]", "1.1.1.1", "8.8.8.8"));
	return v;
}

json_t *netlist_show(struct store *s, const char *container_id, bool is_running, enum errcode code,
	const char *problem, int64_t now_ms)
{
	_cleanup_json_ json_t *config = netlist_config(s, container_id),
			      *active = netlist_active(s, container_id);
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT status, configured_ms FROM network WHERE container_id=?1",
			"t", container_id);
	bool waits = active && !json_equal(active, config);
	int r = store_step(q);
	json_t *v;

	store_must(MIN_OF(r, 0));
	if (r <= 0 || !config)
		return jsonx_pack("{s:s, s:b}", "container_id", container_id, "configured", 0);
	v = public_form(config);
	jsonx_set_string(v, "container_id", container_id);
	jsonx_set_bool(v, "configured", true);
	jsonx_set_string(v, "status", problem ? "error" : waits ? "configured" : store_text(q, 0));
	if (waits) /* what traffic uses until the next start */
		jsonx_set(v, "active", public_form(active));
	jsonx_set(v, "configured_at", time_of(store_int(q, 1)));
	jsonx_set(v, "last_status_check", time_of(now_ms));
	jsonx_set_string(v, "last_error", problem);
	jsonx_set_string(v, "last_error_code", problem ? err_wire(code) : NULL);
	jsonx_set(v, "remote_status",
		jsonx_pack("{s:b, s:o}", "is_running", is_running, "last_check", time_of(now_ms)));
	return v;
}
