/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes between this terminal or these pipes and a session in a container. */
#pragma once

#include "agent/ctl/ctl.h"

struct ctl_pump {
	int session;   /* FRAME_SESSION_* come here */
	int terminal;  /* the session's master side, or -1: then the three pipes */
	int pipes[3];  /* our ends of its stdin, stdout and stderr; all taken */
	int escape;    /* a byte that ends it when typed, or -1 */
	int unwritten; /* why its output could not be written here, an errno; 0: it could */
};

/* Until the session ends. *ret_status: as a shell has it (128 + n for signal n). Returns 0;
 * -ECONNRESET when the session was cut off, with the terminal as it was. */
_must_check_ int ctl_pump(struct ctl_pump *p, int *ret_status);
