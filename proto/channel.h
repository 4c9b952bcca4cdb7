/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel: frames over SOCK_SEQPACKET with payloads in sealed memfds, and a permit table per peer
 * that says which frame may come in which state. Anything else is a violation: the caller is told
 * once and must kill the peer. Nonblocking; for one sd-event loop. Uses no heap per frame but the
 * payload that it hands over. */
#pragma once

#include <systemd/sd-event.h>

#include "proto/chanio.h"
#include "proto/err.h"

#define CHANNEL_STATES_MAX 32

struct channel;

/* Returns 0, or a negative errno: the channel is then failed like at a violation. */
typedef int (*channel_handler)(struct channel *ch, struct channel_message *m, void *userdata);

struct channel_permit {
	uint16_t type;
	uint32_t states; /* bit mask of the states in which it may come */
	bool payload;    /* must it carry one? (size > 0); false: must not */
	bool payload_optional;
	bool fd; /* may it carry a descriptor besides the payload's? */
	channel_handler handler;
};

/* The peer is gone (r = 0: orderly hang-up), broke the rules (r < 0, @why says which), or couldn't
 * be heard for what we have run out of ourselves (channel_is_own_fault; @why says of what). Called
 * at most once; the channel is closed but not freed: what a frame carried is lost. */
typedef void (*channel_gone)(struct channel *ch, int r, const char *why, void *userdata);

/* Descriptors or memory, which are no fault of the peer's. */
bool channel_is_own_fault(int r);

/* Takes @fd (also on failure). @permits (static storage) has @n rows. @priority is sd-event's. */
_must_check_ int channel_open(sd_event *event, int fd, const struct channel_permit *permits,
	size_t n, channel_gone gone, void *userdata, struct channel **ret);
struct channel *channel_close(struct channel *ch); /* frees; NULL in, NULL out; no gone() call */

/* The peer's state as the permit table means it: a small number, 0 at first. */
void channel_set_state(struct channel *ch, unsigned state);
unsigned channel_state(const struct channel *ch);
int channel_fd(const struct channel *ch);
/* A pidfd, the caller's, of the process that sent the last frame, as the kernel says (unix(7),
 * SCM_CREDENTIALS), and still has its end; -1: there is none, or the descriptor has not
 * SO_PASSCRED. */
int channel_peer(const struct channel *ch, pid_t *ret_pid);

/* Send one frame. @payload (may be NULL with size 0) is copied to a memfd and sealed; @extra_fd
 * (-1: none) is sent along, not taken. Frames queue (bounded) while the socket is full. Returns 0,
 * -ENOBUFS when the queue is full, -EPIPE when the peer is gone. */
_must_check_ int channel_send(
	struct channel *ch, const struct frame *f, const void *payload, size_t size, int extra_fd);

/* How many more fit into the queue. More may after a turn of the loop. */
unsigned channel_room(const struct channel *ch);
