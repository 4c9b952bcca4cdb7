/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netfilter/fwplan.h"

#include <netinet/in.h>

bool fwplan_is_same_element(const struct fwelement *a, const struct fwelement *b)
{
	return memcmp(a->field, b->field, sizeof(a->field)) == 0;
}

static bool overlaps(const struct fwelement *a, const struct fwelement *b)
{
	for (size_t i = 0; i < FWPLAN_FIELDS; i++)
		if (a->field[i].high < b->field[i].low || b->field[i].high < a->field[i].low)
			return false;
	return true;
}

static bool covers(const struct fwelement *a, const struct fwelement *b)
{
	for (size_t i = 0; i < FWPLAN_FIELDS; i++)
		if (a->field[i].low > b->field[i].low || a->field[i].high < b->field[i].high)
			return false;
	return true;
}

/* --- from rules to elements --- */

struct build {
	struct fwplan *plan;
	size_t run;      /* where the present run's sets begin */
	size_t elements; /* of the whole direction */
	enum fwverdict verdict;
};

static struct fwset *new_set(struct build *b, unsigned shape)
{
	struct fwplan *p = b->plan;

	p->at = xrealloc(p->at, p->n + 1, sizeof(*p->at));
	p->at[p->n] = (struct fwset){ .shape = shape, .verdict = b->verdict };
	return &p->at[p->n++];
}

/* Where the element can go; NULL when the run holds it already. */
static struct fwset *place(struct build *b, unsigned shape, const struct fwelement *e)
{
	for (size_t i = b->run; i < b->plan->n; i++) {
		struct fwset *set = &b->plan->at[i];
		bool free = true;

		for (size_t k = 0; set->shape == shape && free && k < set->n; k++) {
			if (covers(&set->at[k], e))
				return NULL;
			free = !overlaps(&set->at[k], e);
		}
		if (set->shape == shape && free)
			return set;
	}
	return new_set(b, shape);
}

static int add(struct build *b, unsigned shape, const struct fwelement *e, struct err *err)
{
	struct fwset *set;

	for (size_t i = 0; i < FWPLAN_FIELDS; i++)
		if (e->field[i].low != e->field[i].high)
			shape |= FWSHAPE_RANGES;
	if (b->elements++ == FWPLAN_ELEMENTS_MAX)
		return err_set(err, -E2BIG, ERR_CONTAINER_FIREWALL_RULE_LIMIT, "destination_port",
			"the rules of one direction come to more than %d combinations of ports and "
			"addresses",
			FWPLAN_ELEMENTS_MAX);
	set = place(b, shape, e);
	if (!set)
		return 0;
	if (set->n == set->allocated) {
		set->allocated = set->allocated ? 2 * set->allocated : 4;
		set->at = xrealloc(set->at, set->allocated, sizeof(*set->at));
	}
	set->at[set->n++] = *e;
	return 0;
}

/* A rule's lists, each with the bit of its field; a list that is empty has no field. */
struct axes {
	unsigned shape;
	size_t n;
	const struct fwrange *at[FWPLAN_FIELDS];
	size_t length[FWPLAN_FIELDS];
};

static void axis(struct axes *a, unsigned bit, const struct fwrange *at, size_t n)
{
	if (n == 0)
		return;
	a->shape |= bit;
	a->at[a->n] = at;
	a->length[a->n++] = n;
}

/* Every combination, by counting like an odometer. */
static int combine(struct build *b, const struct axes *a, uint32_t rule, struct err *err)
{
	size_t digit[FWPLAN_FIELDS] = {}, i;
	int r;

	do {
		struct fwelement e = { .rule = rule };

		for (i = 0; i < a->n; i++)
			e.field[i] = a->at[i][digit[i]];
		r = add(b, a->shape, &e, err);
		for (i = 0; i < a->n && ++digit[i] == a->length[i]; i++)
			digit[i] = 0;
	} while (r == 0 && i < a->n);
	return r;
}

static int add_rule(struct build *b, const struct fwrule *rule, uint32_t index, struct err *err)
{
	const struct fwrange protocol = { rule->protocol, rule->protocol },
			     type = { (uint32_t)rule->icmp_type, (uint32_t)rule->icmp_type },
			     code = { (uint32_t)rule->icmp_code, (uint32_t)rule->icmp_code };
	struct axes a = {};

	if (b->plan->n == b->run || rule->action != b->verdict) {
		b->run = b->plan->n;
		b->verdict = rule->action;
	}
	axis(&a, 0, &protocol, 1);
	axis(&a, FWSHAPE_ADDRESS, rule->addresses.at, rule->addresses.n);
	axis(&a, FWSHAPE_PORT, rule->ports.at, rule->ports.n);
	axis(&a, FWSHAPE_SOURCE_PORT, rule->source_ports.at, rule->source_ports.n);
	axis(&a, FWSHAPE_ICMP_TYPE, &type, rule->icmp_type >= 0);
	axis(&a, FWSHAPE_ICMP_CODE, &code, rule->icmp_code >= 0);
	return combine(b, &a, index, err);
}

/* Within runs, so that the same rules in another order come to the same sets. Stable: sets of one
 * shape stay in the order of their making. */
static void sort_run(struct fwset *at, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct fwset set = at[i];
		size_t k = i;

		for (; k > 0 && at[k - 1].shape > set.shape; k--)
			at[k] = at[k - 1];
		at[k] = set;
	}
}

static void sort_runs(struct fwplan *p)
{
	for (size_t i = 0, end; i < p->n; i = end) {
		for (end = i; end < p->n && p->at[end].verdict == p->at[i].verdict;)
			end++;
		sort_run(p->at + i, end - i);
	}
}

int fwplan_make(const struct fwrule *rules, size_t n, struct fwplan *ret, struct err *err)
{
	struct fwplan plan = {};
	struct build b = { .plan = &plan };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (rules[i].enabled)
			r = add_rule(&b, &rules[i], (uint32_t)i, err);
	if (r < 0) {
		fwplan_done(&plan);
		return r;
	}
	sort_runs(&plan);
	*ret = plan;
	return 0;
}

void fwplan_done(struct fwplan *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->at[i].at);
	free(p->at);
	*p = (struct fwplan){};
}

/* --- using one --- */

bool fwplan_is_alike(const struct fwplan *a, const struct fwplan *b)
{
	bool alike = a->n == b->n;

	for (size_t i = 0; alike && i < a->n; i++)
		alike = a->at[i].shape == b->at[i].shape && a->at[i].verdict == b->at[i].verdict;
	return alike;
}

/* The packet as a key of the shape. */
static struct fwelement key_of(const struct fwpacket *packet, unsigned shape)
{
	const struct {
		unsigned bit;
		uint32_t value;
	} fields[] = {
		{ FWSHAPE_ADDRESS, packet->address },
		{ FWSHAPE_PORT, packet->port },
		{ FWSHAPE_SOURCE_PORT, packet->source_port },
		{ FWSHAPE_ICMP_TYPE, packet->icmp_type },
		{ FWSHAPE_ICMP_CODE, packet->icmp_code },
	};
	struct fwelement key = { .field[0] = { packet->protocol, packet->protocol } };
	size_t n = 1;

	for (size_t i = 0; i < countof(fields); i++)
		if (shape & fields[i].bit)
			key.field[n++] = (struct fwrange){ fields[i].value, fields[i].value };
	return key;
}

enum fwverdict fwplan_judge(const struct fwplan *p, const struct fwpacket *packet)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct fwelement key = key_of(packet, p->at[i].shape);

		for (size_t k = 0; k < p->at[i].n; k++)
			if (covers(&p->at[i].at[k], &key))
				return p->at[i].verdict;
	}
	return FW_REJECT;
}
