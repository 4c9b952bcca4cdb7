/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes between a client and libmicrohttpd, which gets one end of a pair of sockets for the
 * connection. So what the library says of its own accord (HTML, and its header twice where
 * Content-Length is wrong or there is no Host: 0.9.75) reaches nobody: nothing is read of it but
 * its status, the client gets that in the envelope of all our refusals, and the connection ends, as
 * the library wants it to. What is ours passes as it is, and so does "100 Continue"; requests are
 * not looked at.
 *
 * A wire is in the crowd until its client has everything, or has left. It is there as long as the
 * library has its connection. */
#pragma once

#include <systemd/sd-event.h>

#include "agent/portal/portal_crowd.h"

struct portal_wire;

/* For a connection that was accepted on @client (taken). @ret_fd is for the library, the caller's.
 * @left is called when the client has left. NULL: there can't be one. */
struct portal_wire *portal_wire_new(sd_event *event, struct portal_crowd *crowd, int client,
	void (*left)(const struct portal_wire *w, void *userdata), void *userdata, int *ret_fd);
/* The library has no connection for it any more, or has never had one. */
void portal_wire_release(struct portal_wire *w);

/* The client's own connection, or -1: it has left. */
int portal_wire_client(const struct portal_wire *w);
/* The crowd's, for as long as it is in it: may be NULL. */
struct portal_crowd_member *portal_wire_member(const struct portal_wire *w);

/* What the library says from here on is an answer of ours, and then no longer. */
void portal_wire_begin(struct portal_wire *w);
void portal_wire_end(struct portal_wire *w);
