/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl's two tables: its commands, and its options with the commands that they suit. Help,
 * parsing and completions come from them. */
#pragma once

#include "agent/ctl/ctl.h"

struct ctl_command {
	const char *name; /* one word, or a noun and a verb */
	unsigned bit;
	enum ctl_exit (*run)(const struct ctl *ctl, struct err *err);
	const char *summary, *help;
	/* Names of its arguments, a space between, in brackets those that may be left out; NULL: it
	 * takes none. */
	const char *argument;
	const char *rest;  /* what may stand behind them: COMMAND, KEY=VALUE; NULL: nothing */
	const char *group; /* what help puts it under; NULL: its noun. Empty: it isn't shown */
};

#define CTL_ANY 0xffffffffu /* all of the commands' bits */

struct ctl_option {
	const char *name;
	char letter;
	const char *argument; /* NULL: it is a switch */
	size_t offset;        /* in struct ctl: of a const char *, a bool, or a struct ctl_values */
	unsigned commands;
	const char *help;
	bool many; /* may be given again and again */
};

struct ctl_table {
	const struct ctl_command *commands;
	size_t n_commands;
	const struct ctl_option *options;
	size_t n_options;
};
extern const struct ctl_table ctl_table;
