/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fleet that loses its API at one instant does not come back at one instant (PROTOCOL.md 10.1):
 * nodes in virtual time (tests/fleet/fleetnode: the product's own objects), and an API that is cut
 * off, away, refuses, or bears no more than so much. Each request counts, also one that nobody
 * hears. Nodes don't see each other.
 *
 * Time is a wheel of ticks; the two functions of sd-event that an errand calls are the wheel's, in
 * place of libsystemd's. Chance begins with HOODY_SEED.
 *
 *   herd [NODES] */
#include <sodium.h>

#include "tests/fleet/fleetnode.h"
#include "tests/unit/tap.h"

#define NODES       20000
#define SPREAD_S    60
#define WAIT_S      75 /* at least the spread: who has come back asks again after all others have */
#define CAPACITY    20 /* an API that bears a twentieth of its nodes a second */
#define CUT_S       200
#define BACK_S      75
#define SETTLED_S   300
#define END_S       1300
#define TICK_US     10000
#define TICKS       (END_S * (1000000 / TICK_US) + 1)
#define ROUND_TRIPS 2 /* ticks until an answer */

struct sd_event_source {
	struct sd_event_source *prev, *next;
	uint64_t at_tick;
	bool linked; /* until it fires, or is given back */
	sd_event_time_handler_t fire;
	void *userdata; /* a node, or its errand, which is where it begins */
};
static_assert(offsetof(struct fleetnode, poll) == 0, "one pointer for both");

/* What befalls the API at CUT_S, when every poll that it holds is lost. */
struct outage {
	const char *what;
	unsigned away_s;        /* nobody answers */
	unsigned refuses_s;     /* 503 */
	unsigned retry_after_s; /* with that; also beyond the capacity */
	unsigned capacity;      /* polls a second; 0: all */
};

static struct world {
	struct sd_event_source *wheel[TICKS];
	uint64_t now_tick;
	const struct outage *outage;
	uint32_t asked[END_S], taken[END_S];
} w;

struct member {
	struct fleetnode node;
	struct sd_event_source *answer; /* of what is out */
	bool held, refused;
	int64_t back_tick; /* when it was first taken after the cut */
};

/* --- time --- */

int sd_event_add_time_relative(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec,
	uint64_t accuracy, sd_event_time_handler_t callback, void *userdata)
{
	struct sd_event_source *new = xcalloc(1, sizeof(*new)), **at;

	new->at_tick = MIN_OF(w.now_tick + 1 + usec / TICK_US, (uint64_t)TICKS - 1);
	new->linked = true;
	new->fire = callback;
	new->userdata = userdata;
	at = &w.wheel[new->at_tick];
	new->next = *at;
	if (new->next)
		new->next->prev = new;
	*at = new;
	*s = new;
	return 0;
}

static void unlink_source(struct sd_event_source *s)
{
	if (!s->linked)
		return;
	*(s->prev ? &s->prev->next : &w.wheel[s->at_tick]) = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->linked = false;
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *s)
{
	if (s)
		unlink_source(s);
	free(s);
	return NULL;
}

static unsigned now_s(void)
{
	return (unsigned)(w.now_tick * TICK_US / 1000000);
}

/* --- the API --- */

static const struct nodecall_pace said = { true, WAIT_S, SPREAD_S, -1, 0 };

static bool is_away(void)
{
	return now_s() >= CUT_S && now_s() < CUT_S + w.outage->away_s;
}

static bool refuses(void)
{
	unsigned s = now_s();

	return (s >= CUT_S && s < CUT_S + w.outage->refuses_s) ||
	       (w.outage->capacity && w.taken[s] >= w.outage->capacity);
}

static int on_answer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct member *m = ((struct fleetnode *)userdata)->world;

	m->answer = sd_event_source_disable_unref(m->answer);
	if (m->held)
		fleetnode_answered(&m->node, &said);
	else
		fleetnode_failed(
			&m->node, m->refused ? (uint64_t)w.outage->retry_after_s * 1000 : 0);
	m->held = false;
	return 0;
}

static void answer_in(struct member *m, uint64_t us)
{
	m->answer = sd_event_source_disable_unref(m->answer);
	(void)sd_event_add_time_relative(NULL, &m->answer, 0, us, 0, on_answer, &m->node);
}

static void ask(struct member *m, uint64_t wait_s)
{
	w.asked[now_s()]++;
	m->refused = !is_away() && refuses();
	m->held = !is_away() && !m->refused;
	w.taken[now_s()] += m->held;
	if (m->held && now_s() >= CUT_S && !m->back_tick)
		m->back_tick = (int64_t)w.now_tick;
	answer_in(m, (m->held ? wait_s * 1000000 : 0) + (uint64_t)ROUND_TRIPS * TICK_US);
}

static void turn(struct member *m)
{
	uint64_t wait_s;

	if (fleetnode_kick(&m->node, &wait_s))
		ask(m, wait_s);
}

/* All connections end at once: by nothing, or by a last 503. */
static void cut(struct member *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].held) {
			all[i].held = false;
			all[i].refused = w.outage->refuses_s > 0;
			answer_in(&all[i], 0);
		}
}

/* --- a run --- */

/* Undisturbed, as after a long time. */
static void begin(struct member *m)
{
	uint64_t wait_s;

	fleetnode_init(&m->node, NULL, m);
	(void)pace_keep(&m->node.pace, &said);
	(void)fleetnode_kick(&m->node, &wait_s);
	m->held = true;
	answer_in(m, ((uint64_t)randombytes_random() * WAIT_S * 1000000) >> 32);
}

static void run(struct member *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		begin(&all[i]);
	for (; w.now_tick < TICKS - 1; w.now_tick++) {
		struct sd_event_source *s;

		if (w.now_tick == (uint64_t)CUT_S * 1000000 / TICK_US)
			cut(all, n);
		while ((s = w.wheel[w.now_tick])) {
			struct fleetnode *node = s->userdata;

			unlink_source(s);
			(void)s->fire(s, 0, node);
			turn(node->world);
		}
	}
	for (size_t i = 0; i < n; i++) {
		errand_done(&all[i].node.poll);
		all[i].answer = sd_event_source_disable_unref(all[i].answer);
	}
}

static int by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* After how long all but a hundredth are back. */
static double back_s(const struct member *all, size_t n, unsigned up_s)
{
	_cleanup_(freep) int64_t *at = xcalloc(n, sizeof(*at));
	const size_t last = n - n / 100 - 1;

	for (size_t i = 0; i < n; i++)
		at[i] = all[i].back_tick ? all[i].back_tick : INT64_MAX / TICK_US;
	qsort(at, n, sizeof(*at), by_value);
	return (double)at[last] * TICK_US / 1e6 - up_s;
}

struct seconds {
	uint32_t peak;
	double mean;
};

static struct seconds look_at(unsigned from_s, unsigned to_s)
{
	struct seconds found = {};

	for (unsigned s = from_s; s < to_s; s++) {
		found.peak = MAX_OF(found.peak, w.asked[s]);
		found.mean += (double)w.asked[s] / (to_s - from_s);
	}
	return found;
}

static void herd(const struct outage *o, unsigned n)
{
	_cleanup_(freep) struct member *all = xcalloc(n, sizeof(*all));
	const unsigned up_s = CUT_S + MAX_OF(o->away_s, o->refuses_s);
	struct outage scaled = *o;
	struct seconds first, later;
	double back;

	scaled.capacity = o->capacity ? n / o->capacity : 0;
	w = (struct world){ .outage = &scaled };
	run(all, n);
	first = look_at(CUT_S, END_S - 1);
	later = look_at(up_s + SETTLED_S, END_S - 1);
	back = back_s(all, n, up_s);
	printf("# figure: %u nodes, %s: at most %u a second (%.2f x N/spread), 99 %% back after "
	       "%.1f s; five minutes later at most %u a second, mean %.0f (%.2f x)\n",
		n, o->what, first.peak, first.peak * (double)SPREAD_S / n, back, later.peak,
		later.mean, later.peak / later.mean);
	TAP_OK(first.peak <= 1.5 * n / SPREAD_S,
		"%s: no second has more than half again of the spread's", o->what);
	TAP_OK(back <= BACK_S, "%s: 99 %% are back in %d s", o->what, BACK_S);
	TAP_OK(later.peak <= 1.5 * later.mean, "%s: and five minutes later none marches in step",
		o->what);
}

/* --- chance --- */

static const char *name(void)
{
	return "seeded";
}

static uint32_t draw(void)
{
	return (uint32_t)mrand48();
}

static void fill(void *at, const size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)at)[i] = (uint8_t)draw();
}

static void begin_chance(void)
{
	static randombytes_implementation seeded = {
		.implementation_name = name, .random = draw, .buf = fill
	};
	const char *seed = getenv("HOODY_SEED");

	srand48(seed ? strtol(seed, NULL, 10) : 4711);
	if (randombytes_set_implementation(&seeded) < 0 || sodium_init() < 0)
		abort();
}

int main(int argc, char **argv)
{
	static const struct outage outages[] = {
		{ "a load balancer's restart" },
		{ "5 s of outage", .away_s = 5 },
		{ "10 minutes of outage", .away_s = 600 },
		{ "2 minutes of 503 with Retry-After: 30", .refuses_s = 120, .retry_after_s = 30 },
		{ "an API good for a twentieth of them a second, away for 5 s", .away_s = 5,
			.retry_after_s = 30, .capacity = CAPACITY },
	};
	const unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : NODES;

	begin_chance();
	for (size_t i = 0; i < countof(outages); i++)
		herd(&outages[i], n);
	return tap_done();
}
