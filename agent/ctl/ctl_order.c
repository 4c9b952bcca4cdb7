/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl order verify: an envelope judged as the agent would judge it, but for what only its
 * journal knows (was the id used, is seq above?). */
#include <inttypes.h>

#include "agent/ctl/ctl_ask.h"
#include "agent/ctl/ctl_conf.h"
#include "agent/ctl/ctl_file.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_text.h"
#include "agent/ctl/ctl_trust.h"
#include "agent/ctl/ctl_value.h"
#include "proto/clock.h"
#include "proto/dsse.h"
#include "proto/jsonx.h"
#include "proto/order.h"

static int read_whole(const char *path, size_t max, char **ret, size_t *ret_size, struct err *err)
{
	int r = ctl_file_read(path, max, ret, ret_size, err);

	return r == -ENOENT ? err_set(err, r, ERR_CONFIG, path, "there is no %s", path) : r;
}

static int read_keys(
	const struct ctl *ctl, const struct conf *c, struct keyset *ret, struct err *err)
{
	_cleanup_json_ json_t *status = NULL;
	struct err ignored = {};

	if (ctl_ask(ctl, FRAME_CTL_STATUS, 0, &status, &ignored) != CTL_OK)
		status = NULL; /* what the file has then */
	return ctl_trust_read(c, status, ret, err);
}

static void print_order(const struct ctl *ctl, const struct order *o)
{
	_cleanup_json_ json_t *issued_at = jsonx_time(o->issued_ms),
			      *expires_at = jsonx_time(o->expires_ms);
	json_t *v;

	if (!ctl->json) {
		_cleanup_(freep) char *issued = ctl_value_time(ctl, issued_at),
				      *expires = ctl_value_time(ctl, expires_at);

		printf("good: order %s, seq %" PRIu64 "\n\n  op          %s\n  container   %s\n  "
		       "project     %s\n  issued      %s\n  expires     %s\n  signed by   %s\n",
			o->id, o->seq, o->op_name, ctl_text_or_dash(o->container_id),
			ctl_text_or_dash(o->project_id), issued, expires, o->kid);
		return;
	}
	v = json_object();
	jsonx_set_string(v, "id", o->id);
	jsonx_set_int(v, "seq", o->seq);
	jsonx_set_string(v, "op", o->op_name);
	jsonx_set_string(v, "container_id", o->container_id);
	jsonx_set_string(v, "project_id", o->project_id);
	jsonx_set(v, "issued_at", TAKE(issued_at));
	jsonx_set(v, "expires_at", TAKE(expires_at));
	jsonx_set_string(v, "kid", o->kid);
	jsonx_set(v, "params", json_incref(o->params));
	ctl_out_json(v);
	json_decref(v);
}

enum ctl_exit ctl_order_verify(const struct ctl *ctl, struct err *err)
{
	_cleanup_conf_ struct conf c = { 0 };
	_cleanup_(freep) char *text = NULL;
	_cleanup_order_ struct order order = {};
	struct order_trail trail;
	struct keyset keys;
	size_t size;
	int r;

	if (ctl_conf_read(ctl, &c, err) != CTL_OK)
		return CTL_CONFIG;
	r = read_keys(ctl, &c, &keys, err);
	if (r >= 0)
		r = read_whole(ctl->args[0], DSSE_ENVELOPE_MAX, &text, &size, err);
	if (r < 0)
		return CTL_FAILED;
	r = order_open(
		text, size, &keys, c.node.node_id, clock_ms(CLOCK_REALTIME), &order, &trail, err);
	if (r >= 0)
		r = order_check(&order, err);
	if (r < 0) {
		(void)err_add(err, r, "not good (%s)", err_wire(err->code));
		return CTL_FAILED;
	}
	print_order(ctl, &order);
	return CTL_OK;
}

/* --- plan --- */

static void print_plan(const struct ctl *ctl, const json_t *v)
{
	const char *container = ctl_text_of(v, "container_id");
	const json_t *error = json_object_get(v, "error");
	_cleanup_(freep) char *why = NULL;
	json_t *step;
	size_t i;

	if (ctl->json) {
		ctl_out_json(v);
		return;
	}
	printf("%s of %s would %s\n", ctl_text_or_dash(ctl_text_of(v, "op")),
		container ? container : "the node", ctl_text_or_dash(ctl_text_of(v, "would")));
	why = xasprintf("  %s (%s)", ctl_text_or_dash(ctl_text_of(error, "message")),
		ctl_text_or_dash(ctl_text_of(error, "code")));
	err_clean(why); /* it may tell of what stands in the file */
	if (error)
		puts(why);
	json_array_foreach(json_object_get(v, "steps"), i, step)
		printf("  %zu. %s%s\n", i + 1, ctl_text_or_dash(ctl_text_of(step, "name")),
			json_is_true(json_object_get(step, "undone_on_failure"))
				? " (undone if the order fails)"
				: "");
}

enum ctl_exit ctl_order_plan(const struct ctl *ctl, struct err *err)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_json_ json_t *envelope = NULL, *data = NULL;
	size_t size;
	enum ctl_exit e;

	if (read_whole(ctl->args[0], DSSE_ENVELOPE_MAX, &text, &size, err) < 0 ||
		jsonx_parse(text, size, ERR_MALFORMED_ENVELOPE, &envelope, err) < 0)
		return CTL_FAILED;
	e = ctl_http_ask(ctl, "POST", "/orders/plan", envelope, false, &data, err);
	if (e == CTL_OK)
		print_plan(ctl, data);
	return e;
}
