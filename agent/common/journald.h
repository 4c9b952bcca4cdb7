/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logging: one line per fact, where it is decided, with fields that an operator can filter by and
 * an id that `journalctl -x` explains. When stderr is the journal's (JOURNAL_STREAM names it,
 * sd_journal_print(3)) entries go there with their fields; else a line "LEVEL sentence [key=value
 * ...]" goes to stderr. The only state is which of the two, and the level.
 *
 *	LOG(LOG_INFO, ORDER_ACCEPTED, FIELDS(.order_id = o->id), "Order %s accepted", o->id);
 *	LOG(LOG_ERR, STORE_FAILED, FIELDS(.err = &err), "Can't open it: %s", err.message);
 *
 * The sentence stands alone without its fields. Secrets have types without a formatter: there is
 * nothing here to print them with, and they never go through "%s". What a stranger can cause passes
 * a struct journald_limit first. */
#pragma once

#include <syslog.h>

#include "proto/base.h"
#include "proto/err.h"

enum journald_id {
#define X(name, id, subject, text) JOURNALD_##name,
#include "agent/common/journald.def"
#undef X
	JOURNALD_COUNT
};

/* All optional: NULL, 0 and "" are left out. */
struct journald_fields {
	const char *order_id, *op, *operation_id, *step, *project_id, *container_id;
	const char *origin; /* "control", "local:<uid>", "agent" */
	int64_t seq;
	const int64_t *duration_ms; /* a pointer, since 0 is a duration */
	uint64_t dropped;           /* lines like this one that a limit has swallowed */
	const struct err *err;      /* gives HOODY_CODE and ERRNO (not the sentence) */
	enum errcode code;          /* HOODY_CODE without an err */
	int errnum;                 /* ERRNO without an err; positive */
};
#define FIELDS(...) (&(const struct journald_fields){ __VA_ARGS__ })
#define NO_FIELDS   ((const struct journald_fields *)NULL)

/* Say once, first, who we are (SYSLOG_IDENTIFIER) and up to which priority to log (LOG_INFO
 * normally, LOG_DEBUG with --debug). */
void journald_init(const char *identifier, int max_priority);

void journald_log(const char *file, int line, const char *func, int priority, enum journald_id id,
	const struct journald_fields *fields, const char *fmt, ...) _printf_(7, 8);
#define LOG(priority, id, fields, ...) LOG_AS(priority, JOURNALD_##id, fields, __VA_ARGS__)
#define LOG_AS(priority, id, fields, ...) \
	journald_log(__FILE__, __LINE__, __func__, (priority), (id), (fields), __VA_ARGS__)

/* A token bucket (pure): @burst lines at once, then one per @interval_ms. Zero-initialised but for
 * those two it is full. Returns true when the line may go out; *ret_dropped is then how many were
 * swallowed since the last one (for .dropped). */
struct journald_limit {
	uint32_t burst;
	int64_t interval_ms;
	uint32_t used;
	int64_t since_ms;
	uint64_t dropped;
};
bool journald_limit_pass(struct journald_limit *l, int64_t now_ms, uint64_t *ret_dropped);

/* Of what is put right again and again, up to 20 times a second: the log, the reports and the
 * events that are kept are others' too. */
#define JOURNALD_LIMIT_HEALED ((struct journald_limit){ .burst = 32, .interval_ms = 60000 })

/* Write packaging/hoody-agent.catalog (systemd's journal catalog format). */
void journald_print_catalog(FILE *f);
