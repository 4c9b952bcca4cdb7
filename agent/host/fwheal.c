/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/fwheal.h"

#include <sys/epoll.h>

#include "agent/common/agent.h"
#include "agent/common/journald.h"
#include "agent/report/counters.h"
#include "agent/report/tell.h"
#include "netfilter/nfwatch.h"
#include "proto/clock.h"
#include "proto/jsonx.h"

#define AGAIN_US    50000 /* after one that failed, or that somebody else undid at once */
#define DOUBLES_MAX 5     /* twice as long after each that failed: 1.6 s in the end */

struct fwheal {
	struct agent *agent;
	struct fwtable *table; /* NULL: nothing has to be so yet */
	struct nfwatch *watch;
	sd_event_source *input, *timer;
	uint64_t healed_us;
	struct err failed; /* the last one, if its errnum is not 0 */
	unsigned n_failed;
	struct journald_limit limit; /* of what is told: who fights with us goes on for days */
	void (*healed)(void *userdata);
	void *userdata;
};

static void later(struct fwheal *h)
{
	const uint64_t us = (uint64_t)AGAIN_US << MIN_OF(h->n_failed, (unsigned)DOUBLES_MAX);

	(void)sd_event_source_set_time(h->timer, clock_us(CLOCK_MONOTONIC) + us);
	(void)sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

int fwheal_load(struct fwheal *h, struct fwtable *table, struct err *err)
{
	int r;

	h->table = table;
	nfwatch_pause(h->watch);
	r = fwtable_load(table, err);
	if (r >= 0) {
		h->failed = (struct err){};
		h->n_failed = 0;
	}
	if (nfwatch_resume(h->watch, r >= 0) && r >= 0)
		later(h); /* what was missed may have been of ours */
	h->healed_us = clock_us(CLOCK_MONOTONIC);
	return r;
}

static void say(struct fwheal *h, const char *event, uint64_t dropped)
{
	struct agent *a = h->agent;
	json_t *data = jsonx_pack("{s:s}", "table", a->conf.network.table);

	if (dropped > 0)
		jsonx_set_int(data, "dropped", dropped);
	tell_firewall(a, NULL, event, data);
}

/* Once, whatever is tried meanwhile: reports are durable. */
static void fail(struct fwheal *h, const struct err *why)
{
	const bool known = h->n_failed > 0;

	h->failed = *why;
	later(h);
	h->n_failed++;
	if (known)
		return;
	h->healed(h->userdata);
	LOG(LOG_CRIT, FIREWALL_FAILED, FIELDS(.err = why),
		"somebody has changed the firewall's table, and it can't be restored: %s",
		why->message);
	say(h, "failed", 0);
}

static void heal(struct fwheal *h)
{
	struct agent *a = h->agent;
	const bool failed = h->failed.errnum != 0;
	struct err err = {};
	int r = fwheal_load(h, h->table, &err);
	uint64_t dropped = 0;

	counters_firewall(a->counters, r < 0 ? COUNTERS_REFUSED : COUNTERS_HEALED);
	if (r < 0) {
		fail(h, &err);
		return;
	}
	h->healed(h->userdata);
	if (!failed && !journald_limit_pass(&h->limit, agent_elapsed_ms(), &dropped))
		return;
	LOG(LOG_WARNING, FIREWALL_HEALED, FIELDS(.dropped = dropped),
		"somebody has changed the firewall's table %s: it is as it was",
		a->conf.network.table);
	say(h, "healed", dropped);
}

void fwheal_insist(struct fwheal *h, const struct err *why)
{
	assert(why->errnum != 0 && h->table);
	h->failed = *why;
	later(h);
}

const struct err *fwheal_failed(const struct fwheal *h)
{
	return h->failed.errnum ? &h->failed : NULL;
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata)
{
	heal(userdata);
	return 0;
}

/* At once, unless somebody makes a habit of it. */
static int on_change(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct fwheal *h = userdata;

	if (!nfwatch_read(h->watch, h->table ? fwtable_netlink_port(h->table) : 0) || !h->table)
		return 0;
	if (clock_us(CLOCK_MONOTONIC) - h->healed_us > AGAIN_US)
		heal(h);
	else
		later(h);
	return 0;
}

int fwheal_new(struct agent *a, void (*healed)(void *userdata), void *userdata, struct fwheal **ret)
{
	struct fwheal *h = xcalloc(1, sizeof(*h));
	int r;

	h->agent = a;
	h->limit = JOURNALD_LIMIT_HEALED;
	h->healed = healed;
	h->userdata = userdata;
	*ret = h;
	r = nfwatch_open(a->conf.network.table, &h->watch);
	if (r >= 0)
		r = sd_event_add_io(
			a->event, &h->input, nfwatch_fd(h->watch), EPOLLIN, on_change, h);
	if (r >= 0)
		r = sd_event_add_time(a->event, &h->timer, CLOCK_MONOTONIC, 0, 1, on_time, h);
	if (r >= 0)
		r = sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(h->input, SD_EVENT_PRIORITY_IMPORTANT);
	if (r >= 0)
		r = sd_event_source_set_priority(h->timer, SD_EVENT_PRIORITY_IMPORTANT);
	return r;
}

struct fwheal *fwheal_free(struct fwheal *h)
{
	if (h) {
		h->input = sd_event_source_disable_unref(h->input);
		h->timer = sd_event_source_disable_unref(h->timer);
		h->watch = nfwatch_close(h->watch);
		free(h);
	}
	return NULL;
}
