/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One container's part of the table, as messages of a batch. */
#pragma once

#include "netfilter/fwtable.h"
#include "netfilter/nfbatch.h"

#define FWPORT_NAME_MAX 40
#define FWPORT_KEY_MAX  (4 * FWPLAN_FIELDS)

struct fwport_side {
	bool is_attached;
	struct fwplan plan;
};

struct fwport_state {
	struct fwport port;
	struct fwport_side side[FW_DIRECTIONS];
	uint64_t refused; /* packets, for having too many flows, at the last look */
};

/* @take[d] NULL: detached. The plans' contents move into the state, and back. */
struct fwport_state *fwport_new(const struct fwport *port, struct fwplan *take[FW_DIRECTIONS]);
void fwport_give_back(struct fwport_state *p, struct fwplan *take[FW_DIRECTIONS]);
void fwport_free(struct fwport_state *p);

bool fwport_is_same(const struct fwport *a, const struct fwport *b);

void fwport_add(struct nfbatch *b, const struct fwport_state *p);
/* Where its flows are counted, and what that has refused: from its first rules to its end. */
void fwport_bound(struct nfbatch *b, const struct fwport *p, uint32_t flows_max);
void fwport_unbound(struct nfbatch *b, const struct fwport *p, uint32_t flows_max);
void fwport_remove(struct nfbatch *b, const struct fwport_state *p);
/* The same port with other rules: of what stays, nothing is touched. */
void fwport_change(
	struct nfbatch *b, const struct fwport_state *old, const struct fwport_state *new);

/* Names of the kernel's objects. */
void fwport_set_name(const struct fwport *p, enum fwdirection direction, size_t i,
	char ret[static FWPORT_NAME_MAX]);

/* An element's key as the kernel has it: each field in network byte order, padded to 4 bytes. */
struct fwport_key {
	uint8_t low[FWPORT_KEY_MAX], high[FWPORT_KEY_MAX];
	size_t size;
};
struct fwport_key fwport_key_of(const struct fwset *set, const struct fwelement *e);
