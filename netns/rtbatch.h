/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to rtnetlink that go to the kernel in one call, which does one after the other, also
 * after one that fails. It has its lock of all links (rtnl) for each of them alone, but whoever
 * else waits for that is mostly not awake yet when the next takes it: they wait about once. */
#pragma once

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "proto/base.h"

#define RTBATCH_MAX 16

struct rtbatch {
	struct nl_msg *at[RTBATCH_MAX];
	int said[RTBATCH_MAX]; /* what the kernel said of each: 0, or -NLE_… */
	size_t n;
};

/* At the end of it. @m is taken; NULL aborts, as running out of memory does everywhere, and so does
 * one more than fit. */
void rtbatch_add(struct rtbatch *b, struct nl_msg *m);
/* All of it, once. Returns 0 when each was answered, however; or -NLE_… */
_must_check_ int rtbatch_send(struct rtbatch *b, struct nl_sock *s);
/* The first failure among those from @begin to before @end; or 0. */
int rtbatch_failure(const struct rtbatch *b, size_t begin, size_t end);
void rtbatch_clear(struct rtbatch *b);
#define _cleanup_rtbatch_ _cleanup_(rtbatch_clear)
