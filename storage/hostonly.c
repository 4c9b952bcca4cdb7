/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/hostonly.h"

#include <sys/stat.h>

bool hostonly_is_device(mode_t mode, dev_t rdev)
{
	return S_ISBLK(mode) || (S_ISCHR(mode) && rdev != 0);
}

bool hostonly_is_attribute(const char *name)
{
	static const char user[] = "user.";

	return strncmp(name, user, strlen(user)) != 0 && strcmp(name, "security.capability") != 0 &&
	       strcmp(name, HOSTONLY_ACL_ACCESS) != 0 && strcmp(name, HOSTONLY_ACL_DEFAULT) != 0;
}
