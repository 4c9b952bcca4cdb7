/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conntrack's entries, found by an end of theirs and deleted. Knows no rules: netfilter/ctcut
 * does. */
#pragma once

#include "netfilter/nfsock.h"

/* What entries are asked for: those with this address at this place of a tuple. */
struct ctflow_end {
	uint8_t family;      /* AF_INET, AF_INET6 */
	const void *address; /* network byte order; NULL: all of the family */
	bool reply;          /* of the tuple of its answers, not of the one that it began with */
	bool source;
};

/* What an entry is named by: the attribute of the tuple that it began with, as it came, and its
 * id. */
struct ctflow_entry {
	uint8_t tuple[256];
	uint16_t size;
	uint32_t id;
};

/* One message of a dump. False: it is no entry. */
bool ctflow_read_entry(const struct nlmsghdr *m, struct ctflow_entry *ret);

typedef bool ctflow_wanted(const struct nlmsghdr *m, const void *userdata);

/* The entries with this end of which @is_wanted says so: one walk of the kernel's table, some more
 * when it changes meanwhile, and a message for each. @n is added to. Kernels without CTA_FILTER ask
 * of all. */
_must_check_ int ctflow_cut_end(struct nfsock *s, const struct ctflow_end *end,
	ctflow_wanted *is_wanted, const void *userdata, size_t *n);

/* True: no entry has this address at any end. False: one may; where the table's entries don't fit
 * on a page that isn't said. Needs no socket: to close one waits for who changes the firewall. */
bool ctflow_is_absent(uint8_t family, const void *address);

/* Those of the entries with one of these ends, which are all of one address, of which @is_wanted
 * (NULL: each) says so. @n is added to. No walk where the table's few entries fit on a page, and
 * none has the address; one where it has few; else one for each end. */
_must_check_ int ctflow_cut_ends(struct nfsock *s, const struct ctflow_end *ends, size_t n_ends,
	ctflow_wanted *is_wanted, const void *userdata, size_t *n);

/* All entries with this address at any end, masqueraded ones too: who has it next begins with
 * none. */
_must_check_ int ctflow_cut(struct nfsock *s, uint8_t family, const void *address, size_t *ret_cut);
