/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast this node goes (PROTOCOL.md 10.1 and 10.2): as the control API's last signed word says,
 * and the configuration where that says nothing. Pure. */
#pragma once

#include "agent/common/conf.h"
#include "proto/nodecall.h"

/* All zero: the API has said nothing. */
struct pace {
	struct nodecall_pace said;
};

/* An answer that was verified; without a word it changes nothing. Returns whether it has one. */
bool pace_keep(struct pace *p, const struct nodecall_pace *said);

/* Of a poll, drawn as @random falls. */
uint64_t pace_wait_s(const struct pace *p, const struct conf *c, uint32_t random);
/* Of the first retry. */
uint64_t pace_spread_ms(const struct pace *p, const struct conf *c);
/* Between statistics; 0: none are taken. Somebody looks at them as long as the API has leased
 * them. */
int64_t pace_stats_s(const struct pace *p, const struct conf *c, int64_t now_ms);
