/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl stats: what one container uses, beside what it may use, and how fast. Two samples, a
 * second apart, make a rate; a container that doesn't run has one and no rates. */
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_usage.h"
#include "agent/ctl/ctl_show.h"
#include "proto/clock.h"
#include "proto/jsonx.h"

#include <poll.h>

#define INTERVAL_MS 1000
#define NS_PER_S    1e9

struct usage {
	const struct ctl *ctl;
	const json_t *now, *before; /* before NULL: there are no rates */
	const json_t *container, *limits;
	double seconds;
};

static double number(const json_t *v, const char *path)
{
	return json_number_value(ctl_value_at(v, path));
}

static bool has(const json_t *v, const char *path)
{
	return json_is_number(ctl_value_at(v, path));
}

/* --- what has a limit --- */

static void add_use(struct ctl_text *t, const char *name, const char *now, double used, double most,
	const char *most_text)
{
	char bar[CTL_TEXT_MAX], text[2 * CTL_TEXT_MAX];
	double share = most > 0 ? used / most : 0;

	ctl_text_cell(t, name, CTL_BOLD);
	ctl_text_right(t, now, CTL_PLAIN);
	ctl_text_right(t, most > 0 ? most_text : "no limit", CTL_PLAIN);
	(void)snprintf(text, sizeof(text), "%s %.0f %%", ctl_text_bar(share, bar), share * 100);
	ctl_text_cell(t, most > 0 ? text : "",
		share >= 0.9   ? CTL_RED
		: share >= 0.7 ? CTL_YELLOW
			       : CTL_PLAIN);
}

static void add_cpu(const struct usage *u, struct ctl_text *t)
{
	double cores = number(u->now, "cpu.allocated_time") / NS_PER_S;
	double used = (number(u->now, "cpu.usage") - number(u->before, "cpu.usage")) /
		      MAX_OF(u->seconds, 0.001) / NS_PER_S;
	char now[CTL_TEXT_MAX], most[CTL_TEXT_MAX];

	if (!has(u->now, "cpu.usage") || !u->before)
		return;
	used = MAX_OF(used, 0);
	(void)ctl_text_real(used < 0.005 ? 0 : used, now);
	(void)ctl_text_real(cores, most);
	add_use(t, "CPU cores", now, used, cores, most);
}

static void add_bytes(
	const struct usage *u, struct ctl_text *t, const char *name, const char *used, double most)
{
	char now[CTL_TEXT_MAX], text[CTL_TEXT_MAX];

	if (has(u->now, used))
		add_use(t, name, ctl_text_size((int64_t)number(u->now, used), now),
			number(u->now, used), most, ctl_text_size((int64_t)most, text));
}

static void add_processes(const struct usage *u, struct ctl_text *t)
{
	double used = number(u->now, "processes"), most = number(u->limits, "pids");
	char now[CTL_TEXT_MAX], text[CTL_TEXT_MAX];

	(void)snprintf(now, sizeof(now), "%.0f", used);
	(void)snprintf(text, sizeof(text), "%.0f", most);
	add_use(t, "Processes", now, used, most, text);
}

static void print_uses(const struct usage *u)
{
	static const char *const heads[] = { "WHAT", "NOW", "AT MOST", "USED" };
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(heads, countof(heads));
	double ramdisk = number(u->now, "ramdisk.shared_pool_maximum");

	add_cpu(u, t);
	add_bytes(u, t, "Memory", "memory.usage", number(u->now, "memory.total"));
	if (number(u->now, "memory.swap_usage") > 0)
		add_bytes(u, t, "Swap", "memory.swap_usage", 0);
	add_processes(u, t);
	add_bytes(u, t, "Disk", "disk.root.usage",
		has(u->limits, "disk_bytes") ? number(u->limits, "disk_bytes")
					     : number(u->now, "disk.root.total"));
	if (has(u->now, "ramdisk.usage.private"))
		add_bytes(u, t, "Ramdisk", "ramdisk.usage.private", ramdisk);
	ctl_text_print(t, stdout, u->ctl->colour);
}

/* --- what moves --- */

static const struct {
	const char *name, *bytes, *packets, *errors, *dropped;
} flows[] = {
#define NET "network.0.counters."
	{ "Received", NET "bytes_received", NET "packets_received", NET "errors_received",
		NET "packets_dropped_inbound" },
	{ "Sent", NET "bytes_sent", NET "packets_sent", NET "errors_sent",
		NET "packets_dropped_outbound" },
	{ "Read", "io.read_bytes", NULL, NULL, NULL },
	{ "Written", "io.write_bytes", NULL, NULL, NULL },
};

static void add_count(const struct usage *u, struct ctl_text *t, const char *path)
{
	const json_t *v = path ? ctl_value_at(u->now, path) : NULL;

	if (json_is_integer(v))
		ctl_text_number(t, json_integer_value(v));
	else
		ctl_text_cell(t, NULL, CTL_DIM);
}

static void print_flows(const struct usage *u)
{
	static const char *const heads[] = { "WHAT", "PER SECOND", "IN ALL", "PACKETS", "ERRORS",
		"DROPPED" };
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(heads, countof(heads));

	for (size_t i = 0; i < countof(flows); i++) {
		double all = number(u->now, flows[i].bytes);
		double rate = (all - number(u->before, flows[i].bytes)) / MAX_OF(u->seconds, 0.001);
		char text[CTL_TEXT_MAX];

		if (!has(u->now, flows[i].bytes))
			continue;
		ctl_text_cell(t, flows[i].name, CTL_BOLD);
		ctl_text_right(t, u->before ? ctl_text_size((int64_t)MAX_OF(rate, 0), text) : NULL,
			CTL_PLAIN);
		ctl_text_right(t, ctl_text_size((int64_t)all, text), CTL_PLAIN);
		add_count(u, t, flows[i].packets);
		add_count(u, t, flows[i].errors);
		add_count(u, t, flows[i].dropped);
	}
	ctl_text_print(t, stdout, u->ctl->colour);
}

/* --- all of it --- */

static void print_head(const struct usage *u)
{
	static const struct ctl_line first[] = {
		{ "Container", "id" },
		{ "Name", "name" },
		{ "Status", "status", CTL_STATE },
	};
	static const struct ctl_line lines[] = {
		{ "Address", "network.0.addresses.0.address" },
		{ "Started", "started_at", CTL_TIME },
		{ "CPU time", "cpu.usage", CTL_NS },
		{ "Most memory", "memory.usage_peak", CTL_BYTES },
	};
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);

	ctl_show_lines(u->ctl, first, countof(first), u->container, t);
	ctl_show_lines(u->ctl, lines, countof(lines), u->now, t);
	ctl_text_print(t, stdout, u->ctl->colour);
}

/* A second later: *ret_now; and the container's limits. */
static enum ctl_exit sample_again(const struct ctl *ctl, const char *path, int64_t since_ms,
	json_t **ret_now, int64_t *ret_ms, struct err *err)
{
	(void)poll(NULL, 0, (int)MAX_OF(INTERVAL_MS - (clock_ms(CLOCK_MONOTONIC) - since_ms), 0));
	*ret_ms = (int64_t)clock_ms(CLOCK_MONOTONIC);
	return ctl_http_ask(ctl, "GET", path, NULL, false, ret_now, err);
}

enum ctl_exit ctl_usage_show(
	const struct ctl *ctl, const char *path, const json_t *data, struct err *err)
{
	_cleanup_(freep) char *container_path =
		xasprintf("/containers/%s", ctl_text_of(data, "id"));
	_cleanup_json_ json_t *container = NULL, *now = NULL;
	int64_t before_ms = (int64_t)clock_ms(CLOCK_MONOTONIC), now_ms = before_ms;
	bool moves = has(data, "cpu.usage");
	struct usage u = { .ctl = ctl, .now = data };
	enum ctl_exit e = ctl_http_ask(ctl, "GET", container_path, NULL, false, &container, err);

	if (e == CTL_OK && moves)
		e = sample_again(ctl, path, before_ms, &now, &now_ms, err);
	if (e != CTL_OK)
		return e;
	u.container = container;
	u.limits = json_object_get(container, "limits");
	if (moves) {
		u.now = now;
		u.before = data;
		u.seconds = (double)(now_ms - before_ms) / 1000;
	}
	print_head(&u);
	putchar('\n');
	print_uses(&u);
	if (has(u.now, NET "bytes_sent") || has(u.now, "io.read_bytes")) {
		putchar('\n');
		print_flows(&u);
	}
	return CTL_OK;
}
