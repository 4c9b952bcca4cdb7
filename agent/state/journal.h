/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal: every order that was accepted or refused, and where its execution stands. Rows of
 * `orders` in the state file.
 *
 * All writes go into the open transaction (store_begin); they are durable when the caller's
 * store_commit has returned, and nothing is done or acknowledged before that. A row's state moves
 * accepted -> running -> succeeded|failed, or is rejected at once, and never back. */
#pragma once

#include "agent/state/store.h"
#include "proto/base.h"
#include "proto/err.h"
#include "proto/order.h"

#define JOURNAL_ORIGIN_MAX   24
#define JOURNAL_STATUS_MAX   16
#define JOURNAL_KEEP_ROWS    100000 /* finished orders kept; replays of older ones fail by seq */
#define JOURNAL_ATTEMPTS_MAX 3

enum journal_state {
	JOURNAL_ACCEPTED,
	JOURNAL_RUNNING,
	JOURNAL_SUCCEEDED,
	JOURNAL_FAILED,
	JOURNAL_REJECTED,
	JOURNAL_STATE_COUNT
};

const char *journal_state_name(enum journal_state state);

/* What has to be known of an order that is not finished, to go on with it. Strings are lent. */
struct journal_entry {
	int64_t row;
	char origin[JOURNAL_ORIGIN_MAX]; /* "control", "local:<uid>", "agent" */
	char *payload;
	size_t payload_size;
	unsigned attempts;
	unsigned step;
	bool undoing;
	int64_t received_ms, started_ms;
	char prev_status[JOURNAL_STATUS_MAX]; /* the container's status before the first attempt */
	char *error;                          /* why it is being undone, JSON; or NULL */
};

enum journal_lookup {
	JOURNAL_UNKNOWN,
	JOURNAL_SAME,  /* known, with the same bytes */
	JOURNAL_OTHER, /* known, with other bytes: equivocation */
};

/* Look an order id up. On JOURNAL_SAME *ret_row is its row. */
enum journal_lookup journal_lookup(
	struct store *s, const char *order_id, const uint8_t digest[static 32], int64_t *ret_row);

/* The highest seq journaled, 0 at first. Cached: costs nothing. */
uint64_t journal_high_seq(struct store *s);
void journal_raise_high_seq(struct store *s, uint64_t seq);
/* For a node of another id: what was for this one is not for that one, whatever its seq. */
void journal_restart_seq(struct store *s);

/* Latest authenticated time, ms (PROTOCOL.md section 3: a clock set back can't revive what has
 * expired). */
int64_t journal_latest_time(struct store *s);
void journal_raise_latest_time(struct store *s, int64_t ms);
/* The node's idea of now: the later of its clock and the latest authenticated time. */
int64_t journal_trusted_now_ms(struct store *s);

/* Add an order. @error (JSON, may be NULL) with JOURNAL_REJECTED. Returns the row. */
int64_t journal_add(struct store *s, const struct order *o, const char *origin, int64_t now_ms,
	enum journal_state state, const char *error);

/* Count an attempt and say where it begins; before it begins. */
void journal_attempt(struct store *s, int64_t row, unsigned attempts, int64_t started_ms,
	const char *prev_status);
void journal_position(struct store *s, int64_t row, unsigned step, bool undoing, const char *error);
/* @started_ms as it is told from now on; 0: it never was. */
void journal_finish(struct store *s, int64_t row, enum journal_state state, int64_t started_ms,
	int64_t now_ms, const char *result, const char *error);

/* Unfinished orders in order of acceptance. */
void journal_unfinished(
	struct store *s, void (*each)(struct journal_entry *e, void *userdata), void *userdata);

/* How many of the container's last orders were starts of the agent's own that failed, without
 * another that begins or ends it since; so many as a few. */
unsigned journal_failed_starts(struct store *s, const char *container_id);

/* Forget finished orders beyond JOURNAL_KEEP_ROWS. Call seldom. */
void journal_prune(struct store *s);

/* For people: newest first, at most @limit rows below row @before (0: from the newest); a JSON
 * array. */
json_t *journal_list(struct store *s, unsigned limit, int64_t before);
/* One finished order, for reporting its state again. NULL when there is no such row. */
json_t *journal_row(struct store *s, int64_t row);
/* The same of one order by its operation id or its own; NULL when there is none. */
json_t *journal_find(struct store *s, const char *id);
/* Those behind the newest @offset, @limit at most, the newest first; and how many there are. */
json_t *journal_page(struct store *s, int64_t limit, int64_t offset);
int64_t journal_total(struct store *s);
/* {"accepted":n,…} */
json_t *journal_counts(struct store *s);
