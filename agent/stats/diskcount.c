/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much disk each root takes where no file system counts by root: a worker walks one root at
 * a time, the one that has waited longest first. The counts are in memory alone, sorted by id;
 * the clock is off when nothing will come due, and an order that ends, or whoever asks for a root
 * that was never counted, wakes it.
 *
 * It must not be in the way: a walk is made only while another worker stays free, and after each
 * comes a pause of SHARE times its length. A root that the kernel counts (agent/stats/diskuse.h)
 * is put off like one that was counted; one that is being made or deleted is passed over. A walk
 * that failed leaves the last count, and waits its turn again.
 *
 * The same clock has a worker share out the ramdisks anew (storage/ramdisk.h), look whether disk
 * limits hold, and clear away those of what is gone (storage/quota.h), before it walks. */
#include "agent/stats/diskcount.h"

#include "agent/common/journald.h"
#include "agent/engine/worker.h"
#include "agent/stats/diskuse.h"
#include "proto/clock.h"
#include "proto/jsonx.h"

#define BUSY_MS     5000 /* when no worker is to be had */
#define LEAST_MS    200
#define SHARE       20
#define DEADLINE_MS 600000
#define EARLY_MS    1000 /* a renewal needn't have it wake once more */

struct count {
	char id[IDENT_ID_LEN + 1];
	int64_t bytes;      /* -1: not known */
	int64_t counted_ms; /* of CLOCK_MONOTONIC, or looked at in vain */
	bool seen;
};

struct diskcount {
	struct agent *agent;
	sd_event_source *timer;
	struct count *at; /* sorted by id */
	size_t n;
	struct worker *worker;
	char walked[IDENT_ID_LEN + 1]; /* by it */
	int64_t began_ms;
	int64_t renewed_ms; /* what this clock does beside */
};

/* --- counts --- */

static size_t place(const struct diskcount *d, const char *id)
{
	return sorted_place(d->at, d->n, sizeof(*d->at), id, sorted_by_text);
}

static struct count *find(const struct diskcount *d, const char *id)
{
	size_t i = place(d, id);

	return i < d->n && strcmp(d->at[i].id, id) == 0 ? &d->at[i] : NULL;
}

static struct count *find_or_add(struct diskcount *d, const char *id)
{
	struct count *found = find(d, id);
	size_t i = place(d, id);

	if (found)
		return found;
	d->at = xrealloc(d->at, d->n + 1, sizeof(*d->at));
	memmove(d->at + i + 1, d->at + i, (d->n - i) * sizeof(*d->at));
	d->n++;
	d->at[i] = (struct count){ .bytes = -1 };
	strcpy(d->at[i].id, id);
	return &d->at[i];
}

void diskcount_note(struct diskcount *d, const char *id, const json_t *result)
{
	const json_t *bytes = json_object_get(result, "root");
	struct count *c = find_or_add(d, id);

	c->counted_ms = clock_ms(CLOCK_MONOTONIC);
	if (json_is_integer(bytes))
		c->bytes = json_integer_value(bytes);
}

/* Of containers that have gone. */
static void forget_unseen(struct diskcount *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++)
		if (d->at[i].seen)
			d->at[kept++] = d->at[i];
	d->n = kept;
}

/* --- the clock --- */

static int64_t interval_ms(const struct diskcount *d)
{
	return 1000 * d->agent->conf.storage.count_interval_s;
}

static bool is_asleep(const struct diskcount *d)
{
	int state = SD_EVENT_OFF;

	(void)sd_event_source_get_enabled(d->timer, &state);
	return state == SD_EVENT_OFF;
}

static void wake_in(struct diskcount *d, int64_t ms)
{
	(void)sd_event_source_set_time_relative(d->timer, (uint64_t)ms * 1000);
	(void)sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
}

void diskcount_wake(struct diskcount *d)
{
	if (interval_ms(d) > 0 && !d->worker && is_asleep(d))
		wake_in(d, LEAST_MS);
}

int64_t diskcount_of(struct diskcount *d, const struct container *c)
{
	const struct count *found = find(d, c->spec.id);

	if (!found)
		diskcount_wake(d);
	return found ? found->bytes : -1;
}

static bool is_whole(const struct container *c)
{
	return c->status != CT_CREATING && c->status != CT_COPYING && c->status != CT_DELETING;
}

struct due {
	const struct container *first; /* the one that has waited longest; NULL: none is due */
	int64_t in_ms;                 /* the next one then; INT64_MAX: there is none */
	bool renew;                    /* ramdisks or limits, now */
	struct diskuse *kernel;        /* looked at by the first who needs it */
};

/* Whose root the kernel counts is nothing to do for, for as long as for others. */
static bool kernel_counts(struct diskcount *d, struct due *due, const struct container *c)
{
	struct count *found;

	if (!due->kernel)
		due->kernel = diskuse_look(d->agent);
	if (diskuse_of(due->kernel, c) < 0)
		return false;
	found = find_or_add(d, c->spec.id);
	found->counted_ms = clock_ms(CLOCK_MONOTONIC);
	found->seen = true;
	return true;
}

static struct due look(struct diskcount *d)
{
	struct desired *all = d->agent->desired;
	struct due due = { .in_ms = INT64_MAX };
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC), least_ms = INT64_MAX;
	bool renew = now_ms - d->renewed_ms >=
		     interval_ms(d) - MIN_OF((int64_t)EARLY_MS, interval_ms(d) / 2);

	for (size_t i = 0; i < d->n; i++)
		d->at[i].seen = false;
	for (size_t i = 0; i < desired_count(all); i++) {
		const struct container *c = desired_at(all, i);
		struct count *found = find(d, c->spec.id);
		int64_t in_ms = found ? found->counted_ms + interval_ms(d) - now_ms : -now_ms;

		if (found)
			found->seen = true;
		if (!is_whole(c))
			continue;
		due.renew =
			due.renew || (renew && (c->spec.ramdisk || c->spec.limits.disk_bytes > 0));
		if (in_ms <= 0 && kernel_counts(d, &due, c))
			in_ms = interval_ms(d);
		if (in_ms > 0) {
			due.in_ms = MIN_OF(due.in_ms, in_ms);
		} else if (in_ms < least_ms) {
			due.first = c;
			least_ms = in_ms;
		}
	}
	forget_unseen(d);
	due.kernel = diskuse_free(due.kernel);
	return due;
}

static void on_counted(struct worker_result *res, void *userdata)
{
	struct diskcount *d = userdata;
	int64_t took_ms = clock_ms(CLOCK_MONOTONIC) - d->began_ms;

	diskcount_note(d, d->walked, res->r < 0 ? NULL : res->data);
	d->worker = worker_release(d->worker);
	if (interval_ms(d) > 0)
		wake_in(d, MAX_OF(took_ms * SHARE, (int64_t)LEAST_MS));
}

static void count(struct diskcount *d, const struct container *c)
{
	_cleanup_(freep) char *job = worker_job_text(
		&d->agent->conf, &c->spec, "root-measure", "act", jsonx_pack("{s:b}", "idle", 1));

	strcpy(d->walked, c->spec.id);
	d->began_ms = clock_ms(CLOCK_MONOTONIC);
	worker_run(d->worker, job, DEADLINE_MS, on_counted, NULL, d);
}

static void proceed(struct diskcount *d);

static void on_renewed(struct worker_result *res, void *userdata)
{
	struct diskcount *d = userdata;

	if (res->r < 0 || json_is_true(json_object_get(res->data, "recount")))
		LOG(LOG_WARNING, QUOTA_RECOUNT, FIELDS(.err = res->r < 0 ? res->err : NULL), "%s",
			res->r < 0 ? res->err->message
				   : "disk limits did not hold: btrfs counts anew");
	d->worker = worker_release(d->worker);
	if (interval_ms(d) > 0)
		proceed(d);
}

static void renew(struct diskcount *d)
{
	_cleanup_(freep) char *job =
		worker_job_text(&d->agent->conf, NULL, "renew", "act", json_object());

	d->renewed_ms = clock_ms(CLOCK_MONOTONIC);
	worker_run(d->worker, job, DEADLINE_MS, on_renewed, NULL, d);
}

static void proceed(struct diskcount *d)
{
	const struct conf *conf = &d->agent->conf;
	bool free = worker_pool_busy(d->agent->workers) + 1 < (unsigned)conf->node.max_workers;
	struct due due = look(d);

	if ((due.first || due.renew) && free)
		d->worker = worker_take(d->agent->workers);
	if (d->worker && due.renew)
		renew(d);
	else if (d->worker)
		count(d, due.first);
	else if (due.first || due.renew)
		wake_in(d, BUSY_MS);
	else if (due.in_ms < INT64_MAX)
		wake_in(d, due.in_ms);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	proceed(userdata);
	return 0;
}

void diskcount_reload(struct diskcount *d)
{
	if (d->worker)
		return; /* what comes of it wakes the clock */
	if (interval_ms(d) > 0)
		wake_in(d, LEAST_MS);
	else
		(void)sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
}

/* --- life --- */

int diskcount_new(struct agent *a, struct diskcount **ret)
{
	struct diskcount *d = xcalloc(1, sizeof(*d));
	int r = sd_event_add_time_relative(
		a->event, &d->timer, CLOCK_MONOTONIC, UINT32_MAX, 100000, on_time, d);

	if (r < 0) {
		free(d);
		return r;
	}
	d->agent = a;
	*ret = d;
	return 0;
}

struct diskcount *diskcount_free(struct diskcount *d)
{
	if (d) {
		d->timer = sd_event_source_disable_unref(d->timer);
		d->worker = d->worker ? worker_release(d->worker) : NULL;
		free(d->at);
		free(d);
	}
	return NULL;
}
