/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A mount namespace of a container's, entered by a child that takes away what may not stay there,
 * or moves in one mount. */
#pragma once

#include <sys/types.h>

#include "storage/mountinfo.h"

/* Work for a child that has entered one. Its descriptors are from before. */
struct mountvisit {
	int proc;  /* the host's /proc */
	int root;  /* the container's, as its init has it */
	int mount; /* to be moved to @at, or -1 */
	const char *at;
	const struct mountinfo_rule *rule; /* what may stay */
	struct {
		int r;
		unsigned gone, lazy, busy; /* taken away; of those, in use; that could not be */
		unsigned overlays; /* that are there: whatever they have of it nobody can tell */
	} * out;                   /* shared */
};

/* Enter @ns and do it; 0 or -errno. Blocks. */
_must_check_ int mountvisit_enter(const struct mountvisit *v, int ns);
bool mountvisit_must_go(const struct mountvisit *v, const struct mountinfo_entry *e);

/* What a process that is forked off must do first: end with its parent, also when that has ended by
 * now, and hold nothing open but these, so that nobody waits for the end of what is not its own (a
 * worker's channel, by which its death is known). */
void mountvisit_become_child(pid_t parent, int a, int b, int c, int d);
