/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS through the forwarder: a container's datagrams and a server's stream, both hostile. An answer
 * reaches the query that it is for, once, with the client's own id and no longer than the client
 * takes; what is nobody's goes nowhere.
 *
 * The input is a list of pieces, two bytes (what, length) and bytes: queries, and parts of the
 * server's stream, in which "##" is the id of the last query, so that answers are more than
 * luck. */
#include "netns/dnsmsg.h"
#include "netns/dnstable.h"
#include "tests/fuzz/fuzz.h"

#define STREAM_MAX (2 + DNSMSG_MAX)

struct relay {
	struct dnstable table;
	uint8_t stream[STREAM_MAX];
	size_t n;
	uint16_t last_id;
};

static void on_query(struct relay *r, const uint8_t *data, size_t size)
{
	const struct dnstable_query *q;
	size_t before = r->table.n;

	if (!dnsmsg_is_query(data, size))
		return;
	q = dnstable_add(&r->table, data, size, 0x5a5a);
	assert(r->table.n == MIN_OF(before + 1, (size_t)DNSTABLE_MAX));
	assert(dnsmsg_id(q->message) == q->id && q->client_id == dnsmsg_id(data));
	r->last_id = q->id;
}

static void on_answer(uint8_t *m, size_t n, void *userdata)
{
	struct relay *r = userdata;
	struct dnstable_query *q = dnstable_find(&r->table, m, n);
	uint16_t id = n >= DNSMSG_HEADER ? dnsmsg_id(m) : 0;
	size_t limit, size;

	if (!q)
		return;
	assert(q->id == id);
	limit = dnsmsg_udp_limit(q->message, q->n);
	size = dnstable_give_back(q, m, n);
	assert(size <= n && size <= limit);
	assert(size == 0 || dnsmsg_id(m) == q->client_id);
	dnstable_forget(&r->table, q);
	dnsmsg_set_id(m, id);
	assert(!dnstable_find(&r->table, m, n));
}

static void on_stream(struct relay *r, const uint8_t *data, size_t size)
{
	size_t used;

	if (size > STREAM_MAX - r->n)
		return;
	memcpy(r->stream + r->n, data, size);
	for (size_t i = 0; i + 1 < size; i++)
		if (data[i] == '#' && data[i + 1] == '#')
			dnsmsg_set_id(r->stream + r->n + i, r->last_id);
	r->n += size;
	used = dnsmsg_each(r->stream, r->n, on_answer, r);
	assert(used <= r->n);
	r->n -= used;
	memmove(r->stream, r->stream + used, r->n);
}

static void fail_all(struct dnstable *t)
{
	for (size_t i = 0; i < DNSTABLE_MAX; i++)
		if (t->at[i].message) {
			size_t n = dnstable_fail(&t->at[i]);

			assert(n >= DNSMSG_HEADER && n <= t->at[i].n && n <= DNSMSG_UDP_PLAIN);
			assert(dnsmsg_id(t->at[i].message) == t->at[i].client_id);
			dnstable_forget(t, &t->at[i]);
		}
	assert(t->n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct relay r;

	r.n = 0;
	while (size >= 2 && size - 2 >= data[1]) {
		(data[0] % 2 ? on_stream : on_query)(&r, data + 2, data[1]);
		size -= 2u + data[1];
		data += 2 + data[1];
	}
	fail_all(&r.table);
	return 0;
}
