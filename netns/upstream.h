/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections through an upstream proxy (socks5, http, https), by libcurl's CONNECT_ONLY: it
 * resolves the proxy's name, connects, speaks TLS, authenticates and asks for the destination; the
 * bytes are then ours to move. For one sd-event loop; nothing blocks. */
#pragma once

#include <systemd/sd-event.h>

#include "proto/base.h"
#include "proto/err.h"
#include "proto/frame.h"

struct upstream_pool; /* what all connections of the process share */
struct upstream;      /* one of them */

/* Called when the upstream begins to be at fault (a sentence without secrets), or is so no more
 * (NULL). A destination that refuses is not the upstream's fault. Connections tell, and whether its
 * name can be resolved is found out before there are any, and for as long as it can't be. */
typedef void (*upstream_fault)(enum frame_netproxy_fault kind, const char *fault, void *userdata);

/* Lives as long as its process. */
_must_check_ int upstream_pool_new(
	sd_event *event, upstream_fault fault, void *userdata, struct upstream_pool **ret);
/* @url: scheme://[user[:password]@]host:port. @ca_pem: whom an https proxy's certificate is held
 * against. Both are copied. @system_ca: the file of those who are believed where @ca_pem is NULL,
 * or negative; read now, if the proxy speaks TLS. Every upstream that is open is closed before. */
void upstream_pool_configure(
	struct upstream_pool *s, const char *url, const char *ca_pem, int system_ca);
/* Ask for the proxy's name anew: what was known of it may be wrong. Connections stay. */
void upstream_pool_look_up(struct upstream_pool *s);

/* @r 0: connected; else a negative errno, and all that may be done is upstream_close. */
typedef void (*upstream_ready)(struct upstream *u, int r, void *userdata);

/* To this IPv4 address and port, host byte order. Never NULL; @ready is called once, later. */
struct upstream *upstream_open(struct upstream_pool *s, uint32_t address, uint16_t port,
	upstream_ready ready, void *userdata);
struct upstream *upstream_close(struct upstream *u); /* NULL in, NULL out */

/* When connected. */
int upstream_fd(const struct upstream *u);        /* to poll; stays its own */
bool upstream_is_plain(const struct upstream *u); /* the descriptor's bytes are the stream's */
/* As send(2) and recv(2) on a nonblocking socket; a negative errno, -EAGAIN among them; 0 from
 * recv: the end. */
ssize_t upstream_send(struct upstream *u, const void *data, size_t n);
ssize_t upstream_recv(struct upstream *u, void *data, size_t n);
