/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/rtbatch.h"

void rtbatch_add(struct rtbatch *b, struct nl_msg *m)
{
	if (!m || b->n == RTBATCH_MAX)
		abort();
	b->at[b->n++] = m;
}

int rtbatch_send(struct rtbatch *b, struct nl_sock *s)
{
	struct iovec iov[RTBATCH_MAX];
	int r;

	for (size_t i = 0; i < b->n; i++) {
		struct nlmsghdr *h = nlmsg_hdr(b->at[i]);

		nl_complete_msg(s, b->at[i]); /* numbers it, and asks for an answer */
		iov[i] = (struct iovec){ .iov_base = h, .iov_len = NLMSG_ALIGN(h->nlmsg_len) };
	}
	r = b->n > 0 ? nl_send_iovec(s, b->at[0], iov, (unsigned)b->n) : 0;
	for (size_t i = 0; r >= 0 && i < b->n; i++)
		b->said[i] = nl_wait_for_ack(s);
	return MIN_OF(r, 0);
}

int rtbatch_failure(const struct rtbatch *b, size_t begin, size_t end)
{
	int r = 0;

	for (size_t i = begin; i < end && r == 0; i++)
		r = b->said[i];
	return r;
}

void rtbatch_clear(struct rtbatch *b)
{
	while (b->n > 0)
		nlmsg_free(b->at[--b->n]);
}
