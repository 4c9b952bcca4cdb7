/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wanted state: which containers there are, how each is meant to be, and its last known status.
 * Rows of `containers` in the state file with a copy in memory. Writes go into the open
 * transaction; memory follows at once, since a commit that fails ends the process. */
#pragma once

#include <net/if.h>

#include "agent/state/store.h"
#include "lxc/ctspec.h"
#include "proto/base.h"

enum ct_status {
	CT_NONE, /* not (yet, or no longer) there; no row has it */
	CT_CREATING,
	CT_RUNNING,
	CT_PAUSED,
	CT_STOPPED,
	CT_FAILED,
	CT_DELETED,
	CT_COPYING,
	CT_DELETING,
	CT_STATUS_COUNT
};

const char *desired_status_name(enum ct_status status);
enum ct_status desired_status_find(const char *name); /* CT_NONE when unknown */

struct container {
	struct ctspec spec;
	enum ct_status status;
	uint8_t params_digest[32]; /* of container.create's params, canonical: same again is success
				    */
	uint32_t id_slot;
	uint32_t project; /* a number that its project's containers share; of this run alone */
	int64_t created_ms, changed_ms;
	struct ctwatch *watch;  /* ctwatch.c's; NULL while nothing runs */
	char link[IF_NAMESIZE]; /* ctlink_name()'s: its name, when it was once asked for */
	unsigned reboots;       /* likewise: its own restarts in a row, each soon after a launch */
};

struct desired;

/* What containers have their ids and addresses from. */
struct desired_ranges {
	uint32_t id_base;
	uint32_t first_address, last_address; /* host byte order; of containers */
};

_must_check_ int desired_open(struct store *s, const struct desired_ranges *ranges,
	struct desired **ret, struct err *err);
struct desired *desired_close(struct desired *d);

/* NULL when there is none. Borrowed until it is removed. */
struct container *desired_find(struct desired *d, const char *id);
size_t desired_count(const struct desired *d);
struct container *desired_at(struct desired *d, size_t i); /* sorted by id */

/* Add a container with the lowest free id range and the next free address; @spec's id_base and ipv4
 * are filled in. -ENOSPC when no range is left, -EADDRNOTAVAIL when no address is. An address is
 * not given again before all others have been. */
_must_check_ int desired_add(struct desired *d, const struct ctspec *spec,
	const uint8_t digest[static 32], int64_t now_ms, struct container **ret);
/* Another wish for the same container: @spec has its id and id range. */
void desired_change(
	struct desired *d, struct container *c, const struct ctspec *spec, int64_t now_ms);
void desired_remove(struct desired *d, struct container *c);
/* @changed hears of each that desired_set_status() sets. One listener. */
void desired_on_status(struct desired *d, void (*changed)(void *userdata), void *userdata);
void desired_set_status(
	struct desired *d, struct container *c, enum ct_status status, int64_t now_ms);
