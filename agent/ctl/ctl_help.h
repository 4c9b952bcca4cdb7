/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help, all of it from the tables: of commands and options (ctl_table), and of keys (ctl_keys). */
#pragma once

#include "agent/ctl/ctl_table.h"

/* One screen: what there is to type, by noun. */
void ctl_help_overview(FILE *f, bool colour);
/* All commands with what they do, and the options. */
void ctl_help_all(FILE *f, bool colour);
/* The commands of a noun. */
void ctl_help_noun(FILE *f, const char *noun, bool colour);
/* A command: its words, its keys, its options. */
void ctl_help_command(FILE *f, const struct ctl_command *c, bool colour);

/* What to type after a failure: the help of @command, of @noun, or what else explains @code. The
 * caller's. */
char *ctl_help_hint(const struct ctl *ctl, const struct ctl_command *command, const char *noun,
	enum ctl_exit exit, enum errcode code);
