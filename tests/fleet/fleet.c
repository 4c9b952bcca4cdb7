/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fleet in one process: nodes (tests/fleet/fleetnode) that poll by HTTP over loopback, each by a
 * connection of its own that it keeps. They begin within BEGIN_S and go on until SIGTERM.
 *
 * sd-event looks at all that is ready before each event, so a burst would cost the square of its
 * size: it has the errands' timers, and one descriptor for all sockets. Nothing is verified and
 * nothing encrypted: what is looked at is when nodes ask, and not what of.
 *
 * Each second it prints how many asked in it, how many of those were answered with something else
 * than 200 or not at all, how many polls are held, and by how many milliseconds the second was
 * late: on a machine that is too busy, it is that which makes a herd.
 *
 *   fleet PORT TOKEN NODES BEGIN_S */
#include <arpa/inet.h>
#include <signal.h>
#include <sodium.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "proto/clock.h"
#include "proto/jsonx.h"
#include "tests/fleet/fleetnode.h"

#define NODES_MAX   50000
#define SECONDS     8192
#define ANSWER_MAX  2048
#define BURST       256
#define TURN_US     20000 /* between two looks at who is to ask now */
#define ACCURACY_US 1000
#define SOURCES     4 /* addresses of ours: a port each is too few for all of one's */

enum phase { CLOSED, CONNECTING, IDLE, ASKED };

struct member {
	struct fleetnode node;
	unsigned number;
	int fd;
	enum phase phase;
	uint64_t wait_s;
	size_t have;
	char answer[ANSWER_MAX + 1];
};

static struct {
	struct member *members;
	unsigned n;
	int epoll_fd;
	const char *token;
	struct sockaddr_in to;
	unsigned asked[SECONDS], failed, held; /* asked: of each second, by the clock */
	uint64_t begun_us, second;
} w;

/* --- a request --- */

static void hang_up(struct member *m)
{
	w.held -= m->phase == ASKED;
	m->fd = closefd(m->fd);
	m->phase = CLOSED;
}

static void lost(struct member *m, uint64_t retry_after_ms)
{
	w.failed++;
	fleetnode_failed(&m->node, retry_after_ms);
}

static void send_request(struct member *m)
{
	_cleanup_(freep) char *text = xasprintf(
		"GET /api/v1/nodes/f1ee%020x/orders?after=0&wait=%llu&limit=256 HTTP/1.1\r\n"
		"Host: fleet\r\nUser-Agent: hoody-agent/fleet\r\nAuthorization: Bearer %s\r\n"
		"Accept: application/json\r\n\r\n",
		m->number, (unsigned long long)m->wait_s, w.token);
	size_t size = strlen(text);

	m->have = 0;
	m->phase = ASKED;
	w.held++;
	if (send(m->fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) {
		hang_up(m);
		lost(m, 0);
	}
}

static int connect_to_api(struct member *m)
{
	const struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + m->number % SOURCES) };
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = m };
	const int one = 1;

	m->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (m->fd < 0 ||
		setsockopt(m->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) < 0 ||
		bind(m->fd, (const struct sockaddr *)&from, sizeof(from)) < 0) {
		perror("fleet: a socket");
		exit(EXIT_FAILURE);
	}
	m->phase = CONNECTING;
	if (connect(m->fd, (const struct sockaddr *)&w.to, sizeof(w.to)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	return epoll_ctl(w.epoll_fd, EPOLL_CTL_ADD, m->fd, &e) < 0 ? -errno : 0;
}

static void ask(struct member *m)
{
	w.asked[(clock_us(CLOCK_BOOTTIME) - w.begun_us) / 1000000 % SECONDS]++;
	if (m->phase == IDLE) {
		send_request(m);
	} else if (connect_to_api(m) < 0) {
		hang_up(m);
		lost(m, 0);
	}
}

/* --- an answer --- */

static const char *header(const char *answer, const char *name)
{
	const char *end = strstr(answer, "\r\n\r\n");

	for (const char *at = strstr(answer, "\r\n"); at && at < end; at = strstr(at + 2, "\r\n"))
		if (strncasecmp(at + 2, name, strlen(name)) == 0 && at[2 + strlen(name)] == ':')
			return at + 3 + strlen(name);
	return NULL;
}

/* The whole of it is here: where its body is; NULL: not yet. */
static const char *whole(const struct member *m, size_t *ret_size)
{
	const char *end = strstr(m->answer, "\r\n\r\n"),
		   *length = end ? header(m->answer, "Content-Length") : NULL;
	size_t size = length ? strtoul(length, NULL, 10) : 0;

	if (!end || m->have < (size_t)(end + 4 - m->answer) + size)
		return NULL;
	*ret_size = size;
	return end + 4;
}

static void judge(struct member *m, const char *body, size_t size)
{
	const char *close = header(m->answer, "Connection"),
		   *after = header(m->answer, "Retry-After");
	const long status = strtol(m->answer + strlen("HTTP/1.1 "), NULL, 10);
	const struct nodecall_pace said = nodecall_read_pace(body, size);
	const uint64_t after_ms = after ? strtoull(after, NULL, 10) * 1000 : 0;

	if (close && strncasecmp(close + strspn(close, " "), "close", 5) == 0) {
		hang_up(m);
	} else {
		m->phase = IDLE;
		w.held--;
	}
	if (status == 200)
		fleetnode_answered(&m->node, &said);
	else
		lost(m, after_ms);
}

static void take(struct member *m)
{
	const char *body;
	size_t size;
	ssize_t n;

	while ((n = recv(m->fd, m->answer + m->have, ANSWER_MAX - m->have, 0)) > 0) {
		m->have += (size_t)n;
		m->answer[m->have] = '\0';
		if (m->phase == ASKED && (body = whole(m, &size)))
			judge(m, body, size);
		if (m->phase == CLOSED)
			return;
		if (m->phase != ASKED)
			m->have = 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (m->phase == ASKED || m->phase == CONNECTING)
		lost(m, 0);
	hang_up(m);
}

static void on_socket(struct member *m, uint32_t events)
{
	if (m->phase == CONNECTING && (events & (EPOLLERR | EPOLLHUP))) {
		hang_up(m);
		lost(m, 0);
	} else if (m->phase == CONNECTING && (events & EPOLLOUT)) {
		send_request(m);
	} else if (m->phase != CLOSED && (events & (EPOLLIN | EPOLLERR | EPOLLHUP))) {
		take(m);
	}
}

/* --- the loop --- */

static int on_sockets(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct epoll_event events[BURST];
	int n = epoll_wait(fd, events, BURST, 0);

	for (int i = 0; i < n; i++)
		on_socket(events[i].data.ptr, events[i].events);
	return 0;
}

static void again_in(sd_event_source *s, uint64_t us)
{
	if (sd_event_source_set_time_relative(s, us) < 0 ||
		sd_event_source_set_enabled(s, SD_EVENT_ONESHOT) < 0)
		abort();
}

static int on_turn(sd_event_source *s, uint64_t usec, void *userdata)
{
	for (unsigned i = 0; i < w.n; i++)
		if (fleetnode_kick(&w.members[i].node, &w.members[i].wait_s))
			ask(&w.members[i]);
	again_in(s, TURN_US);
	return 0;
}

static int on_second(sd_event_source *s, uint64_t usec, void *userdata)
{
	uint64_t now_us = clock_us(CLOCK_BOOTTIME), due_us = w.begun_us + (w.second + 1) * 1000000;

	(void)printf("%u %u %u %llu\n", w.asked[w.second % SECONDS], w.failed, w.held,
		(unsigned long long)(now_us - due_us) / 1000);
	(void)fflush(stdout);
	w.asked[w.second++ % SECONDS] = w.failed = 0;
	due_us += 1000000;
	again_in(s, due_us > now_us ? due_us - now_us : 1);
	return 0;
}

/* As one that has just failed: so all begin within the time that a fleet has for it. */
static void begin(struct member *m, sd_event *event, unsigned number, unsigned within_s)
{
	const struct nodecall_pace said = { true, within_s, within_s, -1, 0 };

	m->number = number;
	m->fd = -1;
	fleetnode_init(&m->node, event, m);
	(void)pace_keep(&m->node.pace, &said);
	fleetnode_failed(&m->node, 0);
}

static void open_loop(sd_event **ret)
{
	sd_event_source *turn = NULL, *second = NULL;
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	w.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w.begun_us = clock_us(CLOCK_BOOTTIME);
	if (w.epoll_fd < 0 || sd_event_new(ret) < 0 ||
		sd_event_add_signal(*ret, NULL, SIGTERM, NULL, NULL) < 0 ||
		sd_event_add_io(*ret, NULL, w.epoll_fd, EPOLLIN, on_sockets, NULL) < 0 ||
		sd_event_add_time_relative(
			*ret, &turn, CLOCK_BOOTTIME, TURN_US, ACCURACY_US, on_turn, NULL) < 0 ||
		sd_event_add_time_relative(
			*ret, &second, CLOCK_BOOTTIME, 1000000, ACCURACY_US, on_second, NULL) < 0) {
		perror("fleet");
		exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	sd_event *event = NULL;
	struct rlimit limit;

	w.n = argc == 5 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	if (w.n < 1 || w.n > NODES_MAX || sodium_init() < 0) {
		(void)fputs("usage: fleet PORT TOKEN NODES BEGIN_S\n", stderr);
		return EXIT_FAILURE;
	}
	jsonx_init();
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = w.n + 64;
	limit.rlim_max = MAX_OF(limit.rlim_max, limit.rlim_cur);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
		perror("fleet: descriptors");
		return EXIT_FAILURE;
	}
	w.token = argv[2];
	w.to = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	w.members = xcalloc(w.n, sizeof(*w.members));
	open_loop(&event);
	for (unsigned i = 0; i < w.n; i++)
		begin(&w.members[i], event, i, (unsigned)strtoul(argv[4], NULL, 10));
	return sd_event_loop(event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
