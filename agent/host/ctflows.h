/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers' flows that have to end: those that a change of the table forbids or leads elsewhere,
 * and all of an address whose container has ended, so that the next that has it finds none.
 *
 * A child walks the kernel's conntrack table, since that takes longer than anybody may wait for the
 * agent. One at a time; what is asked for meanwhile is the next one's. When one can't be made or
 * fails, the next is, a second later. */
#pragma once

#include <systemd/sd-event.h>

#include "netfilter/fwtable.h"

struct ctflows;

#define CTFLOWS_ALL 0 /* an address that no container has */

/* @table is borrowed: it must outlive this. */
_must_check_ int ctflows_new(sd_event *event, const struct fwtable *table, struct ctflows **ret);
struct ctflows *ctflows_free(struct ctflows *f);

/* Those of this address (host byte order) that the table no longer allows. */
void ctflows_judge(struct ctflows *f, uint32_t address);
/* The same, with those that a forwarder had and that now leave the host. */
void ctflows_judge_diverted(struct ctflows *f, uint32_t address);
/* All of this port's. */
void ctflows_end(struct ctflows *f, const struct fwport *port);
/* It is launched again: who does that has cut them. */
void ctflows_begin(struct ctflows *f, const struct fwport *port);
