/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/engine/lane.h"

#define LANE_BUCKETS 1024 /* a power of two */

struct lane {
	char name[OPRULES_LANE_LEN];
	struct lane *bucket_next;
	struct lane_slot *head, *tail;
};

struct lane_table {
	struct lane *buckets[LANE_BUCKETS];
	size_t n_lanes;
};

/* FNV-1a; names are ids that we have checked, so nobody can choose collisions worth the while. */
static size_t bucket_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash & (LANE_BUCKETS - 1);
}

static struct lane *find(const struct lane_table *t, const char *name)
{
	struct lane *lane = t->buckets[bucket_of(name)];

	while (lane && strcmp(lane->name, name) != 0)
		lane = lane->bucket_next;
	return lane;
}

static struct lane *find_or_add(struct lane_table *t, const char *name)
{
	struct lane *lane = find(t, name);
	size_t bucket = bucket_of(name);

	if (lane)
		return lane;
	lane = xcalloc(1, sizeof(*lane));
	assert(strlen(name) < sizeof(lane->name));
	strcpy(lane->name, name);
	lane->bucket_next = t->buckets[bucket];
	t->buckets[bucket] = lane;
	t->n_lanes++;
	return lane;
}

static void drop(struct lane_table *t, struct lane *lane)
{
	struct lane **at = &t->buckets[bucket_of(lane->name)];

	while (*at != lane)
		at = &(*at)->bucket_next;
	*at = lane->bucket_next;
	t->n_lanes--;
	free(lane);
}

struct lane_table *lane_table_new(void)
{
	return xcalloc(1, sizeof(struct lane_table));
}

struct lane_table *lane_table_free(struct lane_table *t)
{
	if (t) {
		assert(t->n_lanes == 0);
		free(t);
	}
	return NULL;
}

bool lane_join(struct lane_table *t, struct lane_ticket *ticket, const struct oprules_lanes *lanes)
{
	assert(lanes->n >= 1);
	*ticket = (struct lane_ticket){ .n = lanes->n,
		.slots = xcalloc(lanes->n, sizeof(struct lane_slot)) };
	for (size_t i = 0; i < lanes->n; i++) {
		struct lane_slot *slot = &ticket->slots[i];
		struct lane *lane = find_or_add(t, lanes->name[i]);

		slot->lane = lane;
		slot->ticket = ticket;
		if (lane->tail) {
			assert(lane->tail->ticket != ticket);
			lane->tail->next = slot;
			ticket->ahead++;
		} else {
			lane->head = slot;
		}
		lane->tail = slot;
	}
	return ticket->ahead == 0;
}

void lane_leave(struct lane_table *t, struct lane_ticket *ticket,
	void (*ready)(struct lane_ticket *ticket, void *userdata), void *userdata)
{
	assert(ticket->n > 0 && ticket->ahead == 0);
	for (size_t i = 0; i < ticket->n; i++) {
		struct lane *lane = ticket->slots[i].lane;

		assert(lane->head == &ticket->slots[i]);
		lane->head = ticket->slots[i].next;
		if (!lane->head) {
			drop(t, lane);
			continue;
		}
		assert(lane->head->ticket->ahead > 0);
		if (--lane->head->ticket->ahead == 0)
			ready(lane->head->ticket, userdata);
	}
	ticket->n = 0;
	free(TAKE(ticket->slots));
}

void lane_forget(struct lane_table *t, struct lane_ticket *ticket)
{
	for (size_t i = 0; i < ticket->n; i++) {
		struct lane_slot *slot = &ticket->slots[i];
		struct lane_slot **at = &slot->lane->head, *before = NULL;

		while (*at != slot) {
			before = *at;
			at = &(*at)->next;
		}
		*at = slot->next;
		if (slot->lane->tail == slot)
			slot->lane->tail = before;
		if (!slot->lane->head)
			drop(t, slot->lane);
	}
	ticket->n = 0;
	free(TAKE(ticket->slots));
}

bool lane_is_busy(const struct lane_table *t, const char *name)
{
	return find(t, name) != NULL;
}

bool lane_is_joined(const struct lane_ticket *ticket, const char *name)
{
	for (size_t i = 0; i < ticket->n; i++)
		if (strcmp(ticket->slots[i].lane->name, name) == 0)
			return true;
	return false;
}
