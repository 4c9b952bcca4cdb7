/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/alive.h"

#include <stdarg.h>
#include <systemd/sd-daemon.h>
#include <time.h>

/* A service manager that can't be told can't be helped either: failures of sd_notify are ignored
 * throughout. */

int alive_watch(sd_event *event)
{
	int r = sd_event_set_watchdog(event, true);

	return r > 0 ? 1 : r;
}

void alive_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

/* Type=notify-reload wants to know when the reload began (sd_notify(3)). */
void alive_reloading(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* can't fail */
	(void)sd_notifyf(
		0, "RELOADING=1\nMONOTONIC_USEC=%lld", t.tv_sec * 1000000LL + t.tv_nsec / 1000);
}

void alive_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

void alive_status(const char *fmt, ...)
{
	static char last[256];
	char text[sizeof(last)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text[strcspn(text, "\n")] = '\0'; /* one assignment, one line */
	if (strcmp(text, last) == 0)
		return;
	memcpy(last, text, sizeof(last));
	(void)sd_notifyf(0, "STATUS=%s", text);
}

void alive_extend(int64_t ms)
{
	(void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%lld", (long long)ms * 1000);
}
