/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers' firewall rules as they are wanted: per direction a list of rule objects, in their
 * order, or none: then the direction is detached. Rows of the state file; the kernel's are
 * agent/host/ctnet's. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"
#include "netfilter/fwrule.h"

#define FWLIST_RULES_MAX 500    /* of a container, both directions together */
#define FWLIST_BYTES_MAX 262144 /* as JSON */

/* "ingress", "egress". */
extern const char *const fwlist_names[FW_DIRECTIONS];
/* By its name, which must be one. */
enum fwdirection fwlist_direction(const char *name);

/* A new array; NULL: detached. */
json_t *fwlist_get(struct store *s, const char *container_id, enum fwdirection direction);
/* @rules NULL: detach. */
void fwlist_put(
	struct store *s, const char *container_id, enum fwdirection direction, const json_t *rules);
void fwlist_remove_all(struct store *s, const char *container_id);
void fwlist_copy(struct store *s, const char *from_container, const char *to_container);

/* Rules are the same when all of their members are; a member that is not there has its default. */
bool fwlist_is_same(const json_t *a, const json_t *b);
/* Has the rule everything that the filter names? */
bool fwlist_matches(const json_t *rule, const json_t *filter);
