/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_signal.h"

#include <signal.h>

#include "proto/base.h"

void ctl_signal_hear(void (*handler)(int sig))
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_flags = SA_RESETHAND }, before;

	action.sa_handler = handler ? handler : SIG_DFL;
	for (size_t i = 0; i < countof(ends); i++)
		if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaction(ends[i], &action, NULL);
}
