/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/ctsweep.h"

#include <net/if.h>

#include "agent/common/agent.h"
#include "agent/common/journald.h"
#include "agent/engine/unfinished.h"
#include "agent/engine/worker.h"
#include "agent/state/desired.h"
#include "netns/ifsysctl.h"
#include "netns/rtname.h"
#include "proto/clock.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define TIMEOUT_MS 60000
#define LATER_US   500000 /* then the kernel has cleared away what it will */

typedef char ident[IDENT_ID_LEN + 1];
typedef char ifname[IF_NAMESIZE];

struct ctsweep {
	struct agent *agent;
	sd_event_source *timer;
	struct worker *worker;
	bool all; /* links are to be looked at */
	ident *ended;
	size_t n_ended;
};

/* However many end, one after the other: the first doesn't wait for the last. */
static void later(struct ctsweep *s)
{
	if (sd_event_source_get_enabled(s->timer, NULL) > 0)
		return;
	(void)sd_event_source_set_time_relative(s->timer, LATER_US);
	(void)sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static const char *name_of(const struct agent *a, const char *id, struct rtlink *ret)
{
	rtname_fill(a->conf.network.interface_prefix, id, ret);
	return ret->name;
}

static bool is_needed(const struct agent *a, const struct container *c)
{
	return c && (c->status == CT_RUNNING || c->status == CT_PAUSED ||
			    unfinished_is_busy(a->engine, c->spec.id));
}

/* --- which they are, by index: one of the same name that is made meanwhile has another --- */

static void add_named(json_t *list, const char *name)
{
	unsigned index = ifsysctl_index(name);

	if (index != 0)
		(void)json_array_append_new(list, json_integer(index));
}

static void add_ended(struct ctsweep *s, json_t *list)
{
	for (size_t i = 0; i < s->n_ended; i++) {
		struct rtlink link = {};
		ifname aside;

		rtname_aside(name_of(s->agent, s->ended[i], &link), aside);
		add_named(list, aside);
		if (!is_needed(s->agent, desired_find(s->agent->desired, s->ended[i])))
			add_named(list, link.name);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Sorted; the caller's. */
static ifname *needed_names(const struct agent *a, size_t *ret_n)
{
	size_t n = desired_count(a->desired), k = 0;
	ifname *names = xcalloc(n + 1, sizeof(*names));

	for (size_t i = 0; i < n; i++) {
		const struct container *c = desired_at(a->desired, i);
		struct rtlink link = {};

		if (is_needed(a, c))
			strcpy(names[k++], name_of(a, c->spec.id, &link));
	}
	qsort(names, k, sizeof(*names), by_name);
	*ret_n = k;
	return names;
}

static void add_unneeded(const struct agent *a, json_t *list)
{
	const char *prefix = a->conf.network.interface_prefix;
	struct if_nameindex *all = if_nameindex();
	size_t n;
	_cleanup_(freep) ifname *needed = needed_names(a, &n);

	for (const struct if_nameindex *i = all; i && i->if_index != 0; i++)
		if (strncmp(i->if_name, prefix, strlen(prefix)) == 0 &&
			!bsearch(i->if_name, needed, n, sizeof(*needed), by_name))
			(void)json_array_append_new(list, json_integer(i->if_index));
	if (all)
		if_freenameindex(all);
}

/* --- their end --- */

static void on_swept(struct worker_result *res, void *userdata)
{
	struct ctsweep *s = userdata;

	s->worker = worker_release(s->worker);
	if (res->r < 0)
		LOG(LOG_WARNING, LEFTOVER, FIELDS(.err = res->err),
			"links of containers that are gone can't be removed: %s",
			res->err->message);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ctsweep *s = userdata;
	struct agent *a = s->agent;
	_cleanup_json_ json_t *links = json_array();
	_cleanup_(freep) char *job = NULL;

	if (s->worker) {
		later(s);
		return 0;
	}
	if (s->all)
		add_unneeded(a, links);
	else
		add_ended(s, links);
	if (json_array_size(links) > 0) {
		s->worker = worker_take(a->workers);
		if (!s->worker) { /* all are busy */
			later(s);
			return 0;
		}
		job = worker_job_text(
			&a->conf, NULL, "net-sweep", "act", jsonx_pack("{s:O}", "links", links));
		worker_run(s->worker, job, TIMEOUT_MS, on_swept, NULL, s);
	}
	s->all = false;
	s->n_ended = 0;
	return 0;
}

void ctsweep_soon(struct ctsweep *s, const char *container_id)
{
	if (container_id) {
		s->ended = xrealloc(s->ended, s->n_ended + 1, sizeof(*s->ended));
		strcpy(s->ended[s->n_ended++], container_id);
	} else {
		s->all = true;
	}
	later(s);
}

int ctsweep_new(struct agent *a, struct ctsweep **ret)
{
	struct ctsweep *s = xcalloc(1, sizeof(*s));
	int r;

	s->agent = a;
	*ret = s;
	r = sd_event_add_time(a->event, &s->timer, CLOCK_MONOTONIC, 0, LATER_US / 10, on_time, s);
	return r < 0 ? r : sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
}

struct ctsweep *ctsweep_free(struct ctsweep *s)
{
	if (s) {
		s->timer = sd_event_source_disable_unref(s->timer);
		s->worker = worker_release(s->worker);
		free(s->ended);
		free(s);
	}
	return NULL;
}
