/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/report: what is said, to all who listen, and what is counted.
 *
 * Here lie the reports of PROTOCOL.md section 6 (tell), their way into events and the node's
 * history (event), the one place where a container's status changes (status), and what only grows
 * (counters).
 *
 * Every floor above may call it, in the open transaction of the change that it tells of. It may
 * touch the state file, and whoever follows events through struct agent_listener; it sends nothing
 * itself.
 *
 * This header: the reports that the agent makes (PROTOCOL.md section 6), each in the open
 * transaction of the change that it tells of. */
#pragma once

#include "agent/common/agent.h"
#include "agent/state/desired.h"
#include "agent/state/journal.h"
#include "proto/order.h"

/* How an order stands. */
struct tell_operation {
	const struct order *order;
	enum journal_state state;
	int64_t started_ms, finished_ms; /* 0: not yet */
	const json_t *progress;          /* of one that runs; or NULL */
	const json_t *result;            /* of one that succeeded; or NULL */
	const struct err *err;           /* of one that failed */
};
/* Terminal ones carry result or error, times and duration. */
void tell_operation(struct agent *a, const struct tell_operation *t);

/* A rejected order that could be authenticated. */
void tell_rejected(struct agent *a, const struct order *o, const struct err *err);

/* A duplicate: the state that its row records, again. */
void tell_row(struct agent *a, int64_t row);

void tell_status(struct agent *a, const struct container *c, enum ct_status from, enum ct_status to,
	int64_t since_ms, const char *triggered_by, const json_t *metadata);

/* What became of one of a container's snapshots: created, deleted, expired, restored, renamed.
 * Takes @data. */
void tell_snapshot(
	struct agent *a, const struct container *c, const char *event, json_t *data_steals);

/* What became of a container's firewall, or (@c NULL) of the node's: added, removed, updated,
 * enabled, disabled, healed, failed. Takes @data. */
void tell_firewall(
	struct agent *a, const struct container *c, const char *event, json_t *data_steals);

/* What became of a container's network mode: created, running, stopped, failed, deleted. Takes
 * @data. */
void tell_network(
	struct agent *a, const struct container *c, const char *event, json_t *data_steals);

/* What became of a container's environment (updated, applied, failed), of a share (created,
 * updated, enabled, disabled, mounted, unmounted, failed, expired, deleted; @c is its source), of a
 * document or alias for the node's reverse proxy (@c NULL: no container's). Each takes @data. */
void tell_env(struct agent *a, const struct container *c, const char *event, json_t *data_steals);
/* Of its source, which may be gone by now. */
void tell_share(struct agent *a, const json_t *share, const char *event, json_t *data_steals);
void tell_proxy(struct agent *a, const struct container *c, const char *event, json_t *data_steals);

/* Statistics: not durable, the newest are kept. Take what they are given. */
void tell_container_stats(struct agent *a, int64_t interval_ms, json_t *containers_steals);
void tell_node_stats(struct agent *a, json_t *stats_steals);

/* node.hello and node.inventory. */
void tell_hello(struct agent *a);

/* {driver, total_bytes, free_bytes} */
json_t *tell_pool(const struct agent *a);
