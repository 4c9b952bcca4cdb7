/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of containers' links, routes and rules somebody else takes away is put back. The socket
 * of netns/rtkeep.h says what is suspect; suspects gather in `seen`, and are looked at at once,
 * or MEND_AGAIN_US after the last time. When some were lost everything is looked at.
 *
 * What should be there follows from containers and their status; mending is rtkeep's, which also
 * says what was missing. That is logged and reported, unless an operation is at work on the
 * container: then it may be of its making. Networks of the host matter only as ways out, which
 * must forward. The firewall's table has a watch of its own (agent/host/ctnet.c). */
#include "agent/host/drift.h"

#include <arpa/inet.h>
#include <sys/epoll.h>

#include "agent/common/journald.h"
#include "agent/report/tell.h"
#include "agent/engine/unfinished.h"
#include "agent/state/ctlink.h"
#include "agent/state/desired.h"
#include "netfilter/fwtable.h"
#include "netns/ifsysctl.h"
#include "netns/rtkeep.h"
#include "proto/clock.h"
#include "proto/jsonx.h"

#define MEND_AGAIN_US 50000 /* for one who makes a habit of it */
#define WORDS_MAX     64

struct drift {
	struct agent *agent;
	struct rtkeep *keep;
	sd_event_source *input, *mend;
	uint64_t mended_us;
	struct rtkeep_seen seen; /* not looked at yet */
};

static bool has_link(const struct container *c)
{
	return c->spec.ipv4 && (c->status == CT_RUNNING || c->status == CT_PAUSED);
}

static struct rtlink link_of(const struct agent *a, const struct container *c)
{
	struct rtlink l = { .address = c->spec.ipv4 };
	char text[INET6_ADDRSTRLEN];

	rtname_fill(a->conf.network.interface_prefix, c->spec.id, &l);
	l.has_address6 = ctlink_address6(&a->conf, &c->spec, text) &&
			 inet_pton(AF_INET6, text, l.address6) == 1;
	return l;
}

/* --- said --- */

static void tell(struct drift *d, const struct container *c, int missing)
{
	json_t *what = json_array();
	char text[WORDS_MAX] = "";

	for (unsigned i = 0; i < RTKEEP_WORDS; i++) {
		size_t n = strlen(text);

		if (!(missing & 1 << i))
			continue;
		(void)json_array_append_new(what, json_string(rtkeep_word(i)));
		(void)snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "", rtkeep_word(i));
	}
	if (c)
		LOG(LOG_WARNING, NETWORK_HEALED, FIELDS(.container_id = c->spec.id),
			"somebody has taken away of container %s: %s; it is as it was", c->spec.id,
			text);
	else
		LOG(LOG_WARNING, NETWORK_HEALED, NO_FIELDS,
			"somebody has taken away of the host's network: %s; it is as it was", text);
	tell_network(d->agent, c, "healed", jsonx_pack("{s:o}", "what", what));
}

static void fail(const struct container *c, int r)
{
	LOG(LOG_ERR, NETWORK_HEALED, FIELDS(.container_id = c ? c->spec.id : NULL, .errnum = -r),
		"what somebody has changed in the network can't be put back: %s", strerror(-r));
}

/* --- put right --- */

/* What an operation is about to make or to take away isn't anybody's fault. */
static void mend_container(struct drift *d, const struct container *c)
{
	const struct rtlink l = link_of(d->agent, c);
	int r;

	if (!has_link(c))
		return;
	r = rtkeep_link(d->keep, &l);
	if (unfinished_is_busy(d->agent->engine, c->spec.id))
		return;
	if (r < 0)
		fail(c, r);
	else if (r > 0)
		tell(d, c, r);
}

static void mend_policy(struct drift *d)
{
	int r = rtkeep_policy(d->keep, FWTABLE_PROXY_MARK, FWTABLE_UNSEEN_MARK);

	if (r < 0)
		fail(NULL, r);
	else if (r > 0)
		tell(d, NULL, r);
}

static void mend_uplinks(struct drift *d, bool is_drift)
{
	int r = rtkeep_uplinks(d->keep, d->agent->conf.network.interface_prefix);

	if (r < 0)
		fail(NULL, r);
	else if (r > 0 && is_drift)
		tell(d, NULL, RTKEEP_FORWARDING);
}

static const struct container *find_link(const struct agent *a, const char *name)
{
	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const struct container *c = desired_at(a->desired, i);
		const struct rtlink l = link_of(a, c);

		if (strcmp(l.name, name) == 0)
			return c;
	}
	return NULL;
}

static bool is_six(const struct rtkeep_suspect *s)
{
	static const uint8_t none[sizeof(s->address6)];

	return memcmp(s->address6, none, sizeof(none)) != 0;
}

static bool has_address(
	const struct agent *a, const struct container *c, const struct rtkeep_suspect *s)
{
	uint8_t six[sizeof(s->address6)];

	if (s->address)
		return c->spec.ipv4 == s->address;
	ctlink_address6_bytes(&a->conf, &c->spec, six);
	return memcmp(six, s->address6, sizeof(six)) == 0;
}

static const struct container *find_address(const struct agent *a, const struct rtkeep_suspect *s)
{
	bool any = s->address || (is_six(s) && *a->conf.network.subnet6);

	for (size_t i = 0; any && i < desired_count(a->desired); i++)
		if (has_address(a, desired_at(a->desired, i), s))
			return desired_at(a->desired, i);
	return NULL;
}

/* True: a way out forwards no longer. */
static bool mend_one(struct drift *d, const struct rtkeep_suspect *s)
{
	const char *prefix = d->agent->conf.network.interface_prefix;
	const struct container *c = find_address(d->agent, s);
	char name[IF_NAMESIZE] = "";

	if (c) {
		mend_container(d, c);
		return false;
	}
	if (s->ifindex == 0 || !if_indextoname((unsigned)s->ifindex, name))
		return false; /* gone, with all that it had */
	if (strncmp(name, prefix, strlen(prefix)) == 0) {
		c = s->kind == RTKEEP_ROUTED ? NULL : find_link(d->agent, name);
		if (c)
			mend_container(d, c);
		return false;
	}
	if (s->kind == RTKEEP_ROUTED && !is_six(s) && strcmp(name, "lo") != 0)
		(void)rtkeep_uplink(name);
	return s->kind == RTKEEP_MUTED;
}

static void mend_all(struct drift *d, bool is_drift)
{
	bool any = false;

	for (size_t i = 0; i < desired_count(d->agent->desired); i++) {
		const struct container *c = desired_at(d->agent->desired, i);

		any = any || has_link(c);
		mend_container(d, c);
	}
	if (any)
		mend_policy(d);
	mend_uplinks(d, is_drift);
	if (*d->agent->conf.network.subnet6)
		ifsysctl_forward_six(d->agent->conf.network.interface_prefix);
}

static void mend(struct drift *d)
{
	struct rtkeep_seen seen = d->seen;
	bool muted = false;

	d->seen = (struct rtkeep_seen){};
	d->mended_us = clock_us(CLOCK_MONOTONIC);
	if (seen.all) {
		mend_all(d, true);
		return;
	}
	for (size_t i = 0; i < seen.n; i++)
		muted = mend_one(d, &seen.at[i]) || muted;
	if (muted)
		mend_uplinks(d, true);
	if (seen.policy)
		mend_policy(d);
	if (seen.six_off && *d->agent->conf.network.subnet6) {
		ifsysctl_forward_six(d->agent->conf.network.interface_prefix);
		tell(d, NULL, RTKEEP_FORWARDING);
	}
}

static int on_mend(sd_event_source *s, uint64_t usec, void *userdata)
{
	mend(userdata);
	return 0;
}

static int on_change(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct drift *d = userdata;

	rtkeep_read(d->keep, &d->seen);
	if (!d->seen.n && !d->seen.all && !d->seen.policy && !d->seen.six_off)
		return 0;
	if (clock_us(CLOCK_MONOTONIC) - d->mended_us > MEND_AGAIN_US) {
		mend(d);
		return 0;
	}
	(void)sd_event_source_set_time(d->mend, d->mended_us + MEND_AGAIN_US);
	(void)sd_event_source_set_enabled(d->mend, SD_EVENT_ONESHOT);
	return 0;
}

/* --- beginning and end --- */

static int watch(struct drift *d)
{
	sd_event *event = d->agent->event;
	int r = rtkeep_open(&d->keep);

	if (r >= 0)
		r = sd_event_add_io(event, &d->input, rtkeep_fd(d->keep), EPOLLIN, on_change, d);
	if (r >= 0)
		r = sd_event_add_time(event, &d->mend, CLOCK_MONOTONIC, 0, 1, on_mend, d);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->mend, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(d->input, SD_EVENT_PRIORITY_IMPORTANT);
	if (r >= 0)
		r = sd_event_source_set_priority(d->mend, SD_EVENT_PRIORITY_IMPORTANT);
	return r;
}

void drift_start(struct agent *a)
{
	struct drift *d = xcalloc(1, sizeof(*d));
	int r;

	d->agent = a;
	a->drift = d;
	r = watch(d);
	if (r < 0)
		LOG(LOG_ERR, NETWORK_HEALED, FIELDS(.errnum = -r),
			"routes and links can't be watched: %s", strerror(-r));
	if (d->keep)
		mend_all(d, false);
}

struct drift *drift_free(struct drift *d)
{
	if (d) {
		d->input = sd_event_source_disable_unref(d->input);
		d->mend = sd_event_source_disable_unref(d->mend);
		d->keep = rtkeep_close(d->keep);
		free(d);
	}
	return NULL;
}
