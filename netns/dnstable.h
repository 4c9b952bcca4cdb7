/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS queries under way: each has an id of ours, which says where it stands and can't be guessed
 * whole. Pure. */
#pragma once

#include <netinet/in.h>

#include "proto/base.h"

#define DNSTABLE_MAX 512 /* a power of two: a query's id holds its place */

struct dnstable_query {
	uint8_t *message; /* with our id; NULL: a free place */
	size_t n;
	uint16_t id, client_id;
	struct sockaddr_in client;
	struct in_addr asked; /* whose answer it takes this for */
	unsigned tries;
};

struct dnstable {
	struct dnstable_query at[DNSTABLE_MAX];
	size_t n, next;
};

/* A query (dnsmsg_is_query) is copied. When all places are taken, an old one is forgotten,
 * about. */
struct dnstable_query *dnstable_add(
	struct dnstable *t, const uint8_t *m, size_t n, uint16_t random);
void dnstable_forget(struct dnstable *t, struct dnstable_query *q);
void dnstable_forget_all(struct dnstable *t);

/* Whose answer is this? NULL: nobody's. */
struct dnstable_query *dnstable_find(struct dnstable *t, const uint8_t *m, size_t n);

/* Make of an answer what the client is sent, in place: its own id, and no more than it takes. Its
 * size; 0: nothing. */
size_t dnstable_give_back(const struct dnstable_query *q, uint8_t *m, size_t n);
/* And of a query that will have none. */
size_t dnstable_fail(struct dnstable_query *q);
