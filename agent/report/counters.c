/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/report/counters.h"

const int64_t counters_bounds_ms[COUNTERS_BUCKETS - 1] = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500,
	5000, 10000, 30000, 120000, 600000 };

struct counters *counters_new(void)
{
	return xcalloc(1, sizeof(struct counters));
}

struct counters *counters_free(struct counters *c)
{
	free(c);
	return NULL;
}

void counters_order(struct counters *c, enum op op, bool succeeded, int64_t duration_ms)
{
	size_t i = 0;

	while (i < countof(counters_bounds_ms) && duration_ms > counters_bounds_ms[i])
		i++;
	c->orders++;
	c->op[op].bucket[i]++;
	c->op[op].sum_ms += (uint64_t)MAX_OF(duration_ms, 0);
	if (succeeded)
		c->op[op].succeeded++;
	else
		c->op[op].failed++;
}

void counters_firewall(struct counters *c, enum counters_firewall how)
{
	c->firewall[how]++;
}

void counters_leaf(struct counters *c, const char *program)
{
	for (size_t i = 0; i < COUNTERS_LEAVES; i++)
		if (!c->leaf[i].program || c->leaf[i].program == program) {
			c->leaf[i].program = program;
			c->leaf[i].starts++;
			return;
		}
}

void counters_turn(struct counters *c, uint64_t took_us, uint64_t worked_us)
{
	c->loop.turns++;
	c->loop.long_turns += worked_us > COUNTERS_LONG_US;
	c->loop.took_max_us = MAX_OF(c->loop.took_max_us, took_us);
	c->loop.worked_max_us = MAX_OF(c->loop.worked_max_us, worked_us);
}
