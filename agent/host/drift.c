/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of containers' links, routes and rules somebody else takes away is put back. The socket
 * of netns/rtkeep.h says what is suspect; suspects gather in `seen`, and are looked at at once,
 * or MEND_AGAIN_US after the last time. When some were lost everything is looked at.
 *
 * What should be there follows from containers and their status; mending is rtkeep's, which also
 * says what was missing. A child does it, one at a time: whoever changes links waits for the
 * kernel's one lock of them all (rtnl), which a container that makes and unmakes links has for a
 * tenth of a second, and the loop waits for nobody. It is a fork, so it knows all that the agent
 * knew; it says what was missing through a pipe, a record for each. That is logged and reported,
 * unless an operation was at work on the container, before or since: then it may be of its making.
 *
 * Networks of the host matter only as ways out, which must forward. The firewall's table has a
 * watch of its own (agent/host/ctnet.c). */
#include "agent/host/drift.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/common/journald.h"
#include "agent/report/tell.h"
#include "agent/engine/unfinished.h"
#include "agent/host/ctwatch.h"
#include "agent/state/ctlink.h"
#include "agent/state/desired.h"
#include "netfilter/fwtable.h"
#include "netns/ifsysctl.h"
#include "netns/rtkeep.h"
#include "proto/clock.h"
#include "proto/jsonx.h"

#define MEND_AGAIN_US 50000 /* for one who makes a habit of it */
#define RETRY_US      1000000
#define WORDS_MAX     64

struct drift {
	struct agent *agent;
	struct rtkeep *keep;
	sd_event_source *input, *mend;
	sd_event_source *child, *said; /* while one mends; what it says */
	uint64_t mended_us;
	int64_t mended_ms;           /* the same on the clock of the containers' changes */
	struct journald_limit limit; /* of what is told: who fights with us goes on for days */
	bool looked; /* at everything, once: what was missing before is nobody's doing */
	struct rtkeep_seen seen; /* not looked at yet */
};

/* What the child says of a container, or (no id) of the host. */
struct record {
	char id[IDENT_ID_LEN + 1];
	int missing; /* RTKEEP_…, or a negative errno */
};

bool drift_has_link(const struct container *c)
{
	return c->spec.ipv4 && ctwatch_pid(c) > 0;
}

static struct rtlink link_of(const struct agent *a, const struct container *c)
{
	struct rtlink l = { .address = c->spec.ipv4, .unseen_mark = FWTABLE_UNSEEN_MARK };
	char text[INET6_ADDRSTRLEN];

	rtname_fill(a->conf.network.interface_prefix, c->spec.id, &l);
	l.has_address6 = ctlink_address6(&a->conf, &c->spec, text) &&
			 inet_pton(AF_INET6, text, l.address6) == 1;
	return l;
}

/* --- said --- */

static void tell(struct drift *d, const struct container *c, int missing)
{
	json_t *what, *data;
	char text[WORDS_MAX] = "";
	uint64_t dropped;

	if (!journald_limit_pass(&d->limit, agent_elapsed_ms(), &dropped))
		return;
	what = json_array();
	for (unsigned i = 0; i < RTKEEP_WORDS; i++) {
		size_t n = strlen(text);

		if (!(missing & 1 << i))
			continue;
		(void)json_array_append_new(what, json_string(rtkeep_word(i)));
		(void)snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "", rtkeep_word(i));
	}
	if (c)
		LOG(LOG_WARNING, NETWORK_HEALED,
			FIELDS(.container_id = c->spec.id, .dropped = dropped),
			"somebody has taken away of container %s: %s; it is as it was", c->spec.id,
			text);
	else
		LOG(LOG_WARNING, NETWORK_HEALED, FIELDS(.dropped = dropped),
			"somebody has taken away of the host's network: %s; it is as it was", text);
	data = jsonx_pack("{s:o}", "what", what);
	if (dropped > 0)
		jsonx_set_int(data, "dropped", dropped);
	tell_network(d->agent, c, "healed", data);
}

static void fail(const struct container *c, int r)
{
	LOG(LOG_ERR, NETWORK_HEALED, FIELDS(.container_id = c ? c->spec.id : NULL, .errnum = -r),
		"what somebody has changed in the network can't be put back: %s", strerror(-r));
}

/* --- put right, by the child --- */

static void say(int fd, const struct container *c, int missing)
{
	struct record r = { .missing = missing };

	if (c)
		strcpy(r.id, c->spec.id);
	if (missing != 0 && write(fd, &r, sizeof(r)) != sizeof(r))
		_exit(EXIT_FAILURE);
}

/* What an operation is about to make or to take away isn't anybody's fault. */
static void mend_container(struct drift *d, const struct container *c, int fd)
{
	const struct rtlink l = link_of(d->agent, c);
	int missing;

	if (!drift_has_link(c))
		return;
	missing = rtkeep_link(d->keep, &l);
	if (!unfinished_is_busy(d->agent->engine, c->spec.id))
		say(fd, c, missing);
}

static void mend_policy(struct drift *d, int fd)
{
	const struct rtkeep_policy p = { FWTABLE_PROXY_MARK, FWTABLE_UNSEEN_MARK,
		d->agent->conf.network.subnet4, d->agent->conf.network.subnet6 };

	say(fd, NULL, rtkeep_policy(d->keep, &p));
}

static void mend_uplinks(struct drift *d, int fd)
{
	int r = rtkeep_uplinks(d->keep, d->agent->conf.network.interface_prefix);

	say(fd, NULL, r < 0 ? r : r > 0 && d->looked ? RTKEEP_FORWARDING : 0);
}

static const struct container *find_link(const struct agent *a, const char *name)
{
	for (size_t i = 0; i < desired_count(a->desired); i++)
		if (strcmp(ctlink_name(&a->conf, desired_at(a->desired, i)), name) == 0)
			return desired_at(a->desired, i);
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

/* Where it is; the name is empty when the interface is gone, with all that it had. */
struct place {
	const struct container *container;
	char name[IF_NAMESIZE];
	bool is_ours; /* a container's, by its name */
};

static struct place locate(const struct agent *a, const struct rtkeep_suspect *s)
{
	const char *prefix = a->conf.network.interface_prefix;
	struct place p = { .container = find_address(a, s) };

	if (s->ifindex == 0 || !if_indextoname((unsigned)s->ifindex, p.name))
		return p;
	p.is_ours = strncmp(p.name, prefix, strlen(prefix)) == 0;
	if (!p.container && p.is_ours && s->kind != RTKEEP_ROUTED)
		p.container = find_link(a, p.name);
	return p;
}

/* Is there something to put right? A route to a container by its own link is as it should be. */
static bool matters(const struct agent *a, const struct rtkeep_suspect *s)
{
	const struct place p = locate(a, s);

	if (p.container && s->kind == RTKEEP_ROUTED &&
		strcmp(p.name, link_of(a, p.container).name) == 0)
		return false;
	if (p.container)
		return drift_has_link(p.container);
	if (!*p.name || p.is_ours || s->kind == RTKEEP_LOST)
		return false;
	return s->kind == RTKEEP_MUTED ||
	       (!is_six(s) && strcmp(p.name, "lo") != 0 && !rtkeep_forwards(p.name));
}

/* True: a way out forwards no longer. */
static bool mend_one(struct drift *d, const struct rtkeep_suspect *s, int fd)
{
	const struct place p = locate(d->agent, s);

	if (p.container)
		mend_container(d, p.container, fd);
	else if (s->kind == RTKEEP_ROUTED)
		(void)rtkeep_uplink(p.name);
	return !p.container && s->kind == RTKEEP_MUTED;
}

static void mend_all(struct drift *d, int fd)
{
	bool any = false;

	for (size_t i = 0; i < desired_count(d->agent->desired); i++) {
		const struct container *c = desired_at(d->agent->desired, i);

		any = any || drift_has_link(c);
		mend_container(d, c, fd);
	}
	if (any)
		mend_policy(d, fd);
	mend_uplinks(d, fd);
	if (*d->agent->conf.network.subnet6)
		ifsysctl_forward_six(d->agent->conf.network.interface_prefix);
}

static void mend(struct drift *d, int fd)
{
	bool muted = false;

	if (d->seen.all) {
		mend_all(d, fd);
		return;
	}
	for (size_t i = 0; i < d->seen.n; i++)
		muted = mend_one(d, &d->seen.at[i], fd) || muted;
	if (muted)
		mend_uplinks(d, fd);
	if (d->seen.policy)
		mend_policy(d, fd);
	if (d->seen.six_off && *d->agent->conf.network.subnet6) {
		ifsysctl_forward_six(d->agent->conf.network.interface_prefix);
		say(fd, NULL, RTKEEP_FORWARDING);
	}
}

static _Noreturn void be_child(struct drift *d, int fd)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "hoody-drift");
	mend(d, fd);
	_exit(EXIT_SUCCESS);
}

/* --- the agent's side of it --- */

static void later(struct drift *d, uint64_t us)
{
	(void)sd_event_source_set_time(d->mend, us);
	(void)sd_event_source_set_enabled(d->mend, SD_EVENT_ONESHOT);
}

/* One that was changed later than now was so before the clock was set back. */
static bool changed_since(const struct container *c, int64_t ms)
{
	return c->changed_ms >= ms && c->changed_ms <= agent_now_ms();
}

static void hear(struct drift *d, const struct record *r)
{
	const struct container *c = *r->id ? desired_find(d->agent->desired, r->id) : NULL;

	if (*r->id && (!c || !drift_has_link(c) || changed_since(c, d->mended_ms) ||
			      unfinished_is_busy(d->agent->engine, r->id)))
		return;
	if (r->missing < 0)
		fail(c, r->missing);
	else
		tell(d, c, r->missing);
}

static int on_said(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct record r;
	ssize_t n;

	/* Each is written whole (pipe(7), PIPE_BUF). */
	while ((n = read(fd, &r, sizeof(r))) == sizeof(r))
		hear(userdata, &r);
	if (n == 0)
		(void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
	return 0;
}

static void look(struct drift *d);

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct drift *d = userdata;

	(void)on_said(d->said, sd_event_source_get_io_fd(d->said), 0, d);
	d->said = sd_event_source_disable_unref(d->said);
	d->child = sd_event_source_disable_unref(d->child);
	if (si->si_code != CLD_EXITED || si->si_status != EXIT_SUCCESS) {
		LOG(LOG_ERR, NETWORK_HEALED, NO_FIELDS,
			"who puts back what others take away of the network has died; all is "
			"looked at again");
		d->seen.all = true;
		later(d, d->mended_us + RETRY_US);
		return 0;
	}
	d->looked = true;
	look(d);
	return 0;
}

static int begin(struct drift *d)
{
	_cleanup_(closep) int to = -1;
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	to = fds[1];
	r = fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0
		    ? -errno
		    : sd_event_add_io(d->agent->event, &d->said, fds[0], EPOLLIN, on_said, d);
	if (r < 0) {
		(void)close(fds[0]);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(d->said, true);
	rtkeep_hand_over(d->keep);
	pid = fork();
	if (pid == 0)
		be_child(d, to);
	r = pid < 0 ? -errno
		    : sd_event_add_child(d->agent->event, &d->child, pid, WEXITED, on_child, d);
	if (r < 0)
		d->said = sd_event_source_disable_unref(d->said);
	return r;
}

static void start(struct drift *d)
{
	int r;

	d->mended_us = clock_us(CLOCK_MONOTONIC);
	d->mended_ms = agent_now_ms();
	r = begin(d);
	if (r >= 0) {
		d->seen = (struct rtkeep_seen){};
		return;
	}
	LOG(LOG_ERR, NETWORK_HEALED, FIELDS(.errnum = -r),
		"what somebody has changed in the network can't be looked at: %s", strerror(-r));
	later(d, d->mended_us + RETRY_US);
}

static bool is_due(struct drift *d)
{
	struct rtkeep_seen *seen = &d->seen;
	size_t n = 0;

	for (size_t i = 0; i < seen->n; i++)
		if (seen->all || matters(d->agent, &seen->at[i]))
			seen->at[n++] = seen->at[i];
	seen->n = n;
	return n > 0 || seen->all || seen->policy || seen->six_off;
}

static void look(struct drift *d)
{
	if (d->child || (!d->seen.n && !d->seen.all && !d->seen.policy && !d->seen.six_off))
		return;
	if (clock_us(CLOCK_MONOTONIC) - d->mended_us < MEND_AGAIN_US)
		later(d, d->mended_us + MEND_AGAIN_US);
	else if (is_due(d))
		start(d);
}

static int on_mend(sd_event_source *s, uint64_t usec, void *userdata)
{
	look(userdata);
	return 0;
}

static int on_change(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct drift *d = userdata;

	rtkeep_read(d->keep, &d->seen);
	look(d);
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
	d->limit = JOURNALD_LIMIT_HEALED;
	a->drift = d;
	r = watch(d);
	if (r < 0)
		LOG(LOG_ERR, NETWORK_HEALED, FIELDS(.errnum = -r),
			"routes and links can't be watched: %s", strerror(-r));
	if (r >= 0) {
		d->seen.all = true;
		start(d);
	}
}

struct drift *drift_free(struct drift *d)
{
	if (d) {
		d->input = sd_event_source_disable_unref(d->input);
		d->mend = sd_event_source_disable_unref(d->mend);
		d->said = sd_event_source_disable_unref(d->said);
		d->child = sd_event_source_disable_unref(d->child);
		d->keep = rtkeep_close(d->keep);
		free(d);
	}
	return NULL;
}
