/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl doctor on the tables of others, nftables' and iptables-legacy's: of several tables that
 * filter one packet each must let it pass, so what one of them drops no rule of ours brings back.
 * Each is tried by packets (agent/ctl/ctl_packet.h); one that can't be is read instead, as far as
 * reading tells. */
#pragma once

#include "agent/common/conf.h"

struct ctl_tables_finding {
	bool fault, doubt;
	char found[400];
	char *mend; /* NULL: nothing to mend */
};

void ctl_tables_look(const struct conf *conf, struct ctl_tables_finding *ret);
void ctl_tables_done(struct ctl_tables_finding *f);
#define _cleanup_tables_ _cleanup_(ctl_tables_done)
