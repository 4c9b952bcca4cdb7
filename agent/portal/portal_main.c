/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-portal: HTTP/1.1 on the local socket, for local people, so that root parses none of it.
 * It turns a request into JSON, passes it to the agent with the connection it came on, and what
 * the agent answers into HTTP. It holds no authority: another user, confined, nothing but the
 * listening socket and its channel.
 *
 * libmicrohttpd serves without threads on our loop, and sees no client itself (portal_wire.h). A
 * connection is suspended while the agent works; it can take as long as it likes, and no other
 * connection waits. */
#include <fcntl.h>
#include <malloc.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/portal/portal_ask.h"
#include "agent/portal/portal_crowd.h"
#include "agent/portal/portal_wire.h"
#include "proto/channel.h"
#include "proto/jsonx.h"
#include "proto/sandbox.h"

#define SETUP_TIMEOUT_MS   10000
#define CONNECTIONS_MAX    200
#define CONNECTIONS_SPARE  20 /* that leave */
#define ACCEPTED_IN_A_TURN 10
#define IDLE_TIMEOUT_S     60
#define HEADERS_MAX        (32 * 1024)
#define BODY_MAX           (1024 * 1024)
#define STREAM_BUFFER_MAX  (128 * 1024)
#define STREAM_KEEPALIVE_S 15

struct request {
	struct request *prev, *next;
	struct MHD_Connection *connection;
	struct portal *portal;
	uint64_t id;
	char *body;
	size_t size;
	bool too_large;
	bool held;      /* the agent has too many to read */
	bool asked;     /* the agent has it */
	bool suspended; /* and libmicrohttpd waits */
	struct MHD_Response *response;
	int status;
	bool streaming, ended; /* ended: the agent has no more to say of it */
	char *buffer;          /* of a stream, not sent yet */
	size_t buffered;
};

struct portal {
	sd_event *event;
	struct channel *channel;
	struct MHD_Daemon *daemon;
	sd_event_source *listening, *timer, *keepalive;
	struct request *requests;
	struct portal_crowd crowd;
	struct portal_wire *accepted; /* and given to the library right now */
	uint64_t next_id;
};

/* --- requests come and go --- */

static struct request *request_new(struct portal *p, struct MHD_Connection *connection)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->connection = connection;
	r->portal = p;
	r->id = ++p->next_id;
	r->next = p->requests;
	if (r->next)
		r->next->prev = r;
	p->requests = r;
	return r;
}

static void request_free(struct portal *p, struct request *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		p->requests = r->next;
	if (r->next)
		r->next->prev = r->prev;
	if (r->response)
		MHD_destroy_response(r->response);
	free(r->body);
	free(r->buffer);
	free(r);
}

static struct request *find(struct portal *p, uint64_t id)
{
	struct request *r = p->requests;

	while (r && r->id != id)
		r = r->next;
	return r;
}

static void resume(struct request *r)
{
	if (r->suspended)
		MHD_resume_connection(r->connection);
	r->suspended = false;
}

static struct portal_wire *wire_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

static bool has_left(struct MHD_Connection *connection)
{
	return portal_wire_client(wire_of(connection)) < 0;
}

/* The library looks at nothing that is suspended: what nobody waits for any more would have its
 * place for as long as the agent works on it. */
static void on_left(const struct portal_wire *wire, void *userdata)
{
	struct portal *p = userdata;

	for (struct request *r = p->requests; r; r = r->next)
		if (wire_of(r->connection) == wire)
			resume(r);
}

static void wait_for_client(struct portal *p, struct MHD_Connection *connection)
{
	struct portal_crowd_member *member = portal_wire_member(wire_of(connection));

	if (member)
		portal_crowd_wait(&p->crowd, member);
}

/* --- what is answered --- */

static enum MHD_Result queue(struct request *r)
{
	enum MHD_Result queued;

	portal_wire_begin(wire_of(r->connection));
	queued = MHD_queue_response(r->connection, (unsigned)r->status, r->response);
	if (!r->streaming) /* for its client to read it */
		wait_for_client(r->portal, r->connection);
	MHD_destroy_response(r->response);
	r->response = NULL;
	return queued;
}

static struct MHD_Response *response_of(const char *text, size_t size, const char *type)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		size, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	if (response)
		(void)MHD_add_response_header(response, "Content-Type", type);
	return response;
}

/* A refusal of our own. */
static enum MHD_Result refuse(struct request *r, int status, const char *code, const char *message)
{
	_cleanup_json_ json_t *v = jsonx_pack("{s:b, s:i, s:s, s:s}", "success", 0, "statusCode",
		status, "error", code, "message", message);
	_cleanup_(freep) char *text = jsonx_dump(v);

	r->status = status;
	r->response = response_of(text, strlen(text), "application/json");
	return r->response ? queue(r) : MHD_NO;
}

static void add_headers(struct MHD_Response *response, const json_t *headers)
{
	json_t *value;
	const char *name;

	json_object_foreach((json_t *)headers, name, value) {
		if (strcmp(name, "Content-Type") != 0)
			(void)MHD_add_response_header(response, name, json_string_value(value));
	}
}

static void set_answer(struct request *r, int status, const json_t *v)
{
	const json_t *headers = json_object_get(v, "headers"), *body = json_object_get(v, "body");
	const char *type = json_string_value(json_object_get(headers, "Content-Type"));
	_cleanup_(freep) char *text =
		json_is_string(body) ? xstrdup(json_string_value(body)) : jsonx_dump(body);

	r->ended = true;
	r->status = status;
	r->response = response_of(text, strlen(text), type ? type : "application/json");
	if (!r->response)
		abort(); /* no memory */
	add_headers(r->response, headers);
}

/* --- streams --- */

static ssize_t on_stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct request *r = cls;
	size_t n = MIN_OF(max, r->buffered);

	if (has_left(r->connection))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n == 0 && r->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n == 0) {
		r->suspended = true;
		MHD_suspend_connection(r->connection);
		return 0;
	}
	memcpy(buf, r->buffer, n);
	r->buffered -= n;
	memmove(r->buffer, r->buffer + n, r->buffered);
	return (ssize_t)n;
}

static void set_stream(struct request *r)
{
	r->streaming = true;
	r->status = 200;
	r->response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, 16 * 1024, on_stream_read, r, NULL);
	if (!r->response)
		abort();
	(void)MHD_add_response_header(r->response, "Content-Type", "text/event-stream");
	(void)MHD_add_response_header(r->response, "Cache-Control", "no-store");
}

/* False: its reader doesn't keep up, and is to be let go. */
static bool append(struct request *r, const char *text, size_t size)
{
	bool fits = r->buffered + size <= STREAM_BUFFER_MAX;

	if (fits) {
		r->buffer = xrealloc(r->buffer, r->buffered + size, 1);
		memcpy(r->buffer + r->buffered, text, size);
		r->buffered += size;
	}
	resume(r);
	return fits;
}

/* The agent need send no more of it. */
static void say_gone(struct portal *p, uint64_t id)
{
	(void)!channel_send(
		p->channel, &(struct frame){ .type = FRAME_PORTAL_GONE, .id = id }, NULL, 0, -1);
}

static int keep_alive(struct portal *p);

/* Of a client that has left without a word (tcp(7)) a comment now and then tells. */
static int on_keepalive(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct portal *p = userdata;
	bool any = false;

	for (struct request *r = p->requests; r; r = r->next)
		if (r->streaming) {
			any = true;
			(void)append(r, ":\n\n", 3); /* full: it has enough to read */
		}
	if (any)
		return keep_alive(p);
	p->keepalive = sd_event_source_disable_unref(p->keepalive);
	return 0;
}

static int keep_alive(struct portal *p)
{
	p->keepalive = sd_event_source_disable_unref(p->keepalive);
	return sd_event_add_time_relative(p->event, &p->keepalive, CLOCK_MONOTONIC,
		STREAM_KEEPALIVE_S * 1000000ULL, 1000000, on_keepalive, p);
}

/* --- what the agent says --- */

static int on_answer(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct request *r = find(userdata, m->frame.id);
	_cleanup_json_ json_t *v = NULL;
	struct err err = {};

	if (m->frame.a < 200 || m->frame.a > 599 ||
		jsonx_parse(m->payload, m->size, ERR_CHANNEL, &v, &err) < 0)
		return -EBADMSG;
	if (!r)
		return 0; /* its client has left */
	set_answer(r, (int)m->frame.a, v);
	resume(r);
	return 0;
}

static int on_stream(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct portal *p = userdata;
	struct request *r = find(p, m->frame.id);

	if (!r)
		return 0;
	set_stream(r);
	resume(r);
	return p->keepalive ? 0 : keep_alive(p);
}

static int on_chunk(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct portal *p = userdata;
	struct request *r = find(p, m->frame.id);

	if (!r || !r->streaming || r->ended) {
		say_gone(p, m->frame.id); /* if it was said before, it was lost */
		return 0;
	}
	r->ended = m->frame.a;
	if (!append(r, m->payload, m->size) && !r->ended) {
		r->ended = true;
		say_gone(p, r->id);
	}
	return 0;
}

static const struct channel_permit permits[] = {
	{ FRAME_PORTAL_ANSWER, 1, .payload = true, .handler = on_answer },
	{ FRAME_PORTAL_STREAM, 1, .handler = on_stream },
	{ FRAME_PORTAL_CHUNK, 1, .payload = true, .handler = on_chunk },
};

/* --- libmicrohttpd --- */

/* Until it is answered, or its turn comes. */
static enum MHD_Result suspend(struct portal *p, struct request *r)
{
	r->suspended = true;
	portal_crowd_work(&p->crowd, portal_wire_member(wire_of(r->connection)));
	MHD_suspend_connection(r->connection);
	return MHD_YES;
}

/* What the agent can't be asked: everything else is its to answer. */
static enum MHD_Result ask(struct portal *p, struct request *r, const char *method, const char *url)
{
	_cleanup_json_ json_t *v = NULL;
	_cleanup_(freep) char *text = NULL;

	if (r->too_large)
		return refuse(r, 413, "PAYLOAD_TOO_LARGE", "the body is larger than 1 MiB");
	r->held = channel_room(p->channel) == 0;
	if (r->held)
		return suspend(p, r);
	v = portal_ask(r->connection, method, url, r->body, r->size);
	if (!v)
		return refuse(r, 400, "VALIDATION_ERROR", "the URL is not well-formed");
	text = jsonx_dump(v);
	if (channel_send(p->channel, &(struct frame){ .type = FRAME_PORTAL_REQUEST, .id = r->id },
		    text, strlen(text), portal_wire_client(wire_of(r->connection))) < 0)
		return refuse(r, 503, "BUSY", "the agent is busy: try again");
	r->asked = true;
	return suspend(p, r);
}

static void take_upload(struct request *r, const char *data, size_t size)
{
	if (r->too_large || r->size + size > BODY_MAX) {
		r->too_large = true;
		return;
	}
	r->body = xrealloc(r->body, r->size + size + 1, 1);
	memcpy(r->body + r->size, data, size);
	r->size += size;
	r->body[r->size] = '\0';
}

/* Called with the headers, with each part of the body, at its end, and once more when resumed. */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **state)
{
	struct portal *p = cls;
	struct request *r = *state;

	if (!r) {
		*state = request_new(p, connection);
		return MHD_YES;
	}
	if (has_left(connection))
		return MHD_NO; /* nobody asks any more */
	if (*size > 0) {
		take_upload(r, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (r->response)
		return queue(r);
	return r->asked ? MHD_YES : ask(p, r, method, url);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode how)
{
	struct portal *p = cls;
	struct request *r = *state;

	if (!r)
		return;
	if (r->asked && !r->ended)
		say_gone(p, r->id);
	wait_for_client(p, connection);
	portal_wire_end(wire_of(connection));
	request_free(p, r);
	*state = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode what)
{
	struct portal *p = cls;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED)
		portal_wire_release(*context);
	else
		*context = TAKE(p->accepted);
}

/* The agent gets the path in segments, each unescaped by itself. */
static size_t keep_escapes(void *cls, struct MHD_Connection *c, char *s)
{
	return strlen(s);
}

static void drop_log(void *cls, const char *fmt, va_list ap) {}

static int run_daemon(struct portal *p);

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	return run_daemon(userdata);
}

static int on_sockets(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	return run_daemon(userdata);
}

static int run_daemon(struct portal *p)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_run(p->daemon) != MHD_YES)
		return -EIO;
	if (MHD_get_timeout(p->daemon, &ms) != MHD_YES)
		return p->timer ? sd_event_source_set_enabled(p->timer, SD_EVENT_OFF) : 0;
	if (!p->timer)
		return sd_event_add_time_relative(
			p->event, &p->timer, CLOCK_MONOTONIC, ms * 1000, 1, on_timer, p);
	(void)sd_event_source_set_time_relative(p->timer, ms * 1000);
	return sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

/* Who finds none waits in the backlog until there is: the library would send it away. */
static bool has_room(const struct portal *p)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(p->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info && info->num_connections < CONNECTIONS_MAX && portal_crowd_has_room(&p->crowd);
}

static bool accept_one(struct portal *p, int listening)
{
	const struct sockaddr inner = { .sa_family = AF_UNIX };
	int client = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), fd;

	if (client < 0)
		return false;
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	p->accepted = portal_wire_new(p->event, &p->crowd, client, on_left, p, &fd);
	if (!p->accepted)
		return false;
	if (MHD_add_connection(p->daemon, fd, &inner, sizeof(inner)) != MHD_YES && p->accepted)
		portal_wire_release(TAKE(p->accepted)); /* it has closed its end */
	return true;
}

static int on_accept(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	for (unsigned i = 0;
		i < ACCEPTED_IN_A_TURN && has_room(userdata) && accept_one(userdata, fd); i++)
		;
	return 0;
}

static int start_daemon(struct portal *p, int fd)
{
	const union MHD_DaemonInfo *info;
	int r;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) /* systemd's is not */
		return -errno;
	p->crowd.max = CONNECTIONS_MAX - CONNECTIONS_SPARE;
	p->daemon =
		MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
					 MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG,
			0, NULL, NULL, on_access, p, MHD_OPTION_EXTERNAL_LOGGER, drop_log, NULL,
			MHD_OPTION_NOTIFY_COMPLETED, on_completed, p, MHD_OPTION_NOTIFY_CONNECTION,
			on_connection, p, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
			MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
			MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
			MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX,
			MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!p->daemon)
		return -EIO;
	info = MHD_get_daemon_info(p->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	r = sd_event_add_io(p->event, NULL, info->epoll_fd, EPOLLIN, on_sockets, p);
	return r < 0 ? r : sd_event_add_io(p->event, &p->listening, fd, EPOLLIN, on_accept, p);
}

/* --- its life --- */

static void on_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	struct portal *p = userdata;

	(void)sd_event_exit(p->event, r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* The longest held first. */
static void ask_held(struct portal *p)
{
	unsigned room = channel_room(p->channel);
	struct request *r = p->requests;

	while (r && r->next)
		r = r->next;
	for (; r && room > 0; r = r->prev) {
		if (!r->held)
			continue;
		r->held = false;
		resume(r);
		room--;
	}
}

/* After every turn: what was resumed goes on, and room may have been made or taken. */
static int on_turn(sd_event_source *s, void *userdata)
{
	struct portal *p = userdata;
	int r;

	ask_held(p);
	r = run_daemon(p);
	if (r >= 0)
		r = sd_event_source_set_enabled(
			p->listening, has_room(p) ? SD_EVENT_ON : SD_EVENT_OFF);
	return r < 0 ? sd_event_exit(p->event, EXIT_FAILURE) : 0;
}

static int receive_socket(void)
{
	struct frame f;
	void *payload = NULL;
	int fd = -1, r = chanio_recv_sync(CHANNEL_FD, SETUP_TIMEOUT_MS, &f, &payload, &fd);

	free(payload);
	if (r < 0 || f.type != FRAME_PORTAL_SETUP || fd < 0) {
		closefd(fd);
		return -EBADMSG;
	}
	return fd;
}

static int serve(struct portal *p, int fd)
{
	int r = sd_event_new(&p->event);

	if (r >= 0)
		r = channel_open(
			p->event, CHANNEL_FD, permits, countof(permits), on_gone, p, &p->channel);
	if (r >= 0)
		r = start_daemon(p, fd);
	if (r >= 0)
		r = sd_event_add_post(p->event, NULL, on_turn, p);
	if (r >= 0)
		r = channel_send(
			p->channel, &(struct frame){ .type = FRAME_PORTAL_READY }, NULL, 0, -1);
	(void)malloc_trim(0);
	return r < 0 ? r : sd_event_loop(p->event);
}

int main(int argc, char **argv)
{
	struct sandbox_who who;
	struct portal p = {};
	struct err err = {};
	int fd, r;

	if (sandbox_read_arguments("hoody-portal", argc, argv, &who) < 0)
		return EXIT_FAILURE;
	jsonx_init();
	(void)signal(SIGPIPE, SIG_IGN);
	if (fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0)
		return EXIT_FAILURE;
	fd = receive_socket();
	if (fd < 0)
		return EXIT_FAILURE;
	if (sandbox_enter(SANDBOX_SERVER, &who, &err) < 0) {
		(void)fprintf(stderr, "hoody-portal: %s\n", err.message);
		return EXIT_FAILURE;
	}
	r = serve(&p, fd);
	return r < 0 ? EXIT_FAILURE : r;
}
