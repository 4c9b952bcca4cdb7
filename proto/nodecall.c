/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/nodecall.h"

#include "proto/ident.h"
#include "proto/jsonx.h"

char *nodecall_orders_path(const char *node_id, uint64_t after, uint64_t wait_s, uint64_t limit)
{
	return xasprintf("/nodes/%s/orders?after=%llu&wait=%llu&limit=%llu", node_id,
		(unsigned long long)after, (unsigned long long)wait_s, (unsigned long long)limit);
}

char *nodecall_reports_path(const char *node_id)
{
	return xasprintf("/nodes/%s/reports", node_id);
}

char *nodecall_stats_path(const char *node_id)
{
	return xasprintf("/nodes/%s/stats", node_id);
}

const char *nodecall_base_path(const char *url)
{
	const char *host = strstr(url, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;

	return path ? path : "";
}

void nodecall_orders_done(struct nodecall_orders *o)
{
	orderpack_done(&o->pack);
	*o = (struct nodecall_orders){};
}

/* data of the public envelope. */
static int open_envelope(const void *body, size_t size, json_t **ret_body, const json_t **ret_data)
{
	struct err err;
	int r = jsonx_parse(body, size, ERR_INTERNAL, ret_body, &err);

	if (r < 0)
		return -EBADMSG;
	*ret_data = json_object_get(*ret_body, "data");
	return json_is_object(*ret_data) ? 0 : -EBADMSG;
}

/* An interval that the API wishes. */
static int64_t read_interval(const json_t *pace, const char *key, int64_t low, int64_t high)
{
	const json_t *v = json_object_get(pace, key);

	return json_is_integer(v) ? MAX_OF(MIN_OF((int64_t)json_integer_value(v), high), low) : -1;
}

static struct nodecall_pace read_pace(const json_t *body)
{
	const json_t *pace = json_object_get(json_object_get(body, "meta"), "pace");
	const char *until = json_string_value(json_object_get(pace, "stats_until"));
	int64_t until_ms = 0;

	if (!until || ident_time_parse(until, &until_ms) < 0)
		until_ms = 0;
	return (struct nodecall_pace){
		.said = json_is_object(pace),
		.poll_wait_s = read_interval(pace, "poll_wait_s", 1, NODECALL_POLL_WAIT_MAX_S),
		.spread_s = read_interval(pace, "spread_s", 0, NODECALL_SPREAD_MAX_S),
		.stats_interval_s =
			read_interval(pace, "stats_interval_s", 0, NODECALL_STATS_MAX_S),
		.stats_until_ms = until_ms,
	};
}

static int pack_list(const json_t *list, size_t max, struct orderpack *pack, uint64_t *ret_n)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > max)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *text = jsonx_dump(json_array_get(list, i));

		if (!text || orderpack_add(pack, text, strlen(text)) < 0)
			return -EBADMSG;
	}
	*ret_n = n;
	return 0;
}

int nodecall_read_orders(const void *body, size_t size, struct nodecall_orders *ret)
{
	_cleanup_nodecall_orders_ struct nodecall_orders o = {};
	_cleanup_json_ json_t *v = NULL;
	const json_t *data, *keysets;
	int64_t head_seq = 0;
	struct err err;
	int r = open_envelope(body, size, &v, &data);

	if (r < 0)
		return r;
	keysets = json_object_get(data, "keysets");
	if (keysets && !json_is_null(keysets))
		r = pack_list(keysets, ORDERPACK_KEYSETS_MAX, &o.pack, &o.n_keysets);
	if (r >= 0)
		r = pack_list(json_object_get(data, "orders"), ORDERPACK_MAX, &o.pack, &o.n_orders);
	if (r >= 0)
		r = jsonx_int(data, "head_seq", false, 0, (int64_t)IDENT_SEQ_MAX, &head_seq,
			ERR_INTERNAL, &err);
	if (r < 0)
		return -EBADMSG;
	o.head_seq = (uint64_t)head_seq;
	o.pace = read_pace(v);
	*ret = o;
	o = (struct nodecall_orders){};
	return 0;
}

struct nodecall_pace nodecall_read_pace(const void *body, size_t size)
{
	_cleanup_json_ json_t *v = NULL;
	struct err err;

	if (size == 0 || jsonx_parse(body, size, ERR_INTERNAL, &v, &err) < 0)
		return (struct nodecall_pace){};
	return read_pace(v);
}

int nodecall_read_acked(
	const void *body, size_t size, uint64_t *ret_acked_seq, struct nodecall_pace *ret_pace)
{
	_cleanup_json_ json_t *v = NULL;
	const json_t *data;
	int64_t acked = 0;
	struct err err;

	if (open_envelope(body, size, &v, &data) < 0 ||
		jsonx_int(data, "acked_seq", true, 0, INT64_MAX, &acked, ERR_INTERNAL, &err) < 0)
		return -EBADMSG;
	*ret_acked_seq = (uint64_t)acked;
	*ret_pace = read_pace(v);
	return 0;
}
