/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened, for people to read later: the status log of each container and the node's events
 * (the public API's status logs and events). Written in the transaction of the change; bounded, the
 * oldest go first. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"
#include "proto/base.h"

#define HISTORY_KEEP_EVENTS 20000
#define HISTORY_KEEP_STATUS 100000

#define HISTORY_ID_LEN 24
/* A row's id: 24 hex characters, the number with zeros before it. -EINVAL when it is none of
 * ours. */
_must_check_ int history_id_parse(const char *id, int64_t *ret_row);

/* A page of a list: rows @offset to @offset + @limit. */
struct history_page {
	unsigned sort; /* index into the list's own columns, 0: the default */
	bool ascending;
	int64_t offset, limit;
};

struct history_status {
	const char *container_id, *from, *to; /* from: NULL at first */
	int64_t at_ms, duration_ms;
	const char *triggered_by, *metadata; /* JSON */
};
void history_add_status(struct store *s, const struct history_status *h);

/* Sort columns of a status log, by name; -1 for another one. */
int history_status_column(const char *name);
json_t *history_status_list(struct store *s, const char *container_id,
	const struct history_page *page, int64_t *ret_total);

struct history_event {
	int64_t at_ms;
	const char *type, *resource_type, *resource_id;
	const char *project_id; /* or NULL */
	const char *payload;    /* JSON */
};
/* Returns its row. */
int64_t history_add_event(struct store *s, const struct history_event *e);
/* Those above row @after (-1: all); their number is *@ret_total. */
json_t *history_event_list(
	struct store *s, int64_t after, const struct history_page *page, int64_t *ret_total);
/* Is all still here that came after row @after? */
bool history_has_since(struct store *s, int64_t after);
json_t *history_event(struct store *s, int64_t row); /* NULL: not there */
/* {"total", "by_type"{…}} */
json_t *history_event_stats(struct store *s);
/* How many were removed: @row alone (0: any), of before @before_ms (INT64_MAX: any
 * time). */
int64_t history_remove_events(
	struct store *s, int64_t row, int64_t before_ms, const char *event_type);

/* Forget what is beyond the bounds. Call seldom. */
void history_prune(struct store *s);
