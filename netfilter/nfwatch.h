/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hears of every change of nftables (NFNLGRP_NFTABLES), and tells whether somebody else has changed
 * our table, which is of the family inet. The descriptor is to be watched for input. */
#pragma once

#include "proto/base.h"

struct nfwatch;

_must_check_ int nfwatch_open(const char *table, struct nfwatch **ret);
struct nfwatch *nfwatch_close(struct nfwatch *w);
int nfwatch_fd(const struct nfwatch *w);

/* Read all that is there. True: the table was changed by another than the netlink address @ours, or
 * so much has happened that nobody knows (ENOBUFS). Never blocks. */
bool nfwatch_read(struct nfwatch *w, uint32_t ours);
/* What it read, as it lies in a buffer. */
bool nfwatch_is_foreign(const void *data, size_t size, const char *table, uint32_t ours);
/* Around a large change of our own, one transaction: what happens meanwhile is neither queued nor
 * heard of, but missed: true when there was any other transaction (of any table). @done: ours
 * succeeded. */
void nfwatch_pause(struct nfwatch *w);
bool nfwatch_resume(struct nfwatch *w, bool done);
