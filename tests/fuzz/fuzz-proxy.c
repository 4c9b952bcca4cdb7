/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an upstream proxy answers, SOCKS5 and HTTP, by a real connection through libcurl as the
 * forwarder makes it: whatever comes, a connection is told ready or refused, once; what is told of
 * the proxy is printable and without its password; and one that is ready can be read and written.
 *
 * The first byte says which proxy it is, the rest are its answers: a length and so many bytes each,
 * one for each thing that it hears, or when it hears nothing more. Then it resets the
 * connection. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "netns/upstream.h"
#include "tests/fuzz/fuzz.h"

#define SECRET "seeecret"

static struct proxy {
	sd_event *event;
	struct upstream_pool *pool;
	int listener, fd;
	uint16_t port;
	const uint8_t *at, *end;
	unsigned ready;
	int r;
} p = { .listener = -1, .fd = -1 };

static void on_fault(enum frame_netproxy_fault kind, const char *fault, void *userdata)
{
	assert(kind < FRAME_NETPROXY_FAULTS);
	for (const char *c = fault; c && *c; c++)
		assert(*c >= ' ' && *c <= '~');
	assert(!fault || !strstr(fault, SECRET));
}

static void on_ready(struct upstream *u, int r, void *userdata)
{
	p.ready++;
	p.r = r;
}

/* --- the proxy --- */

static void hang_up(void)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (p.fd >= 0)
		(void)setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	p.fd = closefd(p.fd);
}

/* Accepts, hears whatever is there, and says the next thing. */
static void answer(void)
{
	const int on = 1;
	char heard[4096];
	size_t n;

	if (p.fd < 0) {
		p.fd = accept4(p.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		(void)setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	if (p.fd < 0)
		return;
	while (recv(p.fd, heard, sizeof(heard), 0) > 0)
		;
	if (p.at == p.end) {
		hang_up();
		return;
	}
	n = MIN_OF((size_t)*p.at, (size_t)(p.end - p.at) - 1);
	(void)!send(p.fd, p.at + 1, n, MSG_NOSIGNAL);
	p.at += n + 1;
}

static void open_listener(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(here);

	p.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p.listener < 0 || bind(p.listener, (struct sockaddr *)&here, size) < 0 ||
		listen(p.listener, 4) < 0 ||
		getsockname(p.listener, (struct sockaddr *)&here, &size) < 0)
		abort();
	p.port = ntohs(here.sin_port);
}

static void set_up(void)
{
	if (p.listener >= 0)
		return;
	(void)signal(SIGPIPE, SIG_IGN);
	open_listener();
	if (sd_event_new(&p.event) < 0 || upstream_pool_new(p.event, on_fault, NULL, &p.pool) < 0)
		abort();
}

static void configure(uint8_t how)
{
	_cleanup_(freep) char *url = xasprintf("%s://%s127.0.0.1:%u", how & 1 ? "http" : "socks5",
		how & 2 ? "user:" SECRET "@" : "", (unsigned)p.port);

	upstream_pool_configure(p.pool, url, NULL, -1);
}

/* --- its client --- */

static void use(struct upstream *u)
{
	char bytes[4096];
	ssize_t n;

	assert(upstream_fd(u) >= 0 && upstream_is_plain(u));
	n = upstream_send(u, "x", 1);
	assert(n == 1 || n == -EAGAIN || n == -EIO);
	n = upstream_recv(u, bytes, sizeof(bytes));
	assert((n >= 0 && n <= (ssize_t)sizeof(bytes)) || n == -EAGAIN || n == -EIO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct upstream *u;

	if (size == 0)
		return 0;
	set_up();
	configure(data[0]);
	p.at = data + 1;
	p.end = data + size;
	p.ready = 0;
	u = upstream_open(p.pool, 0xc0000201, 80, on_ready, NULL);
	while (p.ready == 0)
		if (sd_event_run(p.event, 0) == 0)
			answer();
	assert(p.ready == 1);
	if (p.r == 0)
		use(u);
	(void)upstream_close(u);
	hang_up();
	return 0;
}
