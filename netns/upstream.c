/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections through the upstream proxy, by libcurl: the pool is one multi handle on our loop,
 * an upstream one easy handle that connects and does no more (CURLOPT_CONNECT_ONLY). It is
 * tried, told ready or refused, once, and then its owner's to send and receive by, until
 * upstream_close().
 *
 * The pool also knows whether the proxy is at fault. What the proxy says of a destination is no
 * fault of the proxy's: such an answer ends a fault, as a connection does. A name that can't be
 * resolved is looked up again and again, without traffic, by a handle that gets no socket; what
 * it finds is in the multi handle's cache, where connections find it too. While the name is
 * unresolved failed connections tell nothing of their own. Destinations are addresses: their
 * names are not our matter, and nothing is ever sent past the proxy. */
#include "netns/upstream.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <sys/epoll.h>

#include "netns/upstream_trust.h"

#define CONNECT_TIMEOUT_MS 15000 /* until the destination's bytes could flow */
#define KEEPALIVE_S        60
#define FAULT_MAX          200
#define LOOK_UP_FIRST_US   (1000 * 1000ULL) /* again, after one that failed; then twice as long … */
#define LOOK_UP_LAST_US    (30 * 1000 * 1000ULL)

struct upstream_pool {
	sd_event *event;
	CURLM *multi;
	sd_event_source *timer;
	char *url;
	struct upstream_trust *trust; /* of a proxy that speaks TLS */
	upstream_fault fault;
	void *userdata;
	bool at_fault;
	char *name;        /* the proxy's, or its address */
	char *look_up_url; /* NULL: nothing is to be looked up */
	CURL *look_up;
	struct curl_slist *forget; /* what it removes from the cache first (CURLOPT_RESOLVE(3)) */
	sd_event_source *look_up_again;
	uint64_t look_up_wait_us;
	bool unresolved;
};

struct upstream {
	struct upstream_pool *all;
	CURL *easy;
	curl_socket_t fd;
	bool plain;
	upstream_ready ready;
	void *userdata;
	char error[CURL_ERROR_SIZE];
};

/* --- whose fault --- */

static void tell_fault(struct upstream_pool *s, enum frame_netproxy_fault kind, const char *fault)
{
	if (!fault && !s->at_fault)
		return;
	s->at_fault = fault != NULL;
	s->fault(kind, fault, s->userdata);
}

/* What is quoted is nothing but names, addresses and numbers; still, it is printable or it isn't
 * passed on. */
static void tell_text(struct upstream_pool *s, enum frame_netproxy_fault kind, const char *from)
{
	char text[FAULT_MAX];

	(void)snprintf(text, sizeof(text), "%.*s", FAULT_MAX - 1, from);
	for (char *p = text; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	tell_fault(s, kind, text);
}

static void no_fault(struct upstream_pool *s)
{
	s->unresolved = false;
	tell_fault(s, FRAME_NETPROXY_UPSTREAM, NULL);
}

/* The proxy has answered that this destination can't be reached, or not by us. */
static bool is_destinations(CURL *easy, CURLcode code)
{
	long n = 0;

	if (code == CURLE_PROXY) {
		(void)curl_easy_getinfo(easy, CURLINFO_PROXY_ERROR, &n);
		return n >= CURLPX_REPLY_ADDRESS_TYPE_NOT_SUPPORTED && n <= CURLPX_REPLY_UNASSIGNED;
	}
	(void)curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &n);
	return n >= 300 && n != 407; /* Proxy Authentication Required: the node's own doing */
}

/* --- the proxy's name --- */

static void end_look_up(struct upstream_pool *s)
{
	if (s->look_up) {
		(void)curl_multi_remove_handle(s->multi, s->look_up);
		curl_easy_cleanup(s->look_up);
	}
	s->look_up = NULL;
}

/* Without traffic nobody would find out, neither that nor that it is right again. */
static void look_up_later(struct upstream_pool *s)
{
	int enabled = SD_EVENT_OFF;

	(void)sd_event_source_get_enabled(s->look_up_again, &enabled);
	if (!s->look_up_url || s->look_up || enabled != SD_EVENT_OFF)
		return;
	(void)sd_event_source_set_time_relative(s->look_up_again, s->look_up_wait_us);
	(void)sd_event_source_set_enabled(s->look_up_again, SD_EVENT_ONESHOT);
	s->look_up_wait_us = MIN_OF(s->look_up_wait_us * 2, LOOK_UP_LAST_US);
}

static void is_unresolved(struct upstream_pool *s)
{
	_cleanup_(freep) char *text = xasprintf("the proxy's name %s can't be resolved", s->name);

	s->unresolved = true;
	tell_text(s, FRAME_NETPROXY_NAME, text);
	look_up_later(s);
}

/* That no socket was to be had is what a look-up ends with that has found something. */
static void looked_up(struct upstream_pool *s, CURLcode code)
{
	end_look_up(s);
	if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_OPERATION_TIMEDOUT) {
		is_unresolved(s);
		return;
	}
	s->look_up_wait_us = LOOK_UP_FIRST_US;
	if (s->unresolved)
		no_fault(s);
}

/* --- whose fault, when a connection was tried --- */

static void find_fault(struct upstream *u, CURLcode code)
{
	if (is_destinations(u->easy, code))
		no_fault(u->all);
	else if (code == CURLE_COULDNT_RESOLVE_PROXY)
		is_unresolved(u->all);
	else if (!u->all->unresolved) /* else that is why, and has been told */
		tell_text(u->all, FRAME_NETPROXY_UPSTREAM,
			u->error[0] ? u->error : curl_easy_strerror(code));
}

/* --- libcurl's events in ours --- */

static bool speaks_tls(const struct upstream_pool *s)
{
	return strncmp(s->url, "https:", 6) == 0;
}

static void conclude(struct upstream *u, CURLcode code)
{
	upstream_ready ready = u->ready;

	if (code == CURLE_OK)
		code = curl_easy_getinfo(u->easy, CURLINFO_ACTIVESOCKET, &u->fd);
	if (code == CURLE_OK && u->fd != CURL_SOCKET_BAD) {
		u->plain = !speaks_tls(u->all);
		no_fault(u->all);
		ready(u, 0, u->userdata);
		return;
	}
	find_fault(u, code);
	ready(u, -ECONNREFUSED, u->userdata);
}

static void check_ends(struct upstream_pool *s)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(s->multi, &left))) {
		struct upstream *u = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		if (m->easy_handle == s->look_up) {
			looked_up(s, m->data.result);
			continue;
		}
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&u);
		conclude(u, m->data.result);
	}
}

static int on_socket_event(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct upstream_pool *s = userdata;
	int mask = (revents & EPOLLIN ? CURL_CSELECT_IN : 0) |
		   (revents & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (revents & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
	    running;

	(void)curl_multi_socket_action(s->multi, fd, mask, &running);
	check_ends(s);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct upstream_pool *s = userdata;
	int running;

	(void)curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	check_ends(s);
	return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *of_socket)
{
	struct upstream_pool *s = userdata;
	sd_event_source *source = of_socket;
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	int r = 0;

	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	r = sd_event_add_io(s->event, &source, fd, events, on_socket_event, s);
	if (r >= 0)
		(void)curl_multi_assign(s->multi, fd, source);
	return r < 0 ? -1 : 0;
}

static int on_timeout(CURLM *multi, long ms, void *userdata)
{
	struct upstream_pool *s = userdata;

	if (ms < 0)
		return sd_event_source_set_enabled(s->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(s->timer, (uint64_t)ms * 1000) < 0)
		return -1;
	return sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* --- looking up --- */

static void shared_options(CURL *c)
{
	(void)curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
	(void)curl_easy_setopt(c, CURLOPT_NOPROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	/* Else a handle that is given up waits, and all others with it, for a name server. */
	(void)curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
}

static curl_socket_t no_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
	return CURL_SOCKET_BAD;
}

/* A connection that ends when the name is resolved; the connections find it in the same cache. */
static int on_look_up(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct upstream_pool *s = userdata;

	s->look_up = curl_easy_init();
	if (!s->look_up)
		abort();
	shared_options(s->look_up);
	(void)curl_easy_setopt(s->look_up, CURLOPT_URL, s->look_up_url);
	(void)curl_easy_setopt(s->look_up, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(s->look_up, CURLOPT_RESOLVE, s->forget);
	(void)curl_easy_setopt(s->look_up, CURLOPT_OPENSOCKETFUNCTION, no_socket);
	if (curl_multi_add_handle(s->multi, s->look_up) != CURLM_OK)
		abort(); /* no memory */
	return 0;
}

/* --- all of them --- */

static void free_pool(struct upstream_pool *s)
{
	(void)curl_multi_cleanup(s->multi);
	s->look_up_again = sd_event_source_disable_unref(s->look_up_again);
	s->timer = sd_event_source_disable_unref(s->timer);
	sd_event_unref(s->event);
	free(s);
}

int upstream_pool_new(
	sd_event *event, upstream_fault fault, void *userdata, struct upstream_pool **ret)
{
	struct upstream_pool *s = xcalloc(1, sizeof(*s));
	int r;

	s->event = sd_event_ref(event);
	s->fault = fault;
	s->userdata = userdata;
	s->multi = curl_multi_init();
	if (!s->multi)
		abort();
	r = sd_event_add_time(event, &s->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time(
			event, &s->look_up_again, CLOCK_MONOTONIC, 0, 1000, on_look_up, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->look_up_again, SD_EVENT_OFF);
	if (r < 0) {
		free_pool(s);
		return r;
	}
	(void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
	(void)curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	(void)curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
	*ret = s;
	return 0;
}

/* The URL has been judged by the agent; one that libcurl reads otherwise fails with the first
 * connection. */
static void find_name(struct upstream_pool *s)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	uint8_t address[sizeof(struct in_addr)];

	free(s->name);
	free(s->look_up_url);
	s->look_up_url = NULL;
	curl_slist_free_all(s->forget);
	s->forget = NULL;
	if (!u)
		abort(); /* no memory */
	(void)curl_url_set(u, CURLUPART_URL, s->url, CURLU_NON_SUPPORT_SCHEME);
	(void)curl_url_get(u, CURLUPART_HOST, &host, 0);
	(void)curl_url_get(u, CURLUPART_PORT, &port, 0);
	s->name = xstrdup(host ? host : "");
	if (host && port && host[0] != '[' && inet_pton(AF_INET, host, address) != 1) {
		_cleanup_(freep) char *entry = xasprintf("-%s:%s", host, port);

		s->look_up_url = xasprintf("http://%s:%s/", host, port);
		s->forget = curl_slist_append(NULL, entry);
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
}

void upstream_pool_configure(
	struct upstream_pool *s, const char *url, const char *ca_pem, int system_ca)
{
	free(s->url);
	s->url = xstrdup(url);
	upstream_trust_free(s->trust);
	s->trust = !speaks_tls(s) ? NULL
		   : ca_pem       ? upstream_trust_new(ca_pem)
				  : upstream_trust_read(system_ca);
	end_look_up(s); /* which has what find_name replaces */
	find_name(s);
	no_fault(s);
	upstream_pool_look_up(s);
}

void upstream_pool_look_up(struct upstream_pool *s)
{
	end_look_up(s);
	(void)sd_event_source_set_enabled(s->look_up_again, SD_EVENT_OFF);
	s->look_up_wait_us = 0; /* the first at once */
	look_up_later(s);
	s->look_up_wait_us = LOOK_UP_FIRST_US;
}

/* --- one --- */

static void set_up(struct upstream *u, const char *destination)
{
	struct upstream_pool *s = u->all;
	CURL *c = u->easy;

	shared_options(c);
	(void)curl_easy_setopt(c, CURLOPT_PRIVATE, u);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, u->error);
	(void)curl_easy_setopt(c, CURLOPT_URL, destination);
	(void)curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, s->url);
	(void)curl_easy_setopt(c, CURLOPT_HTTPPROXYTUNNEL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXYAUTH, CURLAUTH_BASIC);
	(void)curl_easy_setopt(c, CURLOPT_SOCKS5_AUTH, CURLAUTH_BASIC);
	(void)curl_easy_setopt(c, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(c, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
	upstream_trust_use(s->trust, c);
	(void)curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
	(void)curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
}

struct upstream *upstream_open(struct upstream_pool *s, uint32_t address, uint16_t port,
	upstream_ready ready, void *userdata)
{
	struct upstream *u = xcalloc(1, sizeof(*u));
	const uint32_t wire = htonl(address);
	char host[INET_ADDRSTRLEN], url[64];

	u->all = s;
	u->fd = CURL_SOCKET_BAD;
	u->ready = ready;
	u->userdata = userdata;
	u->easy = curl_easy_init();
	if (!u->easy || !inet_ntop(AF_INET, &wire, host, sizeof(host)))
		abort();
	(void)snprintf(url, sizeof(url), "http://%s:%u/", host, (unsigned)port);
	set_up(u, url);
	if (curl_multi_add_handle(s->multi, u->easy) != CURLM_OK)
		abort(); /* no memory */
	return u;
}

struct upstream *upstream_close(struct upstream *u)
{
	if (u) {
		(void)curl_multi_remove_handle(u->all->multi, u->easy); /* and its connection */
		curl_easy_cleanup(u->easy);
		free(u);
	}
	return NULL;
}

int upstream_fd(const struct upstream *u)
{
	return u->fd;
}

bool upstream_is_plain(const struct upstream *u)
{
	return u->plain;
}

ssize_t upstream_send(struct upstream *u, const void *data, size_t n)
{
	size_t done = 0;
	CURLcode code = curl_easy_send(u->easy, data, n, &done);

	return code == CURLE_OK ? (ssize_t)done : code == CURLE_AGAIN ? -EAGAIN : -EIO;
}

ssize_t upstream_recv(struct upstream *u, void *data, size_t n)
{
	size_t done = 0;
	CURLcode code = curl_easy_recv(u->easy, data, n, &done);

	return code == CURLE_OK ? (ssize_t)done : code == CURLE_AGAIN ? -EAGAIN : -EIO;
}
