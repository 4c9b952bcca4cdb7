/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl container info: all of one container on a screen, as systemctl status has it: since
 * when it is so and why, what it uses beside what it may, what is mounted and who may reach it,
 * and the last of what it has been through. A part that the agent refuses is left out. */
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_info.h"
#include "agent/ctl/ctl_env.h"
#include "agent/ctl/ctl_show.h"
#include "agent/ctl/ctl_words.h"
#include "proto/jsonx.h"

#define LOG_LINES 5

const struct ctl_column ctl_info_logs[CTL_INFO_LOGS] = {
	{ "WHEN", "transition_time", CTL_AGO },
	{ "FROM", "from_status", CTL_WORD },
	{ "TO", "to_status", CTL_STATE },
	{ "TOOK", "duration_ms", CTL_MS },
	{ "BY", "triggered_by", CTL_WORD },
	{ "COMMAND", "metadata.command", CTL_WORD },
	{ "CAUSE", "metadata.cause", CTL_SENTENCE },
	{ "CODE", "metadata.exit.code", CTL_COUNT, CTL_WIDE },
	{ "SIGNAL", "metadata.exit.name", CTL_WORD, CTL_WIDE },
	{ "ID", "id", CTL_ID, CTL_WIDE },
	{ "ORDER", "metadata.order_id", CTL_ID, CTL_WIDE },
};

struct info {
	const struct ctl *ctl;
	const char *path;
	const json_t *container;
	json_t *stats, *rules, *network, *incoming, *logs, *containers, *operations;
};

static json_t *ask(const struct info *i, const char *path)
{
	struct err ignored = { 0 };
	json_t *v = NULL;

	return ctl_http_ask(i->ctl, "GET", path, NULL, false, &v, &ignored) == CTL_OK ? v : NULL;
}

static json_t *part(const struct info *i, const char *what)
{
	_cleanup_(freep) char *path = xasprintf("%s%s", i->path, what);

	return ask(i, path);
}

/* --- why --- */

/* "running since … (3 min ago), by user: create"; of one that ended: "… : oom, code 137" */
static char *state(const struct info *i)
{
	const json_t *last = ctl_value_at(i->logs, "logs.0");
	const char *status = ctl_text_of(i->container, "status"),
		   *by = ctl_text_of(last, "triggered_by"),
		   *cause = json_string_value(ctl_value_at(last, "metadata.cause")),
		   *command = json_string_value(ctl_value_at(last, "metadata.command")),
		   *signal = json_string_value(ctl_value_at(last, "metadata.exit.name"));
	const json_t *code = ctl_value_at(last, "metadata.exit.code");
	_cleanup_(freep) char *since =
		ctl_value_time(i->ctl, json_object_get(last, "transition_time"));
	_cleanup_(freep) char *ended = NULL;

	if (!since)
		return xstrdup(ctl_text_or_dash(status));
	if (json_is_integer(code))
		ended = xasprintf(", code %lld", (long long)json_integer_value(code));
	else if (signal)
		ended = xasprintf(", SIG%s", signal);
	return xasprintf("%s since %s, by %s%s%s%s", ctl_text_or_dash(status), since,
		ctl_text_or_dash(by), cause || command ? ": " : "",
		cause     ? cause
		: command ? command
			  : "",
		ended ? ended : "");
}

/* What was asked of it last, when that failed: its state tells nothing of it. */
static char *failure(const struct info *i)
{
	json_t *v, *last = NULL;
	size_t k;

	json_array_foreach(json_object_get(i->operations, "operations"), k, v) {
		const char *of = ctl_text_of(v, "container_id");

		if (!last && of && strcmp(of, ctl_text_of(i->container, "id")) == 0)
			last = v;
	}
	const char *message = json_string_value(ctl_value_at(last, "error.message")),
		   *code = json_string_value(ctl_value_at(last, "error.code"));
	_cleanup_(freep) char *when =
		ctl_value_text(i->ctl, CTL_AGO, json_object_get(last, "finished_at"));

	return message ? xasprintf("%s failed %s: %s (%s)",
				 ctl_text_or_dash(ctl_text_of(last, "operation")),
				 ctl_text_or_dash(when), message, ctl_text_or_dash(code))
		       : NULL;
}

/* --- use beside limits --- */

/* "168 KiB of 64 MiB, 832 KiB at most so far" */
static char *bytes_of(
	const json_t *used, const json_t *most, const char *tail_of, const json_t *tail)
{
	char a[CTL_TEXT_MAX], b[CTL_TEXT_MAX], c[CTL_TEXT_MAX];
	bool is_limited = json_integer_value(most) > 0, has_tail = json_integer_value(tail) > 0;

	if (!json_is_integer(used) && !is_limited)
		return NULL;
	return xasprintf("%s%s%s%s%s",
		json_is_integer(used) ? ctl_text_size(json_integer_value(used), a) : "-",
		is_limited ? " of " : ", no limit",
		is_limited ? ctl_text_size(json_integer_value(most), b) : "",
		has_tail ? tail_of : "",
		has_tail ? ctl_text_size(json_integer_value(tail), c) : "");
}

static char *cpu(const struct info *i)
{
	const json_t *cores = ctl_value_at(i->container, "limits.cpu_cores"),
		     *used = ctl_value_at(i->stats, "cpu.usage");
	_cleanup_(freep) char *time = ctl_value_text(i->ctl, CTL_NS, used);
	char text[CTL_TEXT_MAX];

	if (!time && !cores)
		return NULL;
	return xasprintf("%s%s%s%s", ctl_text_or_dash(time), time ? " used, " : ", ",
		cores ? ctl_text_real(json_number_value(cores), text) : "no limit",
		!cores                          ? ""
		: json_number_value(cores) == 1 ? " core at most"
						: " cores at most");
}

static char *processes(const struct info *i)
{
	const json_t *most = ctl_value_at(i->container, "limits.pids"),
		     *used = json_object_get(i->stats, "processes");

	if (!json_is_integer(used))
		return NULL;
	if (!most)
		return xasprintf("%lld, no limit", (long long)json_integer_value(used));
	return xasprintf("%lld of %lld", (long long)json_integer_value(used),
		(long long)json_integer_value(most));
}

/* --- who may reach it --- */

static char *firewall(const struct info *i)
{
	static const char *const keys[] = { "ingress", "egress" };
	_cleanup_(freep) char *all = xstrdup("");

	if (!i->rules)
		return NULL;
	for (size_t k = 0; k < countof(keys); k++) {
		_cleanup_(freep) char *before = all, *rules = NULL;
		size_t n = json_array_size(json_object_get(i->rules, keys[k]));
		bool is_closed = ctl_words_is_closed(i->rules, keys[k]);

		rules = n > 0 ? xasprintf("closed but for %zu rule%s", n, ctl_text_s((int64_t)n))
			      : xstrdup(is_closed ? "closed to all" : "open");
		all = xasprintf("%s%s%s %s", before, k ? ", " : "", keys[k], rules);
	}
	return TAKE(all);
}

static char *environment(const struct info *i)
{
	const json_t *vars = json_object_get(i->container, "environment_vars");
	_cleanup_(freep) char *sync =
		ctl_env_sync(i->ctl, json_object_get(i->container, "env_sync"));
	size_t n = json_object_size(vars);

	return n ? xasprintf("%zu variable%s, %s", n, ctl_text_s((int64_t)n), sync) : NULL;
}

/* --- the screen --- */

static void add_mounts(const struct info *i, struct ctl_text *t)
{
	json_t *share;
	size_t k;

	json_array_foreach(json_object_get(i->incoming, "shares"), k, share) {
		const char *why = ctl_text_of(share, "status_message");
		const char *from =
			ctl_words_name(i->containers, ctl_text_of(share, "source_container_id"));

		ctl_show_line(t, k ? "" : "Mounts",
			xasprintf("%s from %s:%s, %s, %s%s%s",
				ctl_text_or_dash(ctl_text_of(share, "mount_path")),
				ctl_text_or_dash(from),
				ctl_text_or_dash(ctl_text_of(share, "source_path")),
				ctl_text_or_dash(ctl_text_of(share, "mode")),
				ctl_text_or_dash(ctl_text_of(share, "status")), why ? ": " : "",
				why ? why : ""),
			CTL_PLAIN);
	}
}

static void print_lines(const struct info *i)
{
	static const struct ctl_line first[] = { { "Container", "id" }, { "Name", "name" } },
				     last[] = { { "Image", "container_image" },
					     { "Comment", "comment" },
					     { "Copy of", "source_container_id", CTL_TEXT,
						     ctl_words_container },
					     { "Created", "created_at", CTL_TIME } };
	const json_t *c = i->container, *s = i->stats, *limits = json_object_get(c, "limits");
	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);
	const char *project = ctl_text_of(s, "project_name"), *id = ctl_text_of(c, "project_id");

	ctl_show_lines(i->ctl, first, countof(first), c, t);
	ctl_show_line(t, "State", state(i), ctl_text_colour_of(ctl_text_of(c, "status")));
	ctl_show_line(t, "Last order", failure(i), CTL_RED);
	ctl_show_line(t, "Address",
		ctl_value_text(i->ctl, CTL_TEXT, ctl_value_at(s, "network.0.addresses.0.address")),
		CTL_PLAIN);
	ctl_show_line(t, "Network", ctl_words_network(i->ctl, i->network), CTL_PLAIN);
	ctl_show_line(t, "Firewall", firewall(i), CTL_PLAIN);
	ctl_show_line(t, "Main PID", ctl_value_text(i->ctl, CTL_COUNT, json_object_get(c, "pid")),
		CTL_PLAIN);
	ctl_show_line(t, "CPU", cpu(i), CTL_PLAIN);
	ctl_show_line(t, "Memory",
		bytes_of(ctl_value_at(s, "memory.usage"), ctl_value_at(limits, "memory_bytes"),
			", at most so far ", ctl_value_at(s, "memory.usage_peak")),
		CTL_PLAIN);
	ctl_show_line(t, "Processes", processes(i), CTL_PLAIN);
	ctl_show_line(t, "Disk",
		bytes_of(ctl_value_at(s, "disk.root.usage"), ctl_value_at(limits, "disk_bytes"), "",
			NULL),
		CTL_PLAIN);
	add_mounts(i, t);
	ctl_show_line(t, "Environment", environment(i), CTL_PLAIN);
	ctl_show_line(t, "Snapshots",
		ctl_value_text(i->ctl, CTL_COUNT, json_object_get(c, "snapshot_count")), CTL_PLAIN);
	ctl_show_line(t, "Autostart",
		ctl_value_text(i->ctl, CTL_TEXT, json_object_get(c, "autostart")), CTL_PLAIN);
	ctl_show_line(t, "Project",
		project && id ? xasprintf("%s (%s)", project, id)
		: id          ? xstrdup(id)
			      : NULL,
		CTL_PLAIN);
	ctl_show_lines(i->ctl, last, countof(last), c, t);
	ctl_text_print(t, stdout, i->ctl->colour);
}

/* Oldest first, so that what was last stands at the end. */
static enum ctl_exit print_logs(const struct info *i, struct err *err)
{
	static const struct ctl_view view = { .columns = ctl_info_logs,
		.n_columns = CTL_INFO_LOGS };
	const json_t *newest = json_object_get(i->logs, "logs");
	_cleanup_json_ json_t *rows = json_array();

	for (size_t k = json_array_size(newest); k-- > 0;)
		(void)json_array_append(rows, json_array_get(newest, k));
	if (json_array_size(rows) == 0)
		return CTL_OK;
	putchar('\n');
	return ctl_show_rows(i->ctl, &view, rows, err);
}

/* What it said last, when it ended unasked. */
static void print_last_words(const struct info *i)
{
	const char *text = json_string_value(ctl_value_at(i->logs, "logs.0.metadata.console"));

	_cleanup_(ctl_text_freep) struct ctl_text *t = ctl_text_new(NULL, 2);

	while (text && *text) {
		ctl_show_line(
			t, " |", xasprintf("%.*s", (int)strcspn(text, "\n"), text), CTL_PLAIN);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	ctl_text_print(t, stdout, i->ctl->colour);
}

enum ctl_exit ctl_info_show(
	const struct ctl *ctl, const char *path, const json_t *data, struct err *err)
{
	struct info i = { .ctl = ctl, .path = path, .container = data };
	struct err ignored = { 0 };
	enum ctl_exit e;

	i.stats = part(&i, "/stats");
	i.rules = part(&i, "/firewall/rules");
	i.network = part(&i, "/network");
	i.incoming = part(&i, "/storage/incoming");
	if (json_array_size(json_object_get(i.incoming, "shares")) > 0)
		(void)ctl_http_list(ctl, "/containers", "containers", &i.containers, &ignored);
	_cleanup_(freep) char *newest =
		xasprintf("/status-logs?sort_order=desc&limit=%d", LOG_LINES);
	i.logs = part(&i, newest);
	i.operations = ask(&i, "/operations?limit=100");
	print_lines(&i);
	e = print_logs(&i, err);
	print_last_words(&i);
	json_decref(i.stats);
	json_decref(i.rules);
	json_decref(i.network);
	json_decref(i.incoming);
	json_decref(i.logs);
	json_decref(i.containers);
	json_decref(i.operations);
	return e;
}
