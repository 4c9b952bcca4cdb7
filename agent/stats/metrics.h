/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics in the text formats of Prometheus and OpenMetrics 1.0: of containers, the node, and the agent
 * itself. Made anew for each who asks; what only grows is counted here. */
#pragma once

#include "agent/common/agent.h"
#include "proto/oprules.h"

#define METRICS_TYPE_PROMETHEUS  "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct metrics;

struct metrics *metrics_new(void);
struct metrics *metrics_free(struct metrics *m);

/* The firewall's table was changed, by us for a container (@how METRICS_CHANGED), or back after somebody
 * else had (METRICS_HEALED); or it could not be. */
enum metrics_firewall { METRICS_CHANGED, METRICS_HEALED, METRICS_REFUSED, METRICS_FIREWALL };
void metrics_firewall(struct metrics *m, enum metrics_firewall how);
/* A leaf (the courier, the portal) was started. */
void metrics_leaf(struct metrics *m, const char *program);

/* An order has ended. */
void metrics_order(struct metrics *m, enum op op, bool succeeded, int64_t duration_ms);
uint64_t metrics_orders(const struct metrics *m); /* all that have */

/* All of it; the caller's. About 20 lines for a container. */
char *metrics_text(struct agent *a, bool openmetrics);
