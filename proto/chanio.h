/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames over a socket, SOCK_SEQPACKET, with payloads in sealed memfds: one out, one in. What
 * proto/channel.h is made of; and the blocking forms, for programs without a loop, which so need no
 * library of one. */
#pragma once

#include "proto/base.h"
#include "proto/frame.h"

#define CHANNEL_FD 3 /* where a program of ours finds the one to who started it */

/* A received frame. Payload is a private copy-on-nothing mapping of the sealed memfd: valid until
 * the handler returns. */
struct channel_message {
	struct frame frame;
	const void *payload; /* NULL when size is 0 */
	size_t size;
	int fd; /* an extra descriptor (pidfd), or -1; take_fd() to keep it */
};

/* Both ends CLOEXEC and nonblocking. */
_must_check_ int chanio_pair(int ret_fds[static 2]);

#define CHANIO_FDS 2 /* a payload and one extra */

/* A frame that can go. All 0: nothing to be dropped. */
struct chanio_out {
	uint8_t header[FRAME_SIZE];
	int fds[CHANIO_FDS];
	size_t n_fds;
};

/* The frame with its payload sealed and a copy of @extra_fd, or negative: the caller's to drop. */
_must_check_ int chanio_pack(const struct frame *f, const void *payload, size_t size, int extra_fd,
	struct chanio_out *ret);
/* A negative errno, -EAGAIN among them; -EPIPE: nobody is there any more. */
_must_check_ int chanio_send(int fd, const struct chanio_out *q);
void chanio_drop_out(struct chanio_out *q);

struct chanio_in {
	struct frame frame;
	int fds[CHANIO_FDS];
	size_t n_fds;
	pid_t sender;
};

/* 1: a frame; 0: hang-up; -EAGAIN; -EBADMSG: not a frame; -EMFILE: we have no descriptor for what
 * it carries. Whatever it is, @ret is the caller's to drop. */
_must_check_ int chanio_receive(int fd, struct chanio_in *ret);
void chanio_drop_in(struct chanio_in *in);

/* What it brings, for the caller to close: the payload's descriptor comes first when there is one.
 * -EBADMSG: a payload that is not sealed or not of its size, or more descriptors than may be. */
_must_check_ int chanio_open(struct chanio_in *in, struct channel_message *ret);
void chanio_close(struct channel_message *m);

/* Blocking: for programs without a loop (worker, hoodyctl, tests). A received payload is malloc'ed,
 * the caller's. chanio_recv_sync returns 0, -ENODATA at hang-up, -ETIMEDOUT, -EBADMSG. timeout_ms <
 * 0 waits for ever. */
_must_check_ int chanio_send_sync(
	int fd, const struct frame *f, const void *payload, size_t size, int extra_fd);
_must_check_ int chanio_recv_sync(
	int fd, int timeout_ms, struct frame *ret, void **ret_payload, int *ret_fd);
