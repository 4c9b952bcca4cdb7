/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP as clients of the local socket may speak it, through libmicrohttpd as the portal sets it up:
 * whatever comes, the agent can read what the portal asks it, or a client could make the portal be
 * killed. */
#include <microhttpd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/api/portal.h"
#include "agent/portal/portal_ask.h"
#include "proto/jsonx.h"
#include "tests/fuzz/fuzz.h"

#define TURNS_MAX   64
#define HEADERS_MAX (32 * 1024)
#define BODY_MAX    65536 /* no input is longer */

struct upload {
	char *data;
	size_t size;
};

static void check(
	struct MHD_Connection *c, const char *method, const char *url, const struct upload *u)
{
	_cleanup_json_ json_t *asked = portal_ask(c, method, url, u->data, u->size), *read = NULL;
	_cleanup_(freep) char *text = NULL;

	if (!asked)
		return;
	text = jsonx_dump(asked);
	read = portal_read_request(text, strlen(text));
	assert(read && json_equal(asked, read));
	assert(!MHD_lookup_connection_value(c, MHD_HEADER_KIND, "If-Match") ||
		json_is_string(json_object_get(asked, "if_match")));
}

static enum MHD_Result answer(struct MHD_Connection *c)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		2, (void *)(uintptr_t) "{}", MHD_RESPMEM_PERSISTENT);
	enum MHD_Result queued = MHD_queue_response(c, 200, r);

	MHD_destroy_response(r);
	return queued;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **state)
{
	struct upload *u = *state;

	if (!u) {
		*state = xcalloc(1, sizeof(*u));
		return MHD_YES;
	}
	if (*size == 0) {
		check(c, method, url, u);
		return answer(c);
	}
	if (u->size + *size <= BODY_MAX) {
		u->data = xrealloc(u->data, u->size + *size, 1);
		memcpy(u->data + u->size, data, *size);
		u->size += *size;
	}
	*size = 0;
	return MHD_YES;
}

static void on_completed(
	void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how)
{
	struct upload *u = *state;

	free(u ? u->data : NULL);
	free(TAKE(*state));
}

static void on_closed(
	void *cls, struct MHD_Connection *c, void **state, enum MHD_ConnectionNotificationCode how)
{
	if (how == MHD_CONNECTION_NOTIFY_CLOSED)
		*(bool *)cls = true;
}

static size_t keep_escapes(void *cls, struct MHD_Connection *c, char *s)
{
	return strlen(s);
}

static void drop_log(void *cls, const char *fmt, va_list ap) {}

static struct MHD_Daemon *start(bool *closed)
{
	struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
							MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
							MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_access, NULL, MHD_OPTION_EXTERNAL_LOGGER, drop_log, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
		on_closed, closed, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);

	if (!d)
		abort();
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct MHD_Daemon *daemon;
	static bool closed;
	struct sockaddr_un peer = { .sun_family = AF_UNIX };
	char drain[4096];
	int fds[2];

	if (!daemon)
		daemon = start(&closed);
	closed = false;
	if (size > BODY_MAX)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	if (send(fds[0], data, size, MSG_NOSIGNAL) != (ssize_t)size ||
		shutdown(fds[0], SHUT_WR) < 0)
		abort();
	if (MHD_add_connection(daemon, fds[1], (struct sockaddr *)&peer, sizeof(peer)) != MHD_YES)
		abort();
	for (int i = 0; i < TURNS_MAX && !closed; i++) {
		(void)MHD_run(daemon);
		while (recv(fds[0], drain, sizeof(drain), 0) > 0)
			;
	}
	closefd(fds[0]);
	for (int i = 0; i < TURNS_MAX && !closed; i++)
		(void)MHD_run(daemon);
	assert(closed); /* nothing holds a client that has left */
	return 0;
}
