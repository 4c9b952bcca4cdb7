/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the params of an op may be, as data: rows of members, and the walk that holds a JSON object
 * against them. Pure. */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"
#include "proto/opfield.h"

enum opschema_type {
	OPSCHEMA_STRING, /* min, max: characters (0 for max: OPSCHEMA_TEXT_MAX); words or form */
	OPSCHEMA_INT,    /* min, max */
	OPSCHEMA_NUMBER, /* min, max in hundredths; an integer or a fraction */
	OPSCHEMA_BOOL,
	OPSCHEMA_OBJECT, /* schema, or pick */
	OPSCHEMA_LIST,   /* min, max: entries; item */
	OPSCHEMA_MAP,    /* min, max: entries; key, item */
	OPSCHEMA_ANY,    /* an object that is not looked into */
	OPSCHEMA_CUSTOM, /* judge */
};

#define OPSCHEMA_TEXT_MAX 4096

enum {
	OPSCHEMA_REQUIRED = 1, /* must be there */
	OPSCHEMA_NULLABLE = 2, /* may be null */
	OPSCHEMA_LINES = 4,    /* a text that may have line breaks and tabs */
};

struct opschema;

/* Where the walk stands: the chain of members from the params down, printed when something is
 * found. */
struct opschema_spot {
	const struct opschema_spot *up; /* NULL at the params themselves */
	const char *name;               /* NULL: entry @index of a list */
	size_t index;
};

struct opschema_param {
	const char *name;
	enum opschema_type type;
	unsigned flags;
	int64_t min, max;
	const char *const *words; /* ends with NULL */
	const struct opfield_form *form;
	const struct opfield_form *key;
	const struct opschema_param *item;
	const struct opschema *schema;
	const struct opschema *(*pick)(const json_t *params); /* by another of the params */
	int (*judge)(const json_t *value, const struct opschema_spot *spot, struct err *err);
};

struct opschema {
	const struct opschema_param *params;
	size_t n;
	/* What concerns several members; asked last. */
	int (*whole)(const json_t *object, const struct opschema_spot *spot, struct err *err);
};

/* Hold @params (an object) against @common and @schema. Returns 0 or -EINVAL with
 * ERR_INVALID_PARAMS, the dotted field, and the published reason where there is one. */
_must_check_ int opschema_check(const json_t *params, const struct opschema *schema,
	const struct opschema_param *common, struct err *err);

/* For whole and judge: refuse the member @name of @spot (NULL: the spot itself). Returns -EINVAL.
 */
int opschema_refuse(const struct opschema_spot *spot, const char *name, enum errcode reason,
	const char *what, struct err *err);
