/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports are events too: each goes into the node's own history, and to whoever follows it on the
 * local API. In the open transaction of the change. */
#pragma once

#include <jansson.h>

#include "agent/common/agent.h"

/* @report: as it goes into the outbox (PROTOCOL.md section 6). */
void event_report(struct agent *a, const json_t *report);

/* What the local API shows of an operation; of a row of the journal or a report of it. */
json_t *event_operation(const json_t *order);
