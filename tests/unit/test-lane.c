/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lanes: a seeded simulation of many operations over few lanes. Held against the two promises: in
 * one lane the order of acceptance, and nobody waits for ever. */
#include "agent/engine/lane.h"
#include "tests/unit/tap.h"

#define OPERATIONS 200000
#define LANES      12
#define AT_ONCE    64

struct job {
	struct lane_ticket ticket; /* first */
	struct oprules_lanes lanes;
	int number;
	struct job *next;
};

static struct job *ready, **ready_tail = &ready;
static size_t n_ready;

static void on_ready(struct lane_ticket *ticket, void *userdata)
{
	struct job *job = (struct job *)ticket;

	job->next = NULL;
	*ready_tail = job;
	ready_tail = &job->next;
	n_ready++;
}

static struct job *pop_ready(unsigned at)
{
	struct job **p = &ready, *job;

	while (at-- > 0)
		p = &(*p)->next;
	job = *p;
	*p = job->next;
	if (!*p)
		ready_tail = p;
	n_ready--;
	return job;
}

static uint32_t seed = 20261123;

static uint32_t roll(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void choose_lanes(struct oprules_lanes *ret)
{
	char id[12];

	for (size_t n = 1 + (roll(4) == 0); ret->n < n;) {
		(void)snprintf(id, sizeof(id), "%u", roll(LANES));
		oprules_add_lane(ret, "container", id);
	}
}

static void simulate(void)
{
	struct lane_table *t = lane_table_new();
	int last_of_lane[LANES], done = 0, started = 0;
	bool in_order = true;

	for (size_t i = 0; i < LANES; i++)
		last_of_lane[i] = -1;
	while (done < OPERATIONS) {
		struct job *job;

		while (started < OPERATIONS && started - done < AT_ONCE) {
			job = xcalloc(1, sizeof(*job));
			job->number = started++;
			choose_lanes(&job->lanes);
			if (lane_join(t, &job->ticket, &job->lanes))
				on_ready(&job->ticket, NULL);
		}
		if (n_ready == 0)
			break; /* deadlock */
		job = pop_ready(roll((uint32_t)n_ready));
		for (size_t i = 0; i < job->lanes.n; i++) {
			int lane = atoi(strchr(job->lanes.name[i], ':') + 1);

			in_order = in_order && job->number > last_of_lane[lane];
			last_of_lane[lane] = job->number;
		}
		lane_leave(t, &job->ticket, on_ready, NULL);
		oprules_lanes_done(&job->lanes);
		free(job);
		done++;
	}
	TAP_OK(done == OPERATIONS, "%d of %d operations came through: no deadlock", done,
		OPERATIONS);
	TAP_OK(in_order, "in each lane the order of acceptance held");
	TAP_OK(!lane_is_busy(t, "container:0"), "lanes vanish with their last ticket");
	lane_table_free(t);
}

static void forget(void)
{
	struct lane_table *t = lane_table_new();
	_cleanup_lanes_ struct oprules_lanes one = {}, two = {};
	struct lane_ticket a, b, c;

	oprules_add_lane(&one, "node", NULL);
	oprules_add_lane(&two, "node", NULL);
	oprules_add_lane(&two, "image", NULL);
	TAP_OK(lane_join(t, &a, &one), "the first runs");
	TAP_OK(!lane_join(t, &b, &two), "the second waits");
	TAP_OK(!lane_join(t, &c, &one), "the third waits");
	lane_forget(t, &b);
	lane_forget(t, &c);
	lane_forget(t, &a);
	TAP_OK(!lane_is_busy(t, "node") && !lane_is_busy(t, "image"),
		"tickets can be forgotten in any order");
	lane_table_free(t);
}

int main(void)
{
	simulate();
	forget();
	return tap_done();
}
