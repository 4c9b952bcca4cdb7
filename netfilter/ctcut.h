/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows under way that the rules no longer allow: their conntrack entries are deleted, so that their
 * next packet is judged anew. The table refuses TCP's middles, which cuts them for good. */
#pragma once

#include "netfilter/fwtable.h"

struct ctcut_entry {
	struct fwflow flow;
	uint8_t tuple[256]; /* the attribute as it came, to name the entry by */
	uint16_t tuple_size;
	uint32_t id;
};

/* One message of a dump. False: it is no entry. */
bool ctcut_read_entry(const struct nlmsghdr *m, struct ctcut_entry *ret);

/* Call after the rules are in force. @address (host byte order): flows from or to this container alone;
 * 0: all. One walk of the kernel's table (about 0.1 µs an entry that is not wanted, by the kernel's own filter where
 * it has one). @ret_cut: how many; may be NULL. */
_must_check_ int ctcut_run(
	const struct fwtable *t, struct nfsock *s, uint32_t address, size_t *ret_cut);
