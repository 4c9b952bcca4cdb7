/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of hoody-portal: owns the listening socket (systemd's, or one it has made and
 * will remove), the leaf, and the messages that wait to be sent. The portal is not believed:
 * each request comes with the very connection it came on, and the kernel says of that who its
 * peer is, that it is of our socket, and that somebody is still there.
 *
 * Answers and streams' parts are queued and go out in portal_flush(), after the commit: nobody
 * hears of what a crash could take back. A queue of more than QUEUE_MAX means that the portal
 * has stopped reading, and ends it. When it ends, all its calls are gone.
 *
 * A second one can serve metrics over TCP: for everybody, and nothing but them. */
#include "agent/api/portal.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "agent/api/api.h"
#include "agent/common/journald.h"
#include "agent/common/unixsock.h"
#include "agent/host/leaf.h"
#include "agent/stats/metrics.h"
#include "proto/channel.h"
#include "proto/jsonx.h"

#define BACKLOG    512
#define GROUPS_MAX 1024
#define QUEUE_MAX  10000

enum { SETUP, SERVING };

struct message {
	struct message *next;
	struct frame frame;
	char *text; /* or NULL */
};

struct portal {
	struct agent *agent;
	const struct portal_handlers *handlers;
	struct leaf *leaf;
	int fd;                        /* listens */
	bool is_ours;                  /* we made it, and remove it */
	bool is_metrics;               /* for everybody, and nothing but them */
	struct message *first, **last; /* to be sent after the commit */
	size_t n;
};

/* --- who asks --- */

static bool is_member(int fd, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -1 : value;
}

/* A connection whose client is still there. The listening socket has its name too, and root's
 * credentials; so has a connection that root has left, of which a duplicate was kept. Whoever only
 * stops sending (shutdown(2)) waits for an answer: that is no hang-up. */
static bool is_live_stream(int fd)
{
	struct pollfd p = { .fd = fd };

	return option_of(fd, SO_TYPE) == SOCK_STREAM && option_of(fd, SO_ACCEPTCONN) == 0 &&
	       poll(&p, 1, 0) == 0;
}

/* A descriptor that the portal could have made itself (a socket pair, the channel) has not the
 * local socket's name. One that somebody has bound to such a name in a namespace of his own, and
 * connected to a server of root's, has a server's name at its other end: its peer is no client. */
static bool is_local_connection(const struct portal *p, int fd)
{
	struct sockaddr_un name = {}, ours = {}, client = {};
	socklen_t name_size = sizeof(name), ours_size = sizeof(ours), client_size = sizeof(client);

	return getpeername(fd, (struct sockaddr *)&client, &client_size) == 0 &&
	       client_size <= offsetof(struct sockaddr_un, sun_path) &&
	       getsockname(fd, (struct sockaddr *)&name, &name_size) == 0 &&
	       getsockname(p->fd, (struct sockaddr *)&ours, &ours_size) == 0 &&
	       name.sun_family == AF_UNIX && ours_size > offsetof(struct sockaddr_un, sun_path) &&
	       name_size == ours_size && memcmp(&name, &ours, ours_size) == 0;
}

static bool may_ask(const struct portal *p, int fd, uid_t *ret_uid)
{
	const gid_t group = p->agent->local_group;
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (fd < 0 || !is_live_stream(fd) || !is_local_connection(p, fd) ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	*ret_uid = peer.uid;
	return peer.uid == 0 ||
	       (group != UNIXSOCK_NO_GROUP && (peer.gid == group || is_member(fd, group)));
}

/* --- what the portal says --- */

static int on_ready(struct channel *ch, struct channel_message *m, void *userdata)
{
	channel_set_state(ch, SERVING);
	leaf_ready(userdata);
	return 0;
}

static bool is_metrics(const json_t *request)
{
	const json_t *path = json_object_get(request, "path");
	const char *method = json_string_value(json_object_get(request, "method")),
		   *first = json_string_value(json_array_get(path, 0));

	return json_array_size(path) == 1 && first && strcmp(first, "metrics") == 0 &&
	       (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
}

static void answer_metrics(struct portal *p, uint64_t id, const json_t *request)
{
	bool openmetrics = json_is_true(json_object_get(request, "openmetrics"));
	_cleanup_(freep) char *text = metrics_text(p->agent, openmetrics);
	_cleanup_json_ json_t *body = json_string(text),
			      *headers = jsonx_pack("{s:s}", "Content-Type",
				      openmetrics ? METRICS_TYPE_OPENMETRICS
						  : METRICS_TYPE_PROMETHEUS);

	portal_answer(p, id, 200, headers, body);
}

static void refuse(struct portal *p, uint64_t id, enum errcode code)
{
	_cleanup_json_ json_t *v = jsonx_pack("{s:b, s:i, s:s, s:s}", "success", 0, "statusCode",
		err_http(code), "error", err_wire(code), "message", err_sentence(code));

	portal_answer(p, id, err_http(code), NULL, v);
}

/* What libmicrohttpd has read is texts by their names; all who read a query rely on it. */
static bool is_query(const json_t *v)
{
	const char *name;
	const json_t *value;

	json_object_foreach((json_t *)(uintptr_t)v, name, value)
		if (!json_is_string(value))
			return false;
	return !v || json_is_object(v);
}

json_t *portal_read_request(const void *payload, size_t size)
{
	json_t *request = NULL;
	struct err err;

	if (jsonx_parse(payload, size, ERR_CHANNEL, &request, &err) < 0)
		return NULL;
	if (json_is_string(json_object_get(request, "method")) &&
		json_is_array(json_object_get(request, "path")) &&
		is_query(json_object_get(request, "query")))
		return request;
	json_decref(request);
	return NULL;
}

static int on_request(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct portal *p = leaf_owner(userdata);
	_cleanup_json_ json_t *request = portal_read_request(m->payload, m->size);
	uid_t uid = 0;

	if (!request)
		return -EBADMSG;
	if (!p->is_metrics && !may_ask(p, m->fd, &uid))
		refuse(p, m->frame.id, ERR_NOT_PERMITTED);
	else if (is_metrics(request))
		answer_metrics(p, m->frame.id, request);
	else if (p->is_metrics)
		refuse(p, m->frame.id, ERR_NOT_FOUND);
	else
		p->handlers->request(p->agent, m->frame.id, uid, json_incref(request));
	return 0;
}

static int on_client_gone(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct portal *p = leaf_owner(userdata);

	if (!p->is_metrics) /* it has no streams, and its numbers are the other one's too */
		p->handlers->gone(p->agent, m->frame.id);
	return 0;
}

static const struct channel_permit permits[] = {
	{ FRAME_PORTAL_READY, 1u << SETUP, .handler = on_ready },
	{ FRAME_PORTAL_REQUEST, 1u << SERVING, .payload = true, .fd = true, .handler = on_request },
	{ FRAME_PORTAL_GONE, 1u << SERVING, .handler = on_client_gone },
};

/* --- what it is told --- */

static void enqueue(struct portal *p, const struct frame *f, char *text_takes)
{
	struct message *m = xcalloc(1, sizeof(*m));

	m->frame = *f;
	m->text = text_takes;
	*p->last = m;
	p->last = &m->next;
	p->n++;
}

void portal_answer(
	struct portal *p, uint64_t id, int status, const json_t *headers, const json_t *body)
{
	_cleanup_json_ json_t *v = jsonx_pack("{s:O?, s:O?}", "headers", headers, "body", body);
	_cleanup_(freep) char *text = jsonx_dump(v);

	if (strlen(text) > FRAME_PAYLOAD_MAX)
		refuse(p, id, ERR_ANSWER_TOO_LONG); /* else the caller would wait for ever */
	else
		enqueue(p,
			&(struct frame){
				.type = FRAME_PORTAL_ANSWER, .id = id, .a = (uint64_t)status },
			TAKE(text));
}

void portal_stream(struct portal *p, uint64_t id)
{
	enqueue(p, &(struct frame){ .type = FRAME_PORTAL_STREAM, .id = id }, NULL);
}

void portal_chunk(struct portal *p, uint64_t id, const char *text, bool last)
{
	enqueue(p, &(struct frame){ .type = FRAME_PORTAL_CHUNK, .id = id, .a = last },
		xstrdup(text));
}

static void drop_first(struct portal *p)
{
	struct message *m = p->first;

	p->first = m->next;
	if (!p->first)
		p->last = &p->first;
	p->n--;
	free(m->text);
	free(m);
}

void portal_flush(struct portal *p)
{
	struct message *m;

	while (p && (m = p->first)) {
		struct channel *ch = leaf_channel(p->leaf);

		/* Full: the turn in which there is room again comes here. */
		if (ch && channel_send(ch, &m->frame, m->text, m->text ? strlen(m->text) : 0, -1) ==
				  -ENOBUFS)
			break;
		drop_first(p);
	}
	if (p && p->n > QUEUE_MAX)
		leaf_kill(p->leaf); /* it has stopped reading: a new one will */
}

/* --- the socket --- */

/* The first that systemd gives (sd_listen_fds(3)); hoody-agent.socket has set its mode. */
static int inherited_socket(void)
{
	int n = sd_listen_fds(/* unset_environment= */ 1);

	return n > 0 && sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) > 0
		       ? SD_LISTEN_FDS_START
		       : -1;
}

static int make_socket(struct portal *p, struct err *err)
{
	const struct agent *a = p->agent;
	int r = unixsock_listen(a->conf.local.socket, SOCK_STREAM, BACKLOG, a->local_group,
		"Local.Socket", &p->fd, err);

	p->is_ours = p->fd >= 0;
	return r;
}

/* --- its life --- */

static int set_up(struct channel *ch, void *userdata, struct err *err)
{
	struct portal *p = userdata;

	return channel_send(ch, &(struct frame){ .type = FRAME_PORTAL_SETUP }, NULL, 0, p->fd);
}

static void on_down(void *userdata)
{
	struct portal *p = userdata;

	while (p->first)
		drop_first(p);
	if (!p->is_metrics)
		p->handlers->all_gone(p->agent);
}

#define PORTAL(what_, role_)                                                              \
	{                                                                                 \
		.name = "hoody-portal", .what = (what_), .role = (role_),                 \
		.failed = JOURNALD_PORTAL_FAILED, .violation = JOURNALD_PORTAL_VIOLATION, \
		.permits = permits, .n_permits = countof(permits), .set_up = set_up,      \
		.down = on_down                                                           \
	}

static const struct leaf_kind local = PORTAL("the portal", LEAFID_PORTAL),
			      metrics = PORTAL("the metrics' portal", LEAFID_METRICS);

static struct portal *new_portal(struct agent *a, const struct portal_handlers *handlers)
{
	struct portal *p = xcalloc(1, sizeof(*p));

	p->agent = a;
	p->handlers = handlers;
	p->last = &p->first;
	p->fd = -1;
	return p;
}

static int start(struct portal *p, int r, struct portal **ret, struct err *err)
{
	if (r >= 0)
		r = leaf_new(p->agent, p->is_metrics ? &metrics : &local, p, &p->leaf, err);
	if (r < 0) {
		portal_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

int portal_new(struct agent *a, const struct portal_handlers *handlers, struct portal **ret,
	struct err *err)
{
	struct portal *p = new_portal(a, handlers);

	p->fd = inherited_socket();
	return start(p, p->fd < 0 ? make_socket(p, err) : 0, ret, err);
}

/* The address has been judged when the configuration was read: the last colon is the port's. */
static int listen_on(struct portal *p, struct err *err)
{
	const char *listen_at = p->agent->conf.metrics.listen, *colon = strrchr(listen_at, ':');
	bool six = *listen_at == '[';
	_cleanup_(freep) char *host =
		xasprintf("%.*s", (int)(colon - listen_at) - 2 * six, listen_at + six);
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int r = getaddrinfo(host, colon + 1, &hints, &found) == 0 ? 0 : -EINVAL;

	if (r == 0)
		p->fd = socket(
			found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (r == 0 &&
		(p->fd < 0 ||
			setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0 ||
			bind(p->fd, found->ai_addr, found->ai_addrlen) < 0 ||
			listen(p->fd, BACKLOG) < 0))
		r = -errno;
	if (found)
		freeaddrinfo(found);
	return r < 0 ? err_set(err, r, ERR_CONFIG, "Metrics.Listen", "can't listen on %s: %s",
			       listen_at, strerror(-r))
		     : 0;
}

int portal_new_metrics(struct agent *a, const struct portal_handlers *handlers, struct portal **ret,
	struct err *err)
{
	struct portal *p = new_portal(a, handlers);

	p->is_metrics = true;
	return start(p, listen_on(p, err), ret, err);
}

struct portal *portal_free(struct portal *p)
{
	if (!p)
		return NULL;
	p->leaf = leaf_free(p->leaf);
	on_down(p);
	closefd(p->fd);
	if (p->is_ours)
		(void)unlink(p->agent->conf.local.socket);
	free(p);
	return NULL;
}
