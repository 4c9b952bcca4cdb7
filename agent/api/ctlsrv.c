/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket, for hoodyctl: frames over SOCK_SEQPACKET, by a table of permits, each
 * answered from what the agent knows at this moment. Who may connect is settled by the socket's
 * group and mode. Nothing here changes the node; orders come by the local API.
 *
 * The one exception is a session in a container: the agent judges it, hands the client's
 * descriptor to a worker and has no part in it then. Clients may stay; there are CLIENTS_MAX of
 * them. One that has gone is marked and swept when the next comes, since its channel can't be
 * freed from within its own call. With no descriptor left a spare one is given up to accept and
 * turn away. */
#include "agent/api/ctlsrv.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "agent/common/journald.h"
#include "agent/common/unixsock.h"
#include "agent/engine/worker.h"
#include "agent/host/ctfiles.h"
#include "agent/host/ctwatch.h"
#include "agent/report/tell.h"
#include "agent/state/desired.h"
#include "agent/state/journal.h"
#include "agent/state/outbox.h"
#include "agent/state/store.h"
#include "agent/state/trust.h"
#include "agent/stats/nodestats.h"
#include "agent/uplink/uplink.h"
#include "proto/channel.h"
#include "proto/errjson.h"
#include "proto/jsonx.h"

#define CLIENTS_MAX    32
#define ORDERS_MAX     1000
#define ORDERS_DEFAULT 20

struct client {
	struct ctlsrv *server;
	struct channel *channel;
	struct client *next;
	bool gone;
};

struct ctlsrv {
	struct agent *agent;
	int fd, spare; /* a descriptor for the day when there are no others */
	char *path;
	sd_event_source *source;
	struct client *clients;
	unsigned n;
};

/* --- answers --- */

static int refuse(struct channel *ch, const struct channel_message *m, int r, enum errcode code,
	const char *sentence)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_json_ json_t *v = NULL;
	struct err err = {};

	(void)err_set(&err, r, code, NULL, "%s", sentence);
	v = errjson_make(&err);
	text = jsonx_dump(v);
	return channel_send(ch, &(struct frame){ .type = FRAME_CTL_ERROR, .id = m->frame.id }, text,
		strlen(text), -1);
}

static int answer(struct channel *ch, const struct channel_message *m, json_t *v_steals)
{
	_cleanup_json_ json_t *v = v_steals;
	_cleanup_(freep) char *text = jsonx_dump(v);

	if (strlen(text) > FRAME_PAYLOAD_MAX)
		return refuse(
			ch, m, -EMSGSIZE, ERR_ANSWER_TOO_LONG, err_sentence(ERR_ANSWER_TOO_LONG));
	return channel_send(ch, &(struct frame){ .type = FRAME_CTL_ANSWER, .id = m->frame.id },
		text, strlen(text), -1);
}

static json_t *container_json(const struct container *c)
{
	json_t *v = json_object();

	jsonx_set_string(v, "id", c->spec.id);
	jsonx_set_string(v, "name", c->spec.name);
	jsonx_set_string(v, "project_id", c->spec.project_id);
	jsonx_set_string(v, "status", desired_status_name(c->status));
	jsonx_set_int(v, "pid", ctwatch_pid(c));
	jsonx_set_string(v, "image", c->spec.image);
	return v;
}

static json_t *containers_json(struct agent *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < desired_count(a->desired); i++)
		(void)json_array_append_new(list, container_json(desired_at(a->desired, i)));
	return list;
}

/* Public keys, and in force: the file of Control.TrustedKeys may have older ones. */
static json_t *keyset_json(const struct agent *a)
{
	_cleanup_(freep) char *text = a->has_keyset ? keyset_format(&a->keyset) : NULL;

	return text ? json_loads(text, 0, NULL) : NULL;
}

static int on_status(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct client *client = userdata;
	struct agent *a = client->server->agent;
	struct store_times times = store_times(a->store);
	json_t *v = json_object();

	jsonx_set_string(v, "version", PACKAGE_VERSION);
	jsonx_set_string(v, "node_id", a->conf.node.node_id);
	jsonx_set_string(v, "name", a->conf.node.name);
	jsonx_set_string(v, "state", "running");
	jsonx_set_int(v, "uptime_ms", (agent_elapsed_ms() - a->started_elapsed_ms));
	jsonx_set(v, "control", uplink_status(a->uplink));
	if (a->has_keyset)
		jsonx_set(v, "keyset", keyset_json(a));
	jsonx_set_int(v, "keyset_by_orders", trust_version_by_orders(a));
	jsonx_set(v, "orders", journal_counts(a->store));
	jsonx_set(v, "outbox",
		jsonx_pack("{s:I, s:I}", "reports", (json_int_t)outbox_reports(a->outbox), "bytes",
			(json_int_t)outbox_bytes(a->outbox)));
	jsonx_set(v, "containers", containers_json(a));
	jsonx_set_int(v, "rss_bytes", nodestats_resident_bytes());
	jsonx_set(v, "commit_us",
		jsonx_pack("{s:I, s:I}", "last", (json_int_t)times.commit_last_us, "max",
			(json_int_t)times.commit_max_us));
	jsonx_set(v, "pool", tell_pool(a));

	return answer(ch, m, v);
}

static int on_list_orders(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct client *client = userdata;
	uint64_t limit = m->frame.a ? MIN_OF(m->frame.a, ORDERS_MAX) : ORDERS_DEFAULT;

	if (m->frame.b > INT64_MAX)
		return -EBADMSG;
	return answer(ch, m,
		jsonx_pack("{s:o, s:I}", "orders",
			journal_list(
				client->server->agent->store, (unsigned)limit, (int64_t)m->frame.b),
			"total", (json_int_t)journal_total(client->server->agent->store)));
}

static struct container *container_named(struct agent *a, const struct channel_message *m)
{
	_cleanup_json_ json_t *v = NULL;
	struct err err;
	const char *id;

	if (jsonx_parse(m->payload, m->size, ERR_CHANNEL, &v, &err) < 0)
		return NULL;
	id = json_string_value(json_object_get(v, "container"));
	return id ? desired_find(a->desired, id) : NULL;
}

static uid_t uid_of(const struct channel *ch)
{
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(cred);

	(void)getsockopt(channel_fd(ch), SOL_SOCKET, SO_PEERCRED, &cred, &size);
	return cred.uid;
}

/* A session in a container: the agent judges whether it may be, and has no part in it then. */
static int on_attach(struct channel *ch, struct channel_message *m, void *userdata)
{
	struct client *client = userdata;
	struct agent *a = client->server->agent;
	const struct container *c = container_named(a, m);
	_cleanup_(freep) char *text = NULL;
	int r;

	if (!c)
		return refuse(ch, m, -ENOENT, ERR_CONTAINER_NOT_FOUND,
			"there is no such container on this node");
	if (c->status != CT_RUNNING) {
		text = xasprintf("no session is possible while the container is %s",
			desired_status_name(c->status));
		return refuse(ch, m, -EPERM, ERR_OPERATION_STATE_CONFLICT, text);
	}
	if (m->fd < 0)
		return -EBADMSG;
	text = worker_job_text(&a->conf, &c->spec, "session", "act",
		jsonx_pack("{s:{s:o}}", "files", "env", ctfiles_environment(a, c)));
	r = worker_send_alone(a->workers, text, m->fd);
	if (r < 0)
		return refuse(ch, m, r, ERR_INTERNAL, "no worker is free for the session");
	LOG(LOG_NOTICE, SESSION, FIELDS(.container_id = c->spec.id),
		"uid %d opens a session in container %s", (int)uid_of(ch), c->spec.id);
	return answer(ch, m, json_object());
}

static const struct channel_permit permits[] = {
	{ FRAME_CTL_STATUS, 1, .handler = on_status },
	{ FRAME_CTL_ORDERS, 1, .handler = on_list_orders },
	{ FRAME_CTL_ATTACH, 1, .payload = true, .fd = true, .handler = on_attach },
};

/* --- clients --- */

/* A channel can't be freed from within its own call: those that are gone are swept when the next
 * one comes, and at the end. */
static void sweep(struct ctlsrv *s, bool all)
{
	struct client **at = &s->clients;

	while (*at) {
		struct client *c = *at;

		if (!all && !c->gone) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		c->channel = channel_close(c->channel);
		free(c);
		s->n--;
	}
}

static void on_gone(struct channel *ch, int r, const char *why, void *userdata)
{
	struct client *c = userdata;

	c->gone = true;
}

/* With no descriptor left a client would stay in the queue, and the loop awake for it. */
static void turn_away(struct ctlsrv *s)
{
	s->spare = closefd(s->spare);
	closefd(accept4(s->fd, NULL, NULL, SOCK_CLOEXEC));
	s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int on_connect(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct ctlsrv *s = userdata;
	int client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	if (client_fd < 0 && (errno == EMFILE || errno == ENFILE))
		turn_away(s);
	if (client_fd < 0)
		return 0; /* it changed its mind, or we could not have it */
	sweep(s, false);
	if (s->n >= CLIENTS_MAX) {
		closefd(client_fd);
		return 0;
	}
	c = xcalloc(1, sizeof(*c));
	c->server = s;
	if (channel_open(s->agent->event, client_fd, permits, countof(permits), on_gone, c,
		    &c->channel) < 0) {
		free(c);
		return 0;
	}
	c->next = s->clients;
	s->clients = c;
	s->n++;
	return 0;
}

/* --- the socket --- */

int ctlsrv_open(struct agent *a, struct ctlsrv **ret, struct err *err)
{
	struct ctlsrv *s = xcalloc(1, sizeof(*s));
	int r;

	s->agent = a;
	s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->path = xasprintf("%s/%s", a->conf.node.runtime_directory, CTLSRV_SOCKET);
	r = unixsock_listen(s->path, SOCK_SEQPACKET, CLIENTS_MAX, a->local_group,
		"Node.RuntimeDirectory", &s->fd, err);
	if (r >= 0)
		r = sd_event_add_io(a->event, &s->source, s->fd, EPOLLIN, on_connect, s);
	if (r < 0) {
		ctlsrv_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct ctlsrv *ctlsrv_close(struct ctlsrv *s)
{
	if (s) {
		sweep(s, true);
		s->source = sd_event_source_disable_unref(s->source);
		closefd(s->fd);
		closefd(s->spare);
		(void)unlink(s->path); /* a socket that nobody listens on helps nobody */
		free(s->path);
		free(s);
	}
	return NULL;
}
