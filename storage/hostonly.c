/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/hostonly.h"

#include <sys/stat.h>

bool hostonly_is_device(mode_t mode, dev_t rdev)
{
	return S_ISBLK(mode) || (S_ISCHR(mode) && rdev != 0);
}

bool hostonly_is_attribute(const char *name)
{
	static const char trusted[] = "trusted.", security[] = "security.";

	return strncmp(name, trusted, strlen(trusted)) == 0 ||
	       (strncmp(name, security, strlen(security)) == 0 &&
		       strcmp(name, "security.capability") != 0);
}
