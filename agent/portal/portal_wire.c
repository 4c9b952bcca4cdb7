/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Up goes what the client says, as it is, a part at a time: what the library doesn't take yet
 * waits, and the client with it. Down goes what the library says. An answer of ours is told from
 * its own refusals by when it comes, never by its bytes: all that it has written is fetched where
 * an answer begins and where it has ended, so that what lies between is ours and nothing else is.
 *
 * A client that has closed its half still gets its answer; one that has left, or was sent away,
 * ends both sides. When the library closes, the client's side ends with the last byte that it
 * takes. Where the library hangs up on a first request without a word (what doesn't even look like
 * one, or never becomes whole), the refusal is ours. */
#include "agent/portal/portal_wire.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#define UP_MAX   (8 * 1024)
#define DOWN_MAX (16 * 1024) /* that is read for a client that doesn't */
#define PAIR_MAX (16 * 1024) /* and that the library can say before (socket(7)) */
#define PART     (16 * 1024)
#define ROUNDS   8 /* parts of one turn */
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define HTTP_1_1 "HTTP/1.1 "

struct portal_wire {
	struct portal_crowd *crowd;
	struct portal_crowd_member *member;
	int client, inner; /* -1: it has ended */
	sd_event_source *client_source, *inner_source;
	char up[UP_MAX];
	char *down;
	size_t n_up, n_down, size_down;
	bool client_ended; /* says no more */
	bool inner_ended;
	bool asked, answered; /* at all: has either side said anything? */
	bool ours;            /* what the library says is */
	bool refused;         /* the rest of what it says is nothing */
	bool released;        /* the library has no connection for it */
	void (*left)(const struct portal_wire *w, void *userdata);
	void *userdata;
};

/* --- what the library says of its own accord --- */

static const struct refusal {
	int status;
	const char *reason, *code, *message;
} refusals[] = {
	{ 400, "Bad Request", "VALIDATION_ERROR", "the request is not well-formed" },
	{ 413, "Content Too Large", "PAYLOAD_TOO_LARGE", "the body is larger than 1 MiB" },
	{ 414, "URI Too Long", "VALIDATION_ERROR", "the URL is too long" },
	{ 431, "Request Header Fields Too Large", "VALIDATION_ERROR", "the header is too large" },
	{ 501, "Not Implemented", "VALIDATION_ERROR", "the body is coded in a way nobody knows" },
	{ 503, "Service Unavailable", "BUSY", "the request can't be taken: try again" },
	{ 505, "HTTP Version Not Supported", "VALIDATION_ERROR",
		"HTTP/1.0 and HTTP/1.1 are spoken" },
};

static void put(struct portal_wire *w, const char *text, size_t n)
{
	if (w->n_down + n > w->size_down) {
		w->size_down = w->n_down + n;
		w->down = xrealloc(w->down, w->size_down, 1);
	}
	memcpy(w->down + w->n_down, text, n);
	w->n_down += n;
	w->answered = true;
}

static void refuse(struct portal_wire *w, int status)
{
	const struct refusal *r = &refusals[0];
	_cleanup_(freep) char *body = NULL, *text = NULL;

	for (size_t i = 0; i < countof(refusals); i++)
		if (refusals[i].status == status)
			r = &refusals[i];
	body = xasprintf(
		"{\"success\":false,\"statusCode\":%d,\"error\":\"%s\",\"message\":\"%s\"}",
		r->status, r->code, r->message);
	text = xasprintf(HTTP_1_1 "%d %s\r\nContent-Type: application/json\r\nConnection: close\r\n"
				  "Content-Length: %zu\r\n\r\n%s",
		r->status, r->reason, strlen(body), body);
	put(w, text, strlen(text));
	w->refused = true;
}

/* What has come from the library, at the end of what is on its way down. */
static void judge(struct portal_wire *w, size_t n)
{
	size_t from = w->n_down - n;

	if (w->ours)
		return;
	while (!w->refused && w->n_down - from >= strlen(CONTINUE) &&
		memcmp(w->down + from, CONTINUE, strlen(CONTINUE)) == 0)
		from += strlen(CONTINUE);
	n = w->n_down - from;
	w->n_down = from;
	if (n > 0 && !w->refused) {
		char status[4] = "";

		if (n >= strlen(HTTP_1_1) + 3)
			memcpy(status, w->down + from + strlen(HTTP_1_1), 3);
		refuse(w, (int)strtol(status, NULL, 10));
	}
}

/* --- bytes --- */

/* False: nobody takes them any more. */
static bool push(int fd, char *bytes, size_t *n)
{
	ssize_t sent = send(fd, bytes, *n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent > 0) {
		*n -= (size_t)sent;
		memmove(bytes, bytes + sent, *n);
	}
	return sent >= 0 || errno == EAGAIN || errno == EINTR;
}

/* From the client to the library. */
static void move_up(struct portal_wire *w)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		ssize_t n = 0;

		if (w->n_up == 0 && !w->client_ended) {
			n = recv(w->client, w->up, UP_MAX, MSG_DONTWAIT);
			if (n == 0 && i > 0)
				return; /* for the next turn: an end that comes with the last bytes
					   the library would not see */
			w->client_ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
			w->n_up = n > 0 ? (size_t)n : 0;
			w->asked |= n > 0;
			if (w->client_ended && !w->inner_ended)
				(void)shutdown(w->inner, SHUT_WR);
		}
		if (w->n_up == 0)
			return;
		if (w->inner_ended || !push(w->inner, w->up, &w->n_up))
			w->n_up = 0; /* it has heard enough */
		if (w->n_up > 0)
			return;
	}
}

/* From the library. @all: however little the client reads. */
static void take(struct portal_wire *w, bool all)
{
	while (!w->inner_ended && (all || w->n_down < DOWN_MAX)) {
		char part[PART];
		ssize_t n = recv(w->inner, part, sizeof(part), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		w->inner_ended = n <= 0;
		if (n > 0) {
			put(w, part, (size_t)n);
			judge(w, (size_t)n);
		}
		if (w->inner_ended && w->asked && !w->answered)
			refuse(w, 400);
	}
}

/* --- life --- */

static void free_if_done(struct portal_wire *w)
{
	if (!w->released || w->client >= 0)
		return;
	free(w->down);
	free(w);
}

/* Of the client's side; the library notices as if that were its client. */
static void finish(struct portal_wire *w)
{
	w->client_source = sd_event_source_disable_unref(w->client_source);
	w->inner_source = sd_event_source_disable_unref(w->inner_source);
	w->client = closefd(w->client);
	w->inner = closefd(w->inner);
	w->inner_ended = w->client_ended = true;
	w->n_up = w->n_down = 0;
	portal_crowd_leave(w->crowd, w->member);
	w->member = NULL;
	w->left(w, w->userdata);
	free_if_done(w);
}

/* What it waits for. */
static void watch(struct portal_wire *w)
{
	if (w->n_down == 0 && w->size_down > DOWN_MAX) {
		free(w->down);
		w->down = NULL;
		w->size_down = 0;
	}
	(void)sd_event_source_set_io_events(
		w->client_source, (w->n_up == 0 && !w->client_ended ? EPOLLIN : 0u) |
					  (w->n_down > 0 ? EPOLLOUT : 0u));
	if (w->inner_ended)
		w->inner_source = sd_event_source_disable_unref(w->inner_source);
	else
		(void)sd_event_source_set_io_events(w->inner_source,
			(w->n_down < DOWN_MAX ? EPOLLIN : 0u) | (w->n_up > 0 ? EPOLLOUT : 0u));
}

static void proceed(struct portal_wire *w)
{
	bool taken = w->n_down == 0 || push(w->client, w->down, &w->n_down);

	if (!taken || (w->inner_ended && w->n_down == 0))
		finish(w);
	else
		watch(w);
}

static int on_client(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct portal_wire *w = userdata;

	move_up(w);
	if (revents & (EPOLLHUP | EPOLLERR))
		finish(w); /* the library has what it said last, as far as it goes in */
	else
		proceed(w);
	return 0;
}

static int on_inner(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct portal_wire *w = userdata;

	take(w, revents & (EPOLLHUP | EPOLLERR));
	move_up(w);
	proceed(w);
	return 0;
}

struct portal_wire *portal_wire_new(sd_event *event, struct portal_crowd *crowd, int client,
	void (*left)(const struct portal_wire *w, void *userdata), void *userdata, int *ret_fd)
{
	struct portal_wire *w;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		closefd(client);
		return NULL;
	}
	(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){ PAIR_MAX }, sizeof(int));
	w = xcalloc(1, sizeof(*w));
	w->crowd = crowd;
	w->left = left;
	w->userdata = userdata;
	w->member = portal_crowd_enter(crowd, client);
	w->client = client;
	w->inner = pair[0];
	if (sd_event_add_io(event, &w->client_source, client, EPOLLIN, on_client, w) < 0 ||
		sd_event_add_io(event, &w->inner_source, w->inner, EPOLLIN, on_inner, w) < 0) {
		closefd(pair[1]);
		w->released = true;
		finish(w);
		return NULL;
	}
	*ret_fd = pair[1];
	return w;
}

void portal_wire_release(struct portal_wire *w)
{
	w->released = true;
	free_if_done(w);
}

int portal_wire_client(const struct portal_wire *w)
{
	return w->client;
}

struct portal_crowd_member *portal_wire_member(const struct portal_wire *w)
{
	return w->member;
}

void portal_wire_begin(struct portal_wire *w)
{
	take(w, true);
	w->ours = true;
}

void portal_wire_end(struct portal_wire *w)
{
	take(w, true);
	w->ours = false;
	if (w->n_down == 0)
		return;
	(void)push(w->client, w->down, &w->n_down); /* a failure is seen when that is watched */
	if (!w->inner_ended)
		watch(w);
}
