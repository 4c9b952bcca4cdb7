/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many nodes' long polls in one process: of each the courier as it is (agent/courier/courier on
 * libcurl, its channel), and what the agent does with the answer: it judges the signature, and
 * polls again, or waits as agent/common/backoff decides. Nodes begin spread over one wait, and go
 * on until SIGTERM; what comes of it is seen at the API. They are numbered from FIRST. At the end
 * it prints by how many milliseconds a timer was late.
 *
 *   fleet URL TOKEN TRUSTED-KEYS FIRST NODES WAIT_S [CA] */
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>

#include "agent/common/backoff.h"
#include "agent/courier/courier.h"
#include "agent/courier/http_rules.h"
#include "proto/clock.h"
#include "proto/nodecall.h"
#include "proto/respsig.h"

#define NODES_MAX    1000
#define FDS_PER_NODE 6 /* the channel's two, libcurl's own, the connection's */
#define POLL_LIMIT   256
#define ACCURACY_US  (100 * 1000) /* as the agent's */
#define FILE_MAX     65536

struct node {
	struct http_setup setup;
	struct courier *courier;
	struct channel *channel;
	struct backoff backoff;
	sd_event_source *timer;
	uint64_t id;
	char node_id[25];
};

static uint64_t wait_s, late_us; /* a timer's worst: this machine is too busy when it is much */

static void poll_now(struct node *n)
{
	struct frame f = {
		.type = FRAME_COURIER_POLL, .id = ++n->id, .b = wait_s, .c = POLL_LIMIT
	};

	if (channel_send(n->channel, &f, NULL, 0, -1) < 0)
		abort();
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	uint64_t now_us;

	if (sd_event_now(sd_event_source_get_event(s), CLOCK_BOOTTIME, &now_us) >= 0)
		late_us = MAX_OF(late_us, now_us - usec);
	poll_now(userdata);
	return 0;
}

static void poll_in(struct node *n, uint64_t ms)
{
	sd_event *event = sd_event_source_get_event(n->timer);

	n->timer = sd_event_source_disable_unref(n->timer);
	if (sd_event_add_time_relative(
		    event, &n->timer, CLOCK_BOOTTIME, ms * 1000, ACCURACY_US, on_timer, n) < 0)
		abort();
}

static int on_ready(struct channel *ch, struct channel_message *m, void *userdata)
{
	return 0;
}

static bool is_signed(const struct node *n, const struct channel_message *m)
{
	_cleanup_(freep) char *call = nodecall_orders_path(n->setup.node_id, 0, wait_s, POLL_LIMIT);
	_cleanup_(freep) char *path = xasprintf("%s%s", nodecall_base_path(n->setup.api_url), call);
	_cleanup_(freep) char *signature = xcalloc(1, m->frame.a + 1);
	struct respsig_response r = { .method = "GET", .status = (int)m->frame.b, .path = path };
	int64_t signed_ms;
	struct err err;

	memcpy(signature, m->payload, m->frame.a);
	r.body = (const uint8_t *)m->payload + m->frame.a;
	r.body_size = m->size - m->frame.a;
	return respsig_verify(signature, &r, &n->setup.keyset, clock_ms(CLOCK_REALTIME), &signed_ms,
		       &err) >= 0;
}

static int on_signed(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct node *n = userdata;

	if (m->frame.id != n->id || m->frame.a > m->size || !is_signed(n, m))
		return -EBADMSG;
	backoff_succeeded(&n->backoff);
	poll_now(n);
	return 0;
}

static int on_failed(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct node *n = userdata;

	if (m->frame.id != n->id)
		return -EBADMSG;
	poll_in(n, backoff_failed(&n->backoff, BACKOFF_FIRST_MS, m->frame.b, randombytes_random()));
	return 0;
}

static const struct channel_permit permits[] = {
	{ FRAME_COURIER_READY, 1, .handler = on_ready },
	{ FRAME_COURIER_SIGNED, 1, .payload = true, .handler = on_signed },
	{ FRAME_COURIER_FAILED, 1, .handler = on_failed },
};

static void on_agent_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	(void)fprintf(stderr, "fleet: a courier has broken the rules: %s\n", why);
	abort();
}

static void on_courier_gone(int r, void *userdata)
{
	abort();
}

static void node_begin(struct node *n, sd_event *event, const struct http_setup *setup, unsigned i)
{
	int fds[2];

	n->setup = *setup;
	n->setup.node_id = n->node_id;
	(void)snprintf(n->node_id, sizeof(n->node_id), "f1ee%020x", i);
	if (chanio_pair(fds) < 0 ||
		courier_open(event, &n->setup, fds[1], on_courier_gone, n, &n->courier) < 0 ||
		channel_open(event, fds[0], permits, countof(permits), on_agent_gone, n,
			&n->channel) < 0 ||
		sd_event_add_time_relative(event, &n->timer, CLOCK_BOOTTIME,
			((uint64_t)randombytes_random() * wait_s * 1000000) >> 32, ACCURACY_US,
			on_timer, n) < 0) {
		perror("fleet");
		exit(EXIT_FAILURE);
	}
}

/* By SIGUSR1: what was late until now doesn't count. */
static int on_count_anew(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	late_us = 0;
	return 0;
}

/* By SIGTERM: says how late it was, and ends. */
static int on_end(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	(void)printf("%llu\n", (unsigned long long)late_us / 1000);
	return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
}

static char *read_whole(const char *path)
{
	char *text = xcalloc(1, FILE_MAX);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, FILE_MAX - 1) <= 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	return text;
}

static void read_setup(char **argv, const char *ca, struct http_setup *ret)
{
	static char user_agent[] = "hoody-agent/fleet";
	_cleanup_(freep) char *keys = read_whole(argv[3]);
	struct err err;

	*ret = (struct http_setup){ .api_url = argv[1],
		.node_token = argv[2],
		.user_agent = user_agent,
		.ca_pem = ca ? read_whole(ca) : NULL,
		.signature_required = true,
		.has_keyset = true };
	if (keyset_parse(keys, strlen(keys), &ret->keyset, &err) < 0)
		exit(EXIT_FAILURE);
	http_rules_load();
}

int main(int argc, char **argv)
{
	unsigned first = argc > 6 ? (unsigned)strtoul(argv[4], NULL, 10) : 0,
		 count = argc > 6 ? (unsigned)strtoul(argv[5], NULL, 10) : 0;
	struct rlimit limit;
	struct http_setup setup;
	struct node *nodes;
	sigset_t ends;
	sd_event *event = NULL;

	if (count < 1 || count > NODES_MAX || sodium_init() < 0) {
		(void)fputs(
			"usage: fleet URL TOKEN TRUSTED-KEYS FIRST NODES WAIT_S [CA]\n", stderr);
		return EXIT_FAILURE;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)count * FDS_PER_NODE + 64;
	limit.rlim_max = MAX_OF(limit.rlim_max, limit.rlim_cur);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || sd_event_new(&event) < 0 ||
		sd_event_add_signal(event, NULL, SIGUSR1, on_count_anew, NULL) < 0 ||
		sd_event_add_signal(event, NULL, SIGTERM, on_end, NULL) < 0) {
		perror("fleet");
		return EXIT_FAILURE;
	}
	wait_s = strtoull(argv[6], NULL, 10);
	read_setup(argv, argc > 7 ? argv[7] : NULL, &setup);
	nodes = xcalloc(count, sizeof(*nodes));
	for (unsigned i = 0; i < count; i++)
		node_begin(&nodes[i], event, &setup, first + i);
	return sd_event_loop(event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
