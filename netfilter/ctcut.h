/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows under way that the rules no longer allow: their conntrack entries are deleted, so that
 * their next packet is judged anew. The table refuses TCP's middles, which cuts them for good. */
#pragma once

#include "netfilter/fwtable.h"

/* The flow of one message of a dump, as the rules see it: who began it, and who answers, who is
 * another than it was for where somebody else's table leads it on (DNAT). What a message doesn't
 * say is 0. */
void ctcut_read_flow(const struct nlmsghdr *m, struct fwflow *ret);

/* Call after the rules are in force. @address (host byte order): flows from or to this container
 * alone; 0: all, in one walk of the kernel's table. @diverted: also those that
 * fwtable_was_diverted() means. @ret_cut: how many; may be NULL. */
_must_check_ int ctcut_run(const struct fwtable *t, struct nfsock *s, uint32_t address,
	bool diverted, size_t *ret_cut);
