/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A netfilter netlink socket: requests with their answers, and dumps. Blocking, but the kernel
 * answers within the call. Not for several threads. */
#pragma once

#include <libmnl/libmnl.h>

#include "proto/base.h"

struct nfsock;

_must_check_ int nfsock_open(struct nfsock **ret);
struct nfsock *nfsock_close(struct nfsock *s);

/* Its address: changes that it makes carry this in the kernel's notifications. */
uint32_t nfsock_port(const struct nfsock *s);
uint32_t nfsock_next_seq(struct nfsock *s);

/* Send what @data holds, and look at every answer until none is there. @on_error hears of each
 * refused message by its seq. Returns the first error, 0 when @last_seq was acknowledged. */
_must_check_ int nfsock_talk(struct nfsock *s, const void *data, size_t size, uint32_t last_seq,
	void (*on_error)(uint32_t seq, int errnum, void *userdata), void *userdata);

/* A dump; @on_message is called for each message. -EINTR: it changed meanwhile, ask again. */
_must_check_ int nfsock_dump(struct nfsock *s, const struct nlmsghdr *request,
	void (*on_message)(const struct nlmsghdr *m, void *userdata), void *userdata);

/* --- what the kernel says, as it lies in a buffer; what is not well-formed is passed over --- */

/* Does it lie within what is left? libmnl's own check (1.0.5) takes lengths of 2 GiB and more for
 * negative ones, and its attributes go on to the end of the padding, which the kernel always
 * sends. */
bool nfsock_is_whole(const struct nlmsghdr *m, int left);

struct nfsock_answers {
	uint32_t last_seq;
	void (*on_error)(uint32_t seq, int errnum, void *userdata); /* or NULL */
	void *userdata;
	bool acknowledged; /* @last_seq was */
	int error;         /* the first one, negative, or 0 */
};
void nfsock_read_answers(const void *data, size_t size, struct nfsock_answers *a);

struct nfsock_reading {
	uint32_t seq; /* of the request: other messages are nobody's */
	void (*on_message)(const struct nlmsghdr *m, void *userdata);
	void *userdata;
	bool interrupted, done;
	int error; /* negative, or 0 */
};
void nfsock_read_dump(const void *data, size_t size, struct nfsock_reading *d);
