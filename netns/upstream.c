/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/upstream.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <sys/epoll.h>

#define CONNECT_TIMEOUT_MS 15000 /* until the destination's bytes could flow */
#define KEEPALIVE_S        60
#define FAULT_MAX          200

struct upstream_pool {
	sd_event *event;
	CURLM *multi;
	sd_event_source *timer;
	char *url;
	const char *ca_pem;
	upstream_fault fault;
	void *userdata;
	bool at_fault;
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

static void tell_fault(struct upstream_pool *s, const char *fault)
{
	if (!fault && !s->at_fault)
		return;
	s->at_fault = fault != NULL;
	s->fault(fault, s->userdata);
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

/* libcurl's text quotes nothing but names, addresses and numbers; still, it is printable or it isn't
 * passed on. */
static void find_fault(struct upstream *u, CURLcode code)
{
	char text[FAULT_MAX];
	const char *from = u->error[0] ? u->error : curl_easy_strerror(code);

	if (is_destinations(u->easy, code)) {
		tell_fault(u->all, NULL);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.*s", FAULT_MAX - 1, from);
	for (char *p = text; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	tell_fault(u->all, text);
}

/* --- libcurl's events in ours --- */

static void conclude(struct upstream *u, CURLcode code)
{
	const char *scheme = u->all->url;
	upstream_ready ready = u->ready;

	if (code == CURLE_OK)
		code = curl_easy_getinfo(u->easy, CURLINFO_ACTIVESOCKET, &u->fd);
	if (code == CURLE_OK && u->fd != CURL_SOCKET_BAD) {
		u->plain = strncmp(scheme, "https:", 6) != 0;
		tell_fault(u->all, NULL);
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

/* --- all of them --- */

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
	if (r < 0) {
		upstream_pool_free(s);
		return r;
	}
	(void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
	(void)curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	(void)curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
	*ret = s;
	return 0;
}

struct upstream_pool *upstream_pool_free(struct upstream_pool *s)
{
	if (s) {
		(void)curl_multi_cleanup(s->multi);
		s->timer = sd_event_source_disable_unref(s->timer);
		sd_event_unref(s->event);
		free(s->url);
		free(s);
	}
	return NULL;
}

void upstream_pool_configure(struct upstream_pool *s, const char *url, const char *ca_pem)
{
	free(s->url);
	s->url = xstrdup(url);
	s->ca_pem = ca_pem;
	tell_fault(s, NULL);
}

/* --- one --- */

static void set_up(struct upstream *u, const char *destination)
{
	struct upstream_pool *s = u->all;
	CURL *c = u->easy;

	(void)curl_easy_setopt(c, CURLOPT_PRIVATE, u);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, u->error);
	(void)curl_easy_setopt(c, CURLOPT_URL, destination);
	(void)curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
	(void)curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, s->url);
	(void)curl_easy_setopt(c, CURLOPT_NOPROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_HTTPPROXYTUNNEL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXYAUTH, CURLAUTH_BASIC);
	(void)curl_easy_setopt(c, CURLOPT_SOCKS5_AUTH, CURLAUTH_BASIC);
	(void)curl_easy_setopt(c, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(c, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY_CAINFO, NULL);
	(void)curl_easy_setopt(c, CURLOPT_PROXY_CAPATH, NULL);
	if (s->ca_pem) {
		struct curl_blob ca = { (void *)(uintptr_t)s->ca_pem, strlen(s->ca_pem),
			CURL_BLOB_NOCOPY };

		(void)curl_easy_setopt(c, CURLOPT_PROXY_CAINFO_BLOB, &ca);
	}
	(void)curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
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
