/* SPDX-License-Identifier: GPL-2.0-or-later */
/* node.command: a closed list. Two that look, and two that reboot the host: those stop every
 * container first, and succeed in the boot that follows. */
#include <fcntl.h>
#include <systemd/sd-daemon.h>

#include "agent/common/journald.h"
#include "agent/engine/unfinished.h"
#include "agent/host/ctwatch.h"
#include "agent/ops/ops.h"
#include "agent/ops/opstate.h"
#include "agent/ops/ownorder.h"
#include "agent/report/status.h"
#include "agent/state/desired.h"
#include "agent/state/store.h"
#include "proto/jsonx.h"

#define META_REBOOT "reboot_order" /* "<boot id> <order id>" of the boot that an order is to end */

static const char *command(const struct operation *op)
{
	return json_string_value(json_object_get(op->order.params, "command"));
}

static bool is_kexec(const struct operation *op)
{
	return strcmp(command(op), "kexec-reboot") == 0;
}

static bool reboots(const char *command)
{
	return strcmp(command, "kexec-reboot") == 0 || strcmp(command, "restart") == 0;
}

/* --- those that look --- */

static char *read_file(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = xcalloc(4096, 1);
	ssize_t n = fd < 0 ? -1 : read(fd, text, 4095);

	text[MAX_OF(n, 0)] = '\0';
	return text;
}

static char *look(const char *command)
{
	_cleanup_(freep) char *uptime = NULL, *load = NULL;

	if (strcmp(command, "check-memory") == 0)
		return read_file("/proc/meminfo");
	uptime = read_file("/proc/uptime");
	load = read_file("/proc/loadavg");
	return xasprintf("up %.0f s, load %s", strtod(uptime, NULL), load);
}

/* As the public API shows a command's end. */
static json_t *result_of(const struct operation *op, const char *output)
{
	int64_t started_ms = operation_started_ms(op), now_ms = agent_now_ms();
	json_t *v = json_object();

	jsonx_set_string(v, "command_log_id", op->order.id);
	jsonx_set_string(v, "command", command(op));
	jsonx_set_string(v, "status", "completed");
	jsonx_set_string(v, "output", output);
	jsonx_set_int(v, "exit_code", 0);
	jsonx_set_int(v, "execution_time", now_ms - started_ms);
	jsonx_set(v, "start_time", jsonx_time(started_ms));
	jsonx_set(v, "end_time", jsonx_time(now_ms));
	return v;
}

/* --- those that reboot --- */

static char *reboot_mark(const struct agent *a, const struct operation *op)
{
	return xasprintf("%s %s", a->boot_id, op->order.id);
}

/* Is it still the boot that the order is to end? */
static bool is_same_boot(const struct operation *op)
{
	_cleanup_(freep) char *want = reboot_mark(op->agent, op), *mark = NULL;
	size_t size;

	store_must(store_meta_get(op->agent->store, META_REBOOT, &mark, &size));
	return mark && strcmp(mark, want) == 0;
}

static bool needs_no_reboot(const struct operation *op)
{
	return !reboots(command(op)) || !is_same_boot(op);
}

static bool needs_no_kernel(const struct operation *op)
{
	return !is_kexec(op) || !is_same_boot(op);
}

static enum opdef_verdict check(struct agent *a, struct operation *op)
{
	if (!reboots(command(op)) || sd_booted() > 0)
		return OPDEF_RUN;
	(void)err_set(&op->err, -ENOTSUP, ERR_NOT_PERMITTED, "command",
		"systemd does not run this host, so nobody would bring it down in order");
	return OPDEF_REFUSED;
}

static int begin(struct agent *a, struct operation *op)
{
	_cleanup_(freep) char *mark = reboot_mark(a, op);

	if (!reboots(command(op)))
		return 0;
	LOG(LOG_NOTICE, HOST_COMMAND, FIELDS(.order_id = op->order.id, .origin = op->origin),
		"%s: every container is stopped, then the host is rebooted", command(op));
	store_must(store_meta_set(a->store, META_REBOOT, mark, strlen(mark)));
	return 0;
}

static json_t *all_containers(struct agent *a, const struct operation *op)
{
	return jsonx_pack("{s:o}", "containers", opstate_brief(a, NULL));
}

static json_t *reboot_params(struct agent *a, const struct operation *op)
{
	return jsonx_pack("{s:b}", "kexec", is_kexec(op));
}

static void finish(struct agent *a, struct operation *op)
{
	_cleanup_(freep) char *output =
		reboots(command(op)) ? xstrdup("the host was rebooted") : look(command(op));

	op->result = result_of(op, output);
}

/* The host stays up: what ran before runs again. */
static void abandon(struct agent *a, struct operation *op)
{
	if (!reboots(command(op)))
		return;
	for (size_t i = 0; i < desired_count(a->desired); i++) {
		struct container *c = desired_at(a->desired, i);

		if (c->status != CT_RUNNING)
			continue;
		(void)ctwatch_observe(a, c);
		if (ctwatch_pid(c) > 0)
			continue;
		ctwatch_detach(c);
		status_set(a, c, CT_STOPPED, operation_started_ms(op), "system",
			jsonx_pack("{s:s}", "order_id", op->order.id));
		ownorder_make(a, OP_CONTAINER_START, c->spec.id, c->spec.project_id, NULL);
	}
}

static void lanes(struct agent *a, const struct order *o, struct oprules_lanes *l)
{
	if (reboots(json_string_value(json_object_get(o->params, "command"))))
		unfinished_add_lanes(a->engine, NULL, l);
}

static const struct opdef_step steps[] = {
	{ "kexec-load", .has_undo = true, .skip = needs_no_kernel },
	{ "shutdown-all", .skip = needs_no_reboot, .params = all_containers },
	{ "reboot", .skip = needs_no_reboot, .params = reboot_params },
};

const struct opdef ops_command[] = {
	{ OP_NODE_COMMAND, OPDEF_RESUME, check, begin, finish, abandon, steps, countof(steps),
		lanes },
};
const size_t ops_command_count = countof(ops_command);
