/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/dnstable.h"

#include "netns/dnsmsg.h"

static struct dnstable_query *free_place(struct dnstable *t)
{
	struct dnstable_query *q;

	for (size_t i = 0; i < DNSTABLE_MAX; i++) {
		q = &t->at[t->next++ % DNSTABLE_MAX];
		if (!q->message)
			return q;
	}
	q = &t->at[t->next++ % DNSTABLE_MAX];
	dnstable_forget(t, q);
	return q;
}

struct dnstable_query *dnstable_add(struct dnstable *t, const uint8_t *m, size_t n, uint16_t random)
{
	struct dnstable_query *q = free_place(t);

	*q = (struct dnstable_query){ .message = xcalloc(1, n), .n = n, .client_id = dnsmsg_id(m) };
	q->id = (uint16_t)((random & ~(DNSTABLE_MAX - 1)) | (size_t)(q - t->at));
	memcpy(q->message, m, n);
	dnsmsg_set_id(q->message, q->id);
	t->n++;
	return q;
}

void dnstable_forget(struct dnstable *t, struct dnstable_query *q)
{
	free(TAKE(q->message));
	t->n--;
}

void dnstable_forget_all(struct dnstable *t)
{
	for (size_t i = 0; i < DNSTABLE_MAX; i++)
		if (t->at[i].message)
			dnstable_forget(t, &t->at[i]);
}

struct dnstable_query *dnstable_find(struct dnstable *t, const uint8_t *m, size_t n)
{
	struct dnstable_query *q = n < DNSMSG_HEADER ? NULL : &t->at[dnsmsg_id(m) % DNSTABLE_MAX];

	return q && q->message && q->id == dnsmsg_id(m) ? q : NULL;
}

size_t dnstable_give_back(const struct dnstable_query *q, uint8_t *m, size_t n)
{
	dnsmsg_set_id(m, q->client_id);
	return n > dnsmsg_udp_limit(q->message, q->n) ? dnsmsg_truncate(m, n) : n;
}

size_t dnstable_fail(struct dnstable_query *q)
{
	dnsmsg_set_id(q->message, q->client_id);
	return dnsmsg_fail(q->message, q->n);
}
