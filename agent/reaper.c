/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/reaper.h"

#include <time.h>

#include "agent/engine.h"
#include "agent/localorder.h"
#include "agent/snaplist.h"
#include "proto/jsonx.h"

#define AT_ONCE     32
#define AGAIN_MS    60000   /* an order that failed is made again after this */
#define LOOK_MS_MAX 3600000 /* a clock that was set is noticed after this */
#define USEC_PER_MS 1000ULL

struct reaper {
	struct agent *agent;
	sd_event_source *timer;
	int64_t tried_ms; /* what ended until then has been ordered to go */
};

static int64_t boottime_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void order_deletion(struct agent *a, const json_t *snapshot)
{
	const char *id = json_string_value(json_object_get(snapshot, "container_id"));
	const struct container *c = desired_find(a->desired, id);
	_cleanup_json_ json_t *params =
		json_pack("{s:O}", "name", json_object_get(snapshot, "name"));
	_cleanup_order_ struct order order = {};
	struct err err;

	if (c && engine_find(a->engine, OP_SNAPSHOT_DELETE, id))
		return; /* one after the other: the next look finds the rest */
	if (c && localorder_make(
			 a, OP_SNAPSHOT_DELETE, id, c->spec.project_id, params, &order, &err) == 0)
		engine_accept(a->engine, &order, "agent");
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct reaper *r = userdata;
	int64_t now_ms = agent_trusted_now_ms(r->agent);
	_cleanup_json_ json_t *expired = snaplist_expired(r->agent->store, now_ms, AT_ONCE);
	json_t *snapshot;
	size_t i;

	json_array_foreach(expired, i, snapshot) order_deletion(r->agent, snapshot);
	r->tried_ms = now_ms;
	reaper_look(r);
	return 0;
}

/* At the next end, and now and then while something is there that should have gone. */
void reaper_look(struct reaper *r)
{
	struct store *s = r->agent->store;
	int64_t next_ms = snaplist_next_expiry(s, r->tried_ms),
		oldest_ms = snaplist_next_expiry(s, 0), wait_ms = LOOK_MS_MAX;

	if (oldest_ms == 0) {
		(void)sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
		return;
	}
	if (next_ms > 0)
		wait_ms = MIN_OF(wait_ms, MAX_OF(next_ms - agent_trusted_now_ms(r->agent), 0));
	if (oldest_ms <= r->tried_ms)
		wait_ms = MIN_OF(wait_ms, AGAIN_MS);
	(void)sd_event_source_set_time(r->timer, (uint64_t)(boottime_ms() + wait_ms) * USEC_PER_MS);
	(void)sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

int reaper_new(struct agent *a, struct reaper **ret)
{
	struct reaper *r = xcalloc(1, sizeof(*r));
	int e = sd_event_add_time(a->event, &r->timer, CLOCK_BOOTTIME, 0, 100000, on_time, r);

	if (e < 0) {
		free(r);
		return e;
	}
	r->agent = a;
	reaper_look(r);
	*ret = r;
	return 0;
}

struct reaper *reaper_free(struct reaper *r)
{
	if (r) {
		r->timer = sd_event_source_disable_unref(r->timer);
		free(r);
	}
	return NULL;
}
