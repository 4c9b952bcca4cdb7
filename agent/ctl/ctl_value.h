/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A member of the local API's answers, as people read it. What kind of value it is stands in the
 * tables that name it. */
#pragma once

#include "agent/ctl/ctl.h"
#include "agent/ctl/ctl_text.h"

enum ctl_kind {
	CTL_TEXT,     /* or whatever it is; cut where there is no room */
	CTL_SENTENCE, /* the same, and as a last column it goes on in the line below */
	CTL_WORD,     /* the same, cut last of all */
	CTL_ID,       /* of which hoodyctl takes the beginning too */
	CTL_STATE,    /* a word with a colour */
	CTL_COUNT,
	CTL_SOME, /* a count of which 0 says that there is none */
	CTL_BYTES,
	CTL_NS,     /* nanoseconds of processor time */
	CTL_MS,     /* how long something took */
	CTL_AGE,    /* a time, by how long ago it was: "3 min" */
	CTL_AGO,    /* "3 min ago", "in 3 d" */
	CTL_TIME,   /* the time itself, and how long ago */
	CTL_OBJECT, /* its members, each by its path on a line of its own */
};

/* A member, also of an inner object or a list: "a.b.0.c". NULL when there is none. */
const json_t *ctl_value_at(const json_t *v, const char *path);

/* The caller's; NULL where there is none, or null. */
char *ctl_value_text(const struct ctl *ctl, enum ctl_kind kind, const json_t *v);
enum ctl_colour ctl_value_colour(enum ctl_kind kind, const char *text);
bool ctl_value_is_number(enum ctl_kind kind);

/* "2026-11-23 08:44:44 (3 min ago)"; as --utc and --iso have it. @v: a text of RFC 3339, or
 * milliseconds. */
char *ctl_value_time(const struct ctl *ctl, const json_t *v);
/* The first half of it. */
char *ctl_value_clock(const struct ctl *ctl, const json_t *v);
