/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a body and a query may be: api_bodies.def and api_queries.def as data, and the walk that
 * holds what is sent against it. It is judged before anything reads it, in the caller's own
 * spelling. Pure. */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"

enum api_form {
	API_FORM_NONE,   /* no member */
	API_FORM_ANY,    /* an object that is not looked into */
	API_FORM_UNREAD, /* nor is it asked for */
	API_FORM_PROJECT_CREATE,
	API_FORM_PROJECT_UPDATE,
	API_FORM_LIMITS,
	API_FORM_CONTAINER_CREATE,
	API_FORM_CONTAINER_UPDATE,
	API_FORM_CONTAINER_DELETE,
	API_FORM_CONTAINER_KVM,
	API_FORM_CONTAINER_COPY,
	API_FORM_LIFECYCLE,
	API_FORM_TIMED,
	API_FORM_ENV,
	API_FORM_ENV_VALUE,
	API_FORM_INGRESS_RULE,
	API_FORM_INGRESS_FILTER,
	API_FORM_INGRESS_TOGGLE,
	API_FORM_INGRESS_REMOVE,
	API_FORM_EGRESS_RULE,
	API_FORM_EGRESS_FILTER,
	API_FORM_EGRESS_TOGGLE,
	API_FORM_EGRESS_REMOVE,
	API_FORM_FIREWALL_REPLACE,
	API_FORM_NETWORK,
	API_FORM_SNAPSHOT_CREATE,
	API_FORM_SNAPSHOT_ALIAS,
	API_FORM_IMAGE_IMPORT,
	API_FORM_DOCUMENT,
	API_FORM_GROUPS,
	API_FORM_PERMISSIONS,
	API_FORM_CELLS,
	API_FORM_HOOKS,
	API_FORM_DEFAULT,
	API_FORM_STATE,
	API_FORM_SETTINGS,
	API_FORM_GROUP_IP,
	API_FORM_GROUP_JWT,
	API_FORM_JWT,
	API_FORM_GROUP_PASSWORD,
	API_FORM_GROUP_TOKEN,
	API_FORM_HOOK,
	API_FORM_HOOK_MATCH,
	API_FORM_HOOK_SCRIPT,
	API_FORM_HOOK_GROUPS,
	API_FORM_HOOK_POSITION,
	API_FORM_ALIAS_CREATE,
	API_FORM_ALIAS_UPDATE,
	API_FORM_ALIAS_STATE,
	API_FORM_SHARE_CREATE,
	API_FORM_SHARE_UPDATE,
	API_FORM_SHARE_MOUNT,
	API_FORM_EVENTS_DELETE,
	API_FORM_EVENTS_CLEANUP,
	API_FORM_COMMAND,
	API_FORM_QUERY_PROJECTS,
	API_FORM_QUERY_CONTAINERS,
	API_FORM_QUERY_CONTAINER,
	API_FORM_QUERY_STATUS_LOGS,
	API_FORM_QUERY_PAGE,
	API_FORM_QUERY_SHARES,
	API_FORM_QUERY_INCOMING,
	API_FORM_QUERY_IMAGES,
	API_FORM_QUERY_ALIASES,
	API_FORM_QUERY_EVENTS,
	API_FORM_QUERY_OPERATIONS,
};

/* How a member becomes the order's parameter; or what one of a query does to the rows. */
enum api_form_how {
	API_FORM_COPY,
	API_FORM_SKIP,       /* the control plane's alone */
	API_FORM_PORT,       /* 443 -> "443" */
	API_FORM_MODE,       /* rw, ro -> readwrite, readonly */
	API_FORM_UNLESS_RND, /* a name that isn't "rand" */
	API_FORM_MATCH,
	API_FORM_SEARCH,
	API_FORM_SORT,
};

struct api_form_field {
	enum api_form form;
	const char *name; /* "*": any */
	unsigned types;
	bool required;
	int64_t min, max;
	const char *words; /* "tcp|udp"; or NULL */
	enum api_form nested;
	const char *to; /* the parameter, the rows' member; NULL: none, a handler reads it */
	enum api_form_how how;
	const char *preset; /* of a query: what it is without a word; or NULL */
};

/* The fields of all forms, for a walk. */
const struct api_form_field *api_form_fields(size_t *ret_n);

/* 0, or -EINVAL with ERR_INVALID_PARAMS and the member in the caller's spelling: unknown, missing,
 * of another type, out of range, or said twice in different words. @body NULL: {}. */
_must_check_ int api_form_check(enum api_form form, const json_t *body, struct err *err);

/* A query's texts as what their fields are, judged as a body is, and what isn't said as it is
 * without a word. -ENOTSUP: only the control plane knows. *@ret is the caller's. */
_must_check_ int api_form_query(
	enum api_form form, const json_t *query, json_t **ret, struct err *err);

/* The body's members as parameters: converted, nested ones too. The caller's. */
json_t *api_form_params(enum api_form form, const json_t *body);

/* An error that names a parameter names the member that the caller has written for it. */
void api_form_name(enum api_form form, const json_t *body, struct err *err);

/* The members of a form, one after the other: the first with @after NULL; NULL behind the last. */
const struct api_form_field *api_form_next(enum api_form form, const struct api_form_field *after);
/* What it is when it isn't given; NULL: nothing, or what it was. */
const char *api_form_default(const struct api_form_field *field);
/* "tcp|udp|icmp4", "true|false"; NULL where values are no words. */
const char *api_form_words(const struct api_form_field *field);
/* What values it takes, for people: "1 to 600". */
void api_form_describe(const struct api_form_field *field, char *ret, size_t size);
