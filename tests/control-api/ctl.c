/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: a JSON object per line in, JSON lines out, by the rows of `commands`. It
 * is how tests and the quick start drive the API: what to issue, what has arrived, how to
 * misbehave.
 *
 * A client may wait (for an order's end, for a report of a type) or follow; then it is answered
 * when that comes or its time is over, and everything else goes on: all clients are served by
 * the one loop of tests/control-api/main.c. One that has gone is freed at the end of the turn.
 * At the end of the file is the other end, for scripts: one command, its answers printed. */
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/control-api/api.h"

struct api_client {
	struct api_client *next;
	int fd;
	char *in;
	size_t size;
	bool follows, gone;
	/* what it waits for */
	char order_id[25], type[40];
	json_t *match;
	uint64_t after;
	int64_t until_ms; /* 0: nothing */
};

static int address_of(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret->sun_path, path);
	return 0;
}

int api_ctl_listen(const char *path)
{
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)unlink(path);
	if (fd < 0 || address_of(path, &a) < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(fd, 64) < 0)
		return -errno;
	return fd;
}

void api_ctl_accept(struct api *api, int fd)
{
	struct api_client *c = xcalloc(1, sizeof(*c));

	c->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (c->fd < 0) {
		free(c);
		return;
	}
	c->next = api->clients;
	api->clients = c;
}

static void say(struct api_client *c, json_t *v_steals)
{
	char *text = json_dumps(v_steals, JSON_COMPACT);
	_cleanup_(freep) char *line = xasprintf("%s\n", text);
	size_t size = strlen(line), done = 0;

	while (done < size && !c->gone) {
		ssize_t n = send(c->fd, line + done, size - done, MSG_NOSIGNAL);

		if (n < 0)
			c->gone = true;
		else
			done += (size_t)n;
	}
	free(text);
	json_decref(v_steals);
}

void api_ctl_event(struct api *api, const char *what, json_t *v_steals)
{
	(void)json_object_set_new(v_steals, "event", json_string(what));
	(void)json_object_set_new(v_steals, "t_ms", json_integer((json_int_t)api_now_ms(NULL)));
	for (struct api_client *c = api->clients; c; c = c->next)
		if (c->follows && !c->gone)
			say(c, json_incref(v_steals));
	json_decref(v_steals);
}

/* --- waiting --- */

static bool matches(const json_t *match, const json_t *report)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)match, key, v)
		if (!json_equal(v, json_object_get(report, key)))
			return false;
	return true;
}

static bool is_awaited(const struct api_client *c, const json_t *report)
{
	const char *type = json_string_value(json_object_get(report, "type"));

	return c->type[0] && type && strcmp(type, c->type) == 0 &&
	       (uint64_t)json_integer_value(json_object_get(report, "seq")) > c->after &&
	       matches(c->match, report);
}

static void stop_waiting(struct api_client *c)
{
	c->until_ms = 0;
	c->order_id[0] = c->type[0] = '\0';
	json_decref(c->match);
	c->match = NULL;
}

static void answer_wait(struct api_client *c, const char *text)
{
	json_t *v = json_loads(text, 0, NULL);

	stop_waiting(c);
	say(c, json_pack("{s:b, s:o}", "ok", true, "report", v));
}

void api_ctl_report(struct api *api, const char *text, json_t *report)
{
	for (struct api_client *c = api->clients; c; c = c->next) {
		struct api_order *o = c->order_id[0] ? api_order_find(api, c->order_id) : NULL;

		if (c->until_ms && o && o->terminal)
			answer_wait(c, o->terminal);
		else if (c->until_ms && is_awaited(c, report))
			answer_wait(c, text);
	}
	api_ctl_event(api, "report", json_pack("{s:O}", "report", report));
}

void api_ctl_timeouts(struct api *api)
{
	int64_t now_ms = api_now_ms(NULL);

	for (struct api_client *c = api->clients; c; c = c->next)
		if (c->until_ms && now_ms >= c->until_ms) {
			stop_waiting(c);
			say(c, json_pack("{s:b, s:s}", "ok", false, "error", "timeout"));
		}
}

int64_t api_ctl_next_ms(const struct api *api)
{
	int64_t next = INT64_MAX;

	for (const struct api_client *c = api->clients; c; c = c->next)
		if (c->until_ms)
			next = MIN_OF(next, c->until_ms);
	return next;
}

/* --- commands --- */

typedef void (*command)(struct api *api, struct api_client *c, const json_t *v);

static void do_order(struct api *api, struct api_client *c, const json_t *v)
{
	say(c, api_issue(api, v));
	api_wake_polls(api, false);
}

static void do_orders(struct api *api, struct api_client *c, const json_t *v)
{
	json_t *ids = json_array(), *wish;
	size_t i;

	json_array_foreach(json_object_get(v, "orders"), i, wish) {
		json_t *answer = api_issue(api, wish);

		(void)json_array_append(ids, json_object_get(answer, "id"));
		json_decref(answer);
	}
	say(c, json_pack("{s:b, s:o}", "ok", true, "ids", ids));
	api_wake_polls(api, false);
}

static void do_raw(struct api *api, struct api_client *c, const json_t *v)
{
	const json_t *envelope = json_object_get(v, "envelope");
	const char *text = json_string_value(json_object_get(v, "text"));
	bool ok = api->n_raw < countof(api->raw) && (envelope || text);

	if (ok)
		api->raw[api->n_raw++] =
			envelope ? json_dumps(envelope, JSON_COMPACT | JSON_ENCODE_ANY)
				 : xstrdup(text);
	say(c, json_pack("{s:b}", "ok", ok));
	api_wake_polls(api, false);
}

static void do_envelope(struct api *api, struct api_client *c, const json_t *v)
{
	char *envelope;
	json_t *order = api_build(api, v, &envelope);

	say(c, json_pack("{s:b, s:o, s:o}", "ok", true, "order", order, "envelope",
		       json_loads(envelope, 0, NULL)));
	free(envelope);
}

static void do_reports(struct api *api, struct api_client *c, const json_t *v)
{
	uint64_t after = (uint64_t)json_integer_value(json_object_get(v, "after"));
	json_t *list = json_array();

	for (size_t i = 0; i < api->n_reports; i++)
		if (api->reports[i].seq > after)
			(void)json_array_append_new(
				list, json_loads(api->reports[i].text, 0, NULL));
	say(c, json_pack("{s:b, s:o}", "ok", true, "reports", list));
}

static void wait_until(struct api_client *c, const json_t *v)
{
	json_int_t ms = json_integer_value(json_object_get(v, "timeout_ms"));

	c->until_ms = api_now_ms(NULL) + (ms ? ms : 30000);
}

static void do_wait(struct api *api, struct api_client *c, const json_t *v)
{
	const char *id = json_string_value(json_object_get(v, "order_id"));
	struct api_order *o = api_order_find(api, id);

	wait_until(c, v);
	if (!o) {
		c->until_ms = 0;
		say(c, json_pack("{s:b, s:s}", "ok", false, "error", "no such order"));
	} else if (o->terminal) {
		answer_wait(c, o->terminal);
	} else {
		(void)snprintf(c->order_id, sizeof(c->order_id), "%s", id);
	}
}

static void do_wait_type(struct api *api, struct api_client *c, const json_t *v)
{
	const char *type = json_string_value(json_object_get(v, "type"));

	wait_until(c, v);
	(void)snprintf(c->type, sizeof(c->type), "%s", type ? type : "");
	c->after = (uint64_t)json_integer_value(json_object_get(v, "after"));
	c->match = json_incref(json_object_get(v, "match"));
	for (size_t i = 0; i < api->n_reports && c->until_ms; i++) {
		json_t *report = api->reports[i].seq > c->after
					 ? json_loads(api->reports[i].text, 0, NULL)
					 : NULL;

		if (report && is_awaited(c, report))
			answer_wait(c, api->reports[i].text);
		json_decref(report);
	}
}

static void do_follow(struct api *api, struct api_client *c, const json_t *v)
{
	c->follows = true;
	say(c, json_pack("{s:b}", "ok", true));
}

static void do_stats(struct api *api, struct api_client *c, const json_t *v)
{
	size_t twice = 0;

	for (size_t i = 0; i < api->n_orders; i++)
		twice += api->orders[i]->terminals > 1;
	say(c, json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I, s:O}",
		       "ok", true, "asked", (json_int_t)api->n_asked, "waiting",
		       (json_int_t)api->n_waiting, "polls", (json_int_t)api->n_polls, "batches",
		       (json_int_t)api->n_batches, "reports", (json_int_t)api->n_reports,
		       "duplicates", (json_int_t)api->n_duplicates, "bytes_in",
		       (json_int_t)api->n_bytes_in, "orders_issued", (json_int_t)api->n_orders,
		       "orders_terminal", (json_int_t)api->n_terminal, "orders_ended_twice",
		       (json_int_t)twice, "after", (json_int_t)api->last_after, "first_terminal_ms",
		       (json_int_t)api->first_terminal_ms, "last_terminal_ms",
		       (json_int_t)api->last_terminal_ms, "batches_packed",
		       (json_int_t)api->n_packed, "batch_bytes", (json_int_t)api->batch_bytes,
		       "batch_payload_bytes", (json_int_t)api->batch_payload_bytes, "violations",
		       api->violations));
}

static void do_misbehave(struct api *api, struct api_client *c, const json_t *v)
{
	struct api_misbehaviour *m = &api->misbehave;
	const char *what = json_string_value(json_object_get(v, "what")),
		   *on = json_string_value(json_object_get(v, "on"));

	*m = (struct api_misbehaviour){ .count = 1,
		.ms = json_integer_value(json_object_get(v, "ms")),
		.status = (int)json_integer_value(json_object_get(v, "status")) };
	(void)snprintf(m->what, sizeof(m->what), "%s", what ? what : "");
	(void)snprintf(m->on, sizeof(m->on), "%s", on ? on : "orders");
	if (json_object_get(v, "count"))
		m->count = (unsigned)json_integer_value(json_object_get(v, "count"));
	say(c, json_pack("{s:b}", "ok", what != NULL));
	api_wake_all(api); /* the next answer is the spoilt one, not the one after it */
}

static void do_newest_stats(struct api *api, struct api_client *c, const json_t *v)
{
	say(c, json_pack("{s:b, s:I, s:O?}", "ok", true, "count", (json_int_t)api->n_stats, "stats",
		       api->stats));
}

static void do_pace(struct api *api, struct api_client *c, const json_t *v)
{
	const json_t *pace = json_object_get(v, "pace");

	json_decref(api->pace);
	api->pace = json_is_object(pace) ? json_deep_copy(pace) : NULL;
	say(c, json_pack("{s:b}", "ok", true)); /* the next answer has it */
}

static void do_rotate(struct api *api, struct api_client *c, const json_t *v)
{
	say(c, api_rotate(api, v));
	api_wake_polls(api, false);
}

static void do_quit(struct api *api, struct api_client *c, const json_t *v)
{
	api->quit = true;
	say(c, json_pack("{s:b}", "ok", true));
}

static const struct {
	const char *name;
	command run;
} commands[] = {
	{ "order", do_order },
	{ "orders", do_orders },
	{ "raw", do_raw },
	{ "envelope", do_envelope },
	{ "reports", do_reports },
	{ "wait", do_wait },
	{ "wait_type", do_wait_type },
	{ "follow", do_follow },
	{ "stats", do_stats },
	{ "misbehave", do_misbehave },
	{ "newest_stats", do_newest_stats },
	{ "pace", do_pace },
	{ "rotate", do_rotate },
	{ "quit", do_quit },
};

static void run_line(struct api *api, struct api_client *c, const char *line)
{
	json_t *v = json_loads(line, 0, NULL);
	const char *name = json_string_value(json_object_get(v, "cmd"));
	size_t i = 0;

	while (i < countof(commands) && (!name || strcmp(commands[i].name, name) != 0))
		i++;
	if (i < countof(commands))
		commands[i].run(api, c, v);
	else
		say(c, json_pack("{s:b, s:s}", "ok", false, "error", "no such command"));
	json_decref(v);
}

static void read_client(struct api *api, struct api_client *c)
{
	char chunk[65536], *newline;
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);

	if (n <= 0 || c->size + (size_t)n > API_LINE_MAX) {
		c->gone = true;
		return;
	}
	c->in = xrealloc(c->in, c->size + (size_t)n + 1, 1);
	memcpy(c->in + c->size, chunk, (size_t)n);
	c->size += (size_t)n;
	c->in[c->size] = '\0';
	while ((newline = memchr(c->in, '\n', c->size))) {
		size_t used = (size_t)(newline - c->in) + 1;

		*newline = '\0';
		run_line(api, c, c->in);
		c->size -= used;
		memmove(c->in, c->in + used, c->size + 1);
	}
}

size_t api_ctl_fds(const struct api *api, struct pollfd *fds, size_t max)
{
	size_t n = 0;

	for (const struct api_client *c = api->clients; c && n < max; c = c->next)
		fds[n++] = (struct pollfd){ .fd = c->fd, .events = POLLIN };
	return n;
}

void api_ctl_run(struct api *api, const struct pollfd *fds, size_t n)
{
	for (struct api_client *c = api->clients; c; c = c->next)
		for (size_t i = 0; i < n; i++)
			if (fds[i].fd == c->fd && fds[i].revents && !c->gone)
				read_client(api, c);
	for (struct api_client **at = &api->clients; *at;) {
		struct api_client *c = *at;

		if (!c->gone) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		closefd(c->fd);
		json_decref(c->match);
		free(c->in);
		free(c);
	}
}

/* --- the other end, for shell scripts --- */

int api_ctl_client(const char *path, int argc, char **argv)
{
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool follows = argc > 0 && strstr(argv[0], "\"follow\"");
	char *line = NULL;
	size_t size = 0;
	int status = EXIT_FAILURE;
	FILE *f;

	if (argc != 1 || fd < 0 || address_of(path, &a) < 0 ||
		connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		perror("control-api ctl");
		return EXIT_FAILURE;
	}
	if (dprintf(fd, "%s\n", argv[0]) < 0 || !(f = fdopen(fd, "r+")))
		return EXIT_FAILURE;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&line, &size, f) > 0) {
		(void)fputs(line, stdout);
		status = strstr(line, "\"ok\":true") ? EXIT_SUCCESS : EXIT_FAILURE;
		if (!follows)
			break;
	}
	free(line);
	(void)fclose(f);
	return status;
}
