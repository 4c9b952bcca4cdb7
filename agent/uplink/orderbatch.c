/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uplink/orderbatch.h"

#include "agent/uplink/intake.h"
#include "proto/clock.h"
#include "proto/orderpack.h"

#define SLICE_US (10 * 1000) /* of envelopes in one turn: others want theirs */

struct span {
	const void *at;
	size_t size;
};

struct orderbatch {
	struct agent *agent;
	uint8_t *bytes;
	struct span envelope[ORDERPACK_KEYSETS_MAX + ORDERPACK_MAX];
	size_t n, n_keysets, judged;
	uint64_t head_seq;
	bool rotated;
	struct intake intake;
	sd_event_source *next;
	void (*done)(const struct orderbatch_end *end, void *userdata);
	void *userdata;
};

static void add(const void *envelope, size_t size, void *userdata)
{
	struct orderbatch *b = userdata;

	b->envelope[b->n++] = (struct span){ envelope, size };
}

static void judge(struct orderbatch *b, const struct span *envelope, bool is_keyset)
{
	if (!is_keyset) {
		(void)intake_envelope(b->agent, &b->intake, envelope->at, envelope->size);
	} else if (intake_keyset(b->agent, envelope->at, envelope->size)) {
		b->rotated = true;
		b->agent->listener->keys_changed(b->agent);
	}
}

static int on_slice(sd_event_source *s, void *userdata)
{
	struct orderbatch *b = userdata;
	uint64_t end_us = clock_us(CLOCK_MONOTONIC) + SLICE_US;
	struct orderbatch_end end;

	for (; b->judged < b->n && clock_us(CLOCK_MONOTONIC) < end_us; b->judged++)
		judge(b, &b->envelope[b->judged], b->judged < b->n_keysets);
	if (b->judged < b->n)
		return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	end = (struct orderbatch_end){ .head_seq = b->head_seq,
		.n_orders = b->n - b->n_keysets,
		.gap_before = b->intake.gap_before,
		.rotated = b->rotated };
	b->done(&end, b->userdata);
	return 0;
}

int orderbatch_new(struct agent *a, struct nodecall_orders *got,
	void (*done)(const struct orderbatch_end *end, void *userdata), void *userdata,
	struct orderbatch **ret)
{
	struct orderbatch *b = xcalloc(1, sizeof(*b));
	int r;

	b->agent = a;
	b->bytes = TAKE(got->pack.data);
	b->head_seq = got->head_seq;
	b->n_keysets = got->n_keysets;
	b->done = done;
	b->userdata = userdata;
	r = orderpack_each(b->bytes, got->pack.size, got->n_keysets + got->n_orders, add, b);
	if (r >= 0)
		r = sd_event_add_defer(a->event, &b->next, on_slice, b);
	if (r < 0) {
		(void)orderbatch_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

struct orderbatch *orderbatch_free(struct orderbatch *b)
{
	if (b) {
		b->next = sd_event_source_disable_unref(b->next);
		free(b->bytes);
		free(b);
	}
	return NULL;
}
