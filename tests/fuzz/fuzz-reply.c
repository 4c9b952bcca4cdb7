/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of the control API as the courier takes them: header lines, an empty one, the body. In
 * whatever pieces the body comes it is the same, its room is bounded, and zlib itself says what a
 * gzip of one member holds. Then what the body says, as both sides read it. */
#include "agent/courier/reply.h"
#include "proto/ident.h"
#include "tests/fuzz/fuzz.h"

#define NOW 1795410000

struct span {
	const uint8_t *at;
	size_t size;
};

/* What is before the empty line, line by line; *@ret_body is what is behind. */
static void take_headers(struct reply *r, struct span all, struct span *ret_body)
{
	while (all.size > 0 && *all.at != '\n') {
		const uint8_t *end = memchr(all.at, '\n', all.size);
		size_t n = end ? (size_t)(end - all.at) + 1 : all.size;

		reply_header(r, (const char *)all.at, n, NOW);
		all = (struct span){ all.at + n, all.size - n };
	}
	*ret_body = all.size > 0 ? (struct span){ all.at + 1, all.size - 1 } : all;
	assert(strlen(r->signature) < sizeof(r->signature));
	assert(r->retry_after_ms <= REPLY_RETRY_AFTER_MAX_S * 1000ULL);
	assert(!r->gzipped || !r->no_encoding);
}

static bool take_body(struct reply *r, struct span body, size_t piece)
{
	for (size_t at = 0; at < body.size; at += piece)
		if (!reply_body(r, body.at + at, MIN_OF(piece, body.size - at)))
			return false;
	return reply_is_whole(r);
}

static void check_gzip(const struct reply *r, struct span body)
{
	uLongf n = r->size;
	uint8_t *out = xcalloc(1, r->size + 1);
	z_stream z = { .next_in = (Bytef *)(uintptr_t)body.at,
		.avail_in = (uInt)body.size,
		.next_out = out,
		.avail_out = (uInt)r->size + 1 };

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		abort();
	if (inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0)
		assert(z.total_out == n && (n == 0 || memcmp(out, r->body, n) == 0));
	(void)inflateEnd(&z);
	free(out);
}

static void check_pace(const struct nodecall_pace *p)
{
	assert(p->poll_wait_s >= -1 && p->poll_wait_s <= NODECALL_POLL_WAIT_MAX_S);
	assert(p->spread_s >= -1 && p->spread_s <= NODECALL_SPREAD_MAX_S);
	assert(p->stats_interval_s >= -1 && p->stats_interval_s <= NODECALL_STATS_MAX_S);
	assert(p->said || (p->poll_wait_s <= 0 && p->spread_s <= 0 && p->stats_until_ms == 0));
}

static void count(const void *envelope, size_t size, void *userdata)
{
	assert(size > 0);
	(*(uint64_t *)userdata)++;
}

static void read_it(const struct reply *r)
{
	_cleanup_nodecall_orders_ struct nodecall_orders o = {};
	struct nodecall_pace pace = nodecall_read_pace(r->body, r->size);
	uint64_t n = 0, acked = 0;

	check_pace(&pace);
	if (nodecall_read_acked(r->body, r->size, &acked, &pace) == 0) {
		assert(acked <= INT64_MAX);
		check_pace(&pace);
	}
	if (nodecall_read_orders(r->body, r->size, &o) < 0)
		return;
	check_pace(&o.pace);
	assert(o.n_orders <= ORDERPACK_MAX && o.n_keysets <= ORDERPACK_KEYSETS_MAX);
	assert(o.head_seq <= IDENT_SEQ_MAX);
	if (orderpack_each(o.pack.data, o.pack.size, o.n_keysets + o.n_orders, count, &n) < 0)
		abort();
	assert(n == o.n_keysets + o.n_orders);
}

/* The first byte: in what pieces the body comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply_taken takes = {};
	struct reply whole = { .takes = &takes }, pieces = { .takes = &takes };
	struct span all = { data + 1, size - 1 }, body;
	bool taken;

	if (size == 0)
		return 0;
	take_headers(&whole, all, &body);
	take_headers(&pieces, all, &body);
	taken = take_body(&whole, body, body.size);
	assert(taken == take_body(&pieces, body, (size_t)data[0] % 32 + 1));
	assert(whole.size <= NODECALL_BODY_MAX);
	if (taken) {
		assert(whole.size == pieces.size &&
			(whole.size == 0 || memcmp(whole.body, pieces.body, whole.size) == 0));
		if (whole.gzipped)
			check_gzip(&whole, body);
		read_it(&whole);
	}
	reply_done(&whole);
	reply_done(&pieces);
	return 0;
}
