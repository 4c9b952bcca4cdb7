/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holds a container still while a copy of its files is made, and lets it go whatever becomes of the
 * one who holds it: a guard, forked before, thaws when its pipe breaks. */
#pragma once

#include "lxc/ctgroup.h"

struct cthold {
	struct ctgroup *groups;
	const char *id;
	int pipe; /* -1: not held */
	pid_t guard;
};

/* @userdata is a struct cthold with pipe -1. In the form of struct pool_hold. */
void cthold_freeze(void *userdata);
void cthold_thaw(void *userdata);
