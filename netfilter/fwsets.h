/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sets and maps that all containers share: what netfilter/fwbase's rules look things up in. */
#pragma once

#include "netfilter/fwtable.h"
#include "netfilter/nfbatch.h"

/* Of an address family and a container's interface: its chain of rules in that direction. */
extern const char *const fwsets_maps[FW_DIRECTIONS];

/* All of them; empty, but for the proxies' addresses, which are the configuration's. */
void fwsets_build(struct nfbatch *b, const struct fwtable_conf *conf);
