/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics in the text formats of Prometheus and OpenMetrics 1.0: of containers, the node, and the
 * agent itself. Made anew for each who asks; what only grows is counted in
 * agent/report/counters.h. */
#pragma once

#include "agent/common/agent.h"

#define METRICS_TYPE_PROMETHEUS  "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* All of it; the caller's. About 20 lines for a container. */
char *metrics_text(struct agent *a, bool openmetrics);
