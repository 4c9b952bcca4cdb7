/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What has an end (snapshots, shares, aliases, environments to be tried again) goes by an order
 * of the agent's own, so that it is journaled, waits in its lanes and is reported like any
 * other: nothing is removed here. `kinds` has a row for each; one timer waits for the next end
 * of them all. At most AT_ONCE of a kind are ordered in one look, whatever waits already for a busy
 * container passed over; what is still there after `tried_ms` is ordered again, now and then, and
 * each (`tried`) ever more seldom: of a pool that is read-only nothing goes.
 *
 * Whether something has ended is a matter of the wall clock, which may be wrong.
 * agent/ops/heldtime.h says up to which time it is believed: until it has held for long enough,
 * or a signed answer of the control API has agreed, what has ended stays; a mere retry doesn't
 * wait for that. A clock that is set wakes us at once; and where it is set back, what was left out
 * by what it said before, at a start of ours or of a container's, comes back. */
#include "agent/ops/reaper.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "agent/common/journald.h"
#include "agent/engine/unfinished.h"
#include "agent/ops/heldtime.h"
#include "agent/ops/ownorder.h"
#include "agent/state/aliaslist.h"
#include "agent/state/desired.h"
#include "agent/state/envlist.h"
#include "agent/state/journal.h"
#include "agent/state/sharelist.h"
#include "agent/state/snaplist.h"
#include "proto/jsonx.h"

#define AT_ONCE     32
#define DUE_MAX     4096  /* that a look sees */
#define MORE_MS     1000  /* and the next of them after this */
#define AGAIN_MS    60000 /* an order that failed is made again after this, then after */
#define DOUBLES_MAX 6     /* twice as long, and so on: an hour in the end */
#define KINDS       4
#define LOOK_MS_MAX 3600000
#define USEC_PER_MS 1000ULL

/* A snapshot that is deleted is gone. A share or an alias can be made again, but it is access that
 * ends: what ended while we were away does not stay for long. */
static const struct heldtime_rule data_ends = { .hold_ms = 600000 },
				  access_ends = { .hold_ms = 60000, .seen = true };

struct reaper {
	struct agent *agent;
	sd_event_source *timer, *clock;
	int clock_fd;     /* wakes us when the clock is set */
	int64_t tried_ms; /* what ended until then has been ordered to go */
	bool more;        /* or at least as much of it as is ordered at once */
	/* Of what was and is still there: how often, and not again before which elapsed time. */
	json_t *tried[KINDS];
	struct heldtime held;
	int64_t wall_ms, boot_ms; /* of the present look */
	int64_t holds_at_ms;      /* boot time; 0: nothing waits for the clock to hold */
	bool said;                /* that something does */
};

/* One order at a time of its kind for a container, and of what is no container's for each: the next
 * look finds the rest. False: it is asked already. */
static bool order(struct agent *a, enum op op, const char *container_id, const char *project_id,
	json_t *params_steals)
{
	if (container_id ? unfinished_find(a->engine, op, container_id) != NULL
			 : unfinished_is_asked(a->engine, op, params_steals)) {
		json_decref(params_steals);
		return false;
	}
	ownorder_make(a, op, container_id, project_id, params_steals);
	return true;
}

static const struct container *container_of(struct agent *a, const json_t *row)
{
	return desired_find(a->desired, json_string_value(json_object_get(row, "container_id")));
}

static bool delete_snapshot(struct agent *a, const json_t *row)
{
	const struct container *c = container_of(a, row);

	return c && order(a, OP_SNAPSHOT_DELETE, c->spec.id, c->spec.project_id,
			    jsonx_pack("{s:O}", "name", json_object_get(row, "name")));
}

/* To unset what is not set changes nothing, and applies all there is. */
static bool apply_env(struct agent *a, const json_t *row)
{
	const struct container *c = container_of(a, row);
	_cleanup_json_ json_t *vars = NULL;
	char absent[8] = "_";

	if (!c)
		return false;
	vars = envlist_vars(a->store, c->spec.id);
	while (json_object_get(vars, absent) && strlen(absent) + 1 < sizeof(absent))
		strcat(absent, "_");
	return order(a, OP_ENV_UNSET, c->spec.id, c->spec.project_id,
		jsonx_pack("{s:s}", "key", absent));
}

static bool order_share(struct agent *a, enum op op, const json_t *row)
{
	return order(
		a, op, NULL, NULL, jsonx_pack("{s:O}", "share_id", json_object_get(row, "id")));
}

static bool delete_share(struct agent *a, const json_t *row)
{
	return order_share(a, OP_SHARE_DELETE, row);
}

static bool look_at_share(struct agent *a, const json_t *row)
{
	return order_share(a, OP_SHARE_UPDATE, row);
}

static bool order_alias(struct agent *a, const json_t *row, bool enabled)
{
	return order(a, OP_PROXY_ALIAS, NULL, NULL,
		jsonx_pack("{s:O, s:O, s:b, s:O, s:O}", "alias_id", json_object_get(row, "id"),
			"alias", json_object_get(row, "alias"), "enabled", enabled, "target",
			json_object_get(row, "target"), "expires_at",
			json_object_get(row, "expires_at")));
}

static bool disable_alias(struct agent *a, const json_t *row)
{
	return order_alias(a, row, false);
}

static bool put_alias(struct agent *a, const json_t *row)
{
	return order_alias(a, row, true);
}

/* What comes due: when the next after a time is, which have by now, what is ordered for one (false:
 * nothing), by which time (NULL: by the clock as it is, for it ends nothing), and what where that
 * was wrong: an alias's file that was not written by it, a share that was not mounted. */
static const struct kind {
	int64_t (*next)(struct store *s, int64_t after_ms);
	json_t *(*due)(struct store *s, int64_t after_ms, int64_t until_ms, int64_t limit);
	bool (*act)(struct agent *a, const json_t *row);
	const struct heldtime_rule *rule;
	bool (*bring_back)(struct agent *a, const json_t *row);
} kinds[KINDS] = {
	{ snaplist_next_expiry, snaplist_expired, delete_snapshot, &data_ends, NULL },
	{ envlist_next_retry, envlist_due, apply_env, NULL, NULL },
	{ sharelist_next_expiry, sharelist_expired, delete_share, &access_ends, look_at_share },
	{ aliaslist_next_expiry, aliaslist_expired, disable_alias, &access_ends, put_alias },
};

static int64_t next_after(struct store *s, int64_t after_ms)
{
	int64_t next_ms = 0;

	for (size_t i = 0; i < countof(kinds); i++) {
		int64_t ms = kinds[i].next(s, after_ms);

		if (ms > 0 && (next_ms == 0 || ms < next_ms))
			next_ms = ms;
	}
	return next_ms;
}

/* What an authentic order was issued at has been, whatever the clock says. */
static struct heldtime_span ended_of(const struct reaper *r, const struct kind *k)
{
	struct heldtime_span span = { 0, r->wall_ms };

	if (k->rule)
		span = heldtime_ended(&r->held, k->rule, r->wall_ms, r->boot_ms);
	if (span.after_ms == 0)
		span.until_ms = MAX_OF(span.until_ms, journal_latest_time(r->agent->store));
	return span;
}

/* By the clock it has ended, but the clock is not believed yet. */
static void note_waiting(struct reaper *r, const struct kind *k, const struct heldtime_span *ended)
{
	int64_t from_ms = ended->after_ms > 0 ? 0 : ended->until_ms,
		to_ms = ended->after_ms > 0 ? ended->after_ms : r->wall_ms,
		end_ms = k->next(r->agent->store, from_ms), at_ms;

	if (!k->rule || end_ms == 0 || end_ms > to_ms)
		return;
	at_ms = heldtime_holds_at(&r->held, k->rule);
	if (r->holds_at_ms == 0 || at_ms < r->holds_at_ms)
		r->holds_at_ms = at_ms;
}

static void say_waiting(struct reaper *r)
{
	if (r->holds_at_ms > 0 && !r->said)
		LOG(LOG_NOTICE, EXPIRY_WAITS, NO_FIELDS,
			"what has ended by the clock stays until the clock has held for long, or a "
			"signed answer of the control API agrees with it");
	r->said = r->holds_at_ms > 0;
}

static const char *word(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

/* An environment is another one at its next time. */
static char *key_of(const json_t *row)
{
	return xasprintf("%s%s %s %" JSON_INTEGER_FORMAT, word(row, "id"),
		word(row, "container_id"), word(row, "name"),
		json_integer_value(json_object_get(row, "retry_ms")));
}

static json_t *tried_again(const struct reaper *r, const json_t *before)
{
	json_int_t times = json_integer_value(json_object_get(before, "times"));

	return jsonx_pack("{s:I, s:I}", "times", MIN_OF(times + 1, (json_int_t)DOUBLES_MAX),
		"until_ms", (json_int_t)r->boot_ms + ((json_int_t)AGAIN_MS << times));
}

/* What is due no longer is forgotten. */
static void look_at(struct reaper *r, const struct kind *k)
{
	const struct heldtime_span ended = ended_of(r, k);
	_cleanup_json_ json_t *before = r->tried[k - kinds];
	_cleanup_json_ json_t *due =
		k->due(r->agent->store, ended.after_ms, ended.until_ms, DUE_MAX);
	const json_t *row;
	unsigned n = 0;
	size_t i;

	r->tried[k - kinds] = json_object();
	json_array_foreach(due, i, row) {
		_cleanup_(freep) char *key = key_of(row);
		json_t *tried = json_incref(json_object_get(before, key));

		if (n < AT_ONCE &&
			json_integer_value(json_object_get(tried, "until_ms")) <= r->boot_ms &&
			k->act(r->agent, row)) {
			json_t *again = tried_again(r, tried);

			json_decref(tried);
			tried = again;
			n++;
		}
		if (tried)
			jsonx_set(r->tried[k - kinds], key, tried);
	}
	r->more = r->more || n == AT_ONCE;
	note_waiting(r, k, &ended);
}

/* The clock has said @wrong_ms, and says something earlier now. */
static void bring_back(struct reaper *r, int64_t wrong_ms)
{
	if (r->wall_ms >= wrong_ms)
		return;
	for (const struct kind *k = kinds; k < kinds + countof(kinds); k++) {
		_cleanup_json_ json_t *back = NULL;
		const json_t *row;
		size_t i;

		if (!k->bring_back)
			continue;
		back = k->due(r->agent->store, r->wall_ms, wrong_ms, DUE_MAX);
		json_array_foreach(back, i, row)
			(void)k->bring_back(r->agent, row);
	}
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct reaper *r = userdata;
	int64_t offset_ms = r->held.offset_ms;

	r->wall_ms = agent_now_ms();
	r->boot_ms = agent_elapsed_ms();
	if (heldtime_look(&r->held, r->wall_ms, r->boot_ms)) {
		r->said = false;
		bring_back(r, offset_ms + r->boot_ms);
	}
	r->more = false;
	r->holds_at_ms = 0;
	for (const struct kind *k = kinds; k < kinds + countof(kinds); k++)
		look_at(r, k);
	say_waiting(r);
	r->tried_ms = MAX_OF(r->wall_ms, journal_latest_time(r->agent->store));
	reaper_look(r);
	return 0;
}

/* At the next end, and now and then while something is there that should have gone. */
void reaper_look(struct reaper *r)
{
	struct store *s = r->agent->store;
	int64_t next_ms = next_after(s, r->tried_ms), oldest_ms = next_after(s, 0),
		wait_ms = LOOK_MS_MAX;

	if (oldest_ms == 0) {
		(void)sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
		return;
	}
	if (next_ms > 0)
		wait_ms = MIN_OF(
			wait_ms, MAX_OF(next_ms - journal_trusted_now_ms(r->agent->store), 0));
	if (oldest_ms <= r->tried_ms)
		wait_ms = MIN_OF(wait_ms, r->more ? MORE_MS : AGAIN_MS);
	if (r->holds_at_ms > 0)
		wait_ms = MIN_OF(wait_ms, MAX_OF(r->holds_at_ms - agent_elapsed_ms(), 0));
	(void)sd_event_source_set_time(
		r->timer, (uint64_t)(agent_elapsed_ms() + wait_ms) * USEC_PER_MS);
	(void)sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

void reaper_go_on(struct reaper *r)
{
	r->more = true;
	reaper_look(r);
}

int64_t reaper_now_ms(const struct reaper *r)
{
	int64_t now_ms = journal_trusted_now_ms(r->agent->store);

	return r->held.is_signed ? MAX_OF(now_ms, r->held.signed_offset_ms + agent_elapsed_ms())
				 : now_ms;
}

void reaper_time_confirmed(struct reaper *r, int64_t wall_ms)
{
	heldtime_confirm(&r->held, wall_ms, agent_elapsed_ms());
	if (r->holds_at_ms > 0) {
		r->holds_at_ms = 1; /* it has */
		reaper_look(r);
	}
}

void reaper_time_doubted(struct reaper *r)
{
	heldtime_doubt(&r->held, agent_elapsed_ms());
}

/* A timer that never ends, but for the clock being set (timerfd_create(2)). */
static int watch_clock(int fd)
{
	const struct itimerspec never = { .it_value.tv_sec = INT64_MAX };
	int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;

	return timerfd_settime(fd, flags, &never, NULL) < 0 ? -errno : 0;
}

static int on_clock_set(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	uint64_t n;

	(void)!read(fd, &n, sizeof(n)); /* ECANCELED: that is why we are here */
	(void)watch_clock(fd);          /* as before: the arguments are the same */
	return on_time(s, 0, userdata);
}

int reaper_new(struct agent *a, struct reaper **ret)
{
	struct reaper *r = xcalloc(1, sizeof(*r));
	int e = sd_event_add_time(a->event, &r->timer, CLOCK_BOOTTIME, 0, 100000, on_time, r);

	r->agent = a;
	(void)heldtime_look(&r->held, agent_now_ms(), agent_elapsed_ms());
	r->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (e >= 0)
		e = r->clock_fd < 0 ? -errno : watch_clock(r->clock_fd);
	if (e >= 0)
		e = sd_event_add_io(a->event, &r->clock, r->clock_fd, EPOLLIN, on_clock_set, r);
	if (e < 0) {
		reaper_free(r);
		return e;
	}
	*ret = r; /* and looks at once: what was to come may have been so by a wrong clock */
	return 0;
}

struct reaper *reaper_free(struct reaper *r)
{
	if (r) {
		r->timer = sd_event_source_disable_unref(r->timer);
		r->clock = sd_event_source_disable_unref(r->clock);
		closefd(r->clock_fd);
		for (size_t i = 0; i < KINDS; i++)
			json_decref(r->tried[i]);
		free(r);
	}
	return NULL;
}
