/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/ctl: hoodyctl, what operators have in their hands.
 *
 * Here lie its commands, a file for each (ctl_*), their tables (ctl_table), what is shown of each
 * (ctl_views, on ctl_show), how things are printed (ctl_value, ctl_text, ctl_out), and helped with
 * (ctl_help, ctl_man, ctl_complete, ctl_keys). It stands on agent/common and proto, and asks the
 * agent by its sockets; only doctor, keygen, enroll, config, snapshot diff and cp look at the host
 * themselves.
 *
 * This header is what all its commands share. One table of commands and one of options
 * (ctl_table.c); one file per command. A command prints what it has to say on stdout, its failure
 * goes into @err and is printed by main in one place. */
#pragma once

#include <jansson.h>

#include "agent/common/conf.h"
#include "proto/base.h"
#include "proto/err.h"

/* Exit codes: hoodyctl(1) says the same. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,      /* the thing asked for could not be done */
	CTL_USAGE = 2,       /* the command line is not understood */
	CTL_UNREACHABLE = 3, /* the agent, or at enrolment the control API, does not answer */
	CTL_CONFIG = 4,      /* the configuration is not valid */
	CTL_INTERRUPTED =
		130, /* what was begun goes on, and nobody has seen its end: 128 + SIGINT */
};

#define CTL_ARGS_MAX   4
#define CTL_VALUES_MAX 64

struct ctl_table;

/* The values of an option that may be given again. */
struct ctl_values {
	const char *at[CTL_VALUES_MAX];
	size_t n;
};

struct ctl {
	/* options as given, NULL when not */
	const char *socket, *config, *lines, *url, *token, *ca;
	const char *output, *columns, *sort, *filter, *color; /* of what is shown */
	bool watch, utc, iso;
	const char *project, *name, *memory, *cpus, *pids, *timeout, *from;
	struct ctl_values env;
	bool json, force, help, version, example, man, catalog, quiet, async, follow, no_start;
	bool no_terminal;
	const char *command;            /* its full name */
	const char *verb;               /* its last word */
	const char *args[CTL_ARGS_MAX]; /* as many as were given; the others NULL */
	const char *const *rest;        /* the words behind them, when it takes any; or NULL */
	bool colour;                    /* stdout is a terminal that wants it */
	const struct ctl_table *table;  /* what there is to type */
};

/* Each returns an exit code, with @err filled when it isn't CTL_OK. */
enum ctl_exit ctl_status(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_orders(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_keygen(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_enroll(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_config(const struct ctl *ctl, struct err *err);

enum ctl_exit ctl_api_containers(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_container(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_create(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_copy(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_act(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_logs(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_projects(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_project_create(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_operations(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_operation(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_follow(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_api_events(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_top(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_doctor(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_noun(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_session_exec(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_session_console(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_complete(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_complete_line(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_man(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_cp(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_diff(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_firewall_rule(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_firewall_move(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_order_plan(const struct ctl *ctl, struct err *err);
enum ctl_exit ctl_order_verify(const struct ctl *ctl, struct err *err);

/* A member's text, or NULL when it is absent or none: what other versions of the agent may leave
 * out. */
static inline const char *ctl_text_of(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}
