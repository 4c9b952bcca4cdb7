/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/api: what local people ask.
 *
 * Here lie the agent's side of hoody-portal (portal), the routes, their bodies and queries
 * (api_routes.def, api_bodies.def, api_queries.def, api_form), a file of handlers for each subject
 * (api_*), and the socket of last resort (ctlsrv).
 *
 * daemon alone may call it. It may touch every floor below to read; it changes something by an
 * order alone (api_order).
 *
 * This header is the local API (PROTOCOL.md section 8) as the agent sees it: requests that the
 * portal has parsed, matched against one table of routes, and answered by a handler.
 *
 * Whoever asks is root or a member of Local.Group: the kernel says so of the connection that the
 * portal passes along. A call that changes something becomes an order of origin "local:<uid>" with
 * the journal, lanes and reports of all orders; its answer waits for the order's end and goes out
 * after the commit that made it durable.
 *
 * A handler ends by api_ok or api_fail, now or later; the call is gone then. A client that has left
 * takes nothing with it but its answer. */
#pragma once

#include <jansson.h>

#include "agent/common/api_form.h"
#include "agent/common/agent.h"
#include "agent/engine/engine.h"
#include "agent/state/desired.h"
#include "proto/base.h"
#include "proto/err.h"
#include "proto/oprules.h"

#define API_ARGS_MAX   4
#define API_ARG_MAX    256
#define API_ALLOW_MAX  64 /* "GET, PUT, PATCH" */
#define API_PREFIX_LEN 2  /* "api", "v1" */

struct api_route;

struct api_call {
	struct api_call *prev, *next;
	struct agent *agent;
	uint64_t id; /* the portal's */
	uid_t uid;
	bool async;  /* Prefer: respond-async */
	int wait_s;  /* Prefer: wait=S; negative: not said */
	bool stream; /* Accept: text/event-stream */
	const struct api_route *route;
	json_t *request;                      /* as the portal sent it; owns the next two */
	const json_t *query, *body;           /* body: NULL when there is none; query: typed */
	const char *method, *if_match;        /* if_match: NULL when absent */
	char args[API_ARGS_MAX][API_ARG_MAX]; /* the {…} of the route, in its order */
	char order_id[IDENT_ID_LEN + 1];      /* waits for its end; empty: for none */
	struct order *parked;                 /* waits to be accepted; or NULL */
	sd_event_source *patience;            /* how long it waits for that */
	json_t *answer; /* what the handler adds to the answer of its order; or NULL */
	char follows[IDENT_OPERATION_LEN + 1]; /* stream: this operation, or every event */
	bool streaming;
	json_t *meta;          /* of a list; or NULL */
	struct worker *worker; /* looks something up for it, and goes with it; or NULL */
};

struct api_route {
	const char *method; /* "GET", or two with a stroke between: "PUT|PATCH" */
	const char
		*path; /* below /api/v1, "{name}" is an argument, "{container}" one that exists */
	void (*handle)(struct api_call *c);
	enum op op;         /* the op that it orders */
	enum api_form form; /* of its body; a GET has none, and it is its query's */
	const char *summary;
};

/* One table in api_routes.c, most of it api_routes.def. */
extern const struct api_route api_routes[];
extern const size_t api_routes_count;

/* The route of a path (an array, as the portal sends it) and its arguments; NULL: none, or it has
 * other methods, which @ret_allow names. */
const struct api_route *api_find_route(const struct api_route *routes, size_t n, const char *method,
	const json_t *path, char ret_args[API_ARGS_MAX][API_ARG_MAX],
	char ret_allow[static API_ALLOW_MAX]);

struct api;
/* The table stays the caller's. */
struct api *api_new(const struct api_route *routes, size_t n);
struct api *api_free(struct api *api);

/* What the portal has parsed: {"method","path":[…],"query":{…},"asked_twice"?:…,"body":…,
 * "if_match":…,"prefer":…,"accept":…,"complaint"?:…}. @uid has been judged. */
void api_request(struct agent *a, uint64_t id, uid_t uid, json_t *request_steals);
/* The portal is gone, or this client of it (a stream's). */
void api_gone(struct agent *a, uint64_t id);
void api_all_gone(struct agent *a);

/* Something was recorded: streams of @operation_id, or of all events (NULL), get it. */
void api_publish(struct agent *a, const char *operation_id, const char *event, const json_t *data,
	bool last);

/* Does anybody follow events? */
bool api_is_followed(const struct agent *a);
/* Unanswered calls and streams, for a walk along ->next. */
struct api_call *api_first(const struct agent *a);

/* --- for handlers --- */

/* The public envelope around @data. */
void api_ok(struct api_call *c, int status, const char *message, json_t *data_steals);
/* The same, with a header (ETag, Location …). */
void api_ok_with(struct api_call *c, int status, const char *message, json_t *data_steals,
	const char *header, const char *value);
void api_fail(struct api_call *c, const struct err *err, json_t *data_steals);
void api_refuse(struct api_call *c, enum errcode code, const char *field, const char *fmt, ...)
	_printf_(4, 5);
/* Not JSON: the body as it is. */
void api_text(struct api_call *c, const char *content_type, const char *text);
/* Begin a stream of server-sent events. False: refused, the call is gone. */
bool api_stream(struct api_call *c, const char *operation_id);
void api_stream_send(struct api_call *c, const char *event, const json_t *data, bool last);

/* What the query says, or its default; NULL, 0 and false where there is neither. */
const char *api_query(const struct api_call *c, const char *name);
int64_t api_query_number(const struct api_call *c, const char *name);
bool api_query_flag(const struct api_call *c, const char *name);
/* How many rows are before the page that the query names. */
int64_t api_offset(const struct api_call *c);
/* The answer: of a list's rows those that the query asks for, in its order, one page of them,
 * and @data (or NULL) beside them. */
void api_list(struct api_call *c, const char *name, json_t *all_steals, json_t *data_steals);
/* The same of rows that are that page already, of @total. */
void api_page(struct api_call *c, const char *name, json_t *rows_steals, int64_t total,
	json_t *data_steals);
/* The list that is answered next has no pages: all @n are in it. */
void api_whole(struct api_call *c, size_t n);
/* The container of the route's first argument. NULL: refused. */
struct container *api_container(struct api_call *c);
