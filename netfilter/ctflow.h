/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conntrack's entries, found by an end of theirs and deleted. Knows no rules: netfilter/ctcut does. */
#pragma once

#include "netfilter/nfsock.h"

/* What entries are asked for: those with this address at this place of a tuple. */
struct ctflow_end {
	uint8_t family;      /* AF_INET, AF_INET6 */
	const void *address; /* network byte order; NULL: all of the family */
	bool reply;          /* of the tuple of its answers, not of the one that it began with */
	bool source;
};
/* -EINTR: it changed meanwhile, ask again. */
_must_check_ int ctflow_dump(struct nfsock *s, const struct ctflow_end *end,
	void (*on_message)(const struct nlmsghdr *m, void *userdata), void *userdata);

/* By the tuple that it began with, as it came, and its id. Gone meanwhile is as good. */
_must_check_ int ctflow_delete(
	struct nfsock *s, uint8_t family, const void *tuple, uint16_t size, uint32_t id);

/* All entries with this address at any end, masqueraded ones too: who has it next begins with none. Three
 * walks of the kernel's table, and a message for each that is found. */
_must_check_ int ctflow_cut(struct nfsock *s, uint8_t family, const void *address, size_t *ret_cut);
