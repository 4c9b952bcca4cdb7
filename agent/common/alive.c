/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/alive.h"

#include <stdarg.h>
#include <systemd/sd-daemon.h>

#include "agent/common/outlet.h"
#include "proto/clock.h"

#define SAY_MAX 300

/* A service manager that can't be told can't be helped either: failures of sd_notify are ignored
 * throughout. */

/* What may be said at any time doesn't wait for the one who listens. */
static int say(const char *fmt, ...) _printf_(1, 2);
static int say(const char *fmt, ...)
{
	const char *socket = getenv("NOTIFY_SOCKET");
	char text[SAY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return socket ? outlet_datagram(socket, &(struct iovec){ text, strlen(text) }, 1) : 0;
}

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
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)clock_us(CLOCK_MONOTONIC));
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
	if (say("STATUS=%s", text) != -EAGAIN)
		memcpy(last, text, sizeof(last));
}
