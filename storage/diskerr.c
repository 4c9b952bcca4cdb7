/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/diskerr.h"

#include <stdarg.h>

int diskerr_set(struct err *err, int r, const char *fmt, ...)
{
	bool full = r == -ENOSPC || r == -EDQUOT;
	char sentence[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	return err_set(err, r, full ? ERR_DISK_FULL : ERR_INTERNAL, "Storage.Pool", "%s: %s",
		sentence, strerror(-r));
}
