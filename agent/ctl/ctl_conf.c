/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_conf.h"

#include <unistd.h>

enum ctl_exit ctl_conf_read(const struct ctl *ctl, struct conf *ret, struct err *err)
{
	if (!ctl->config && access(CONF_PATH_DEFAULT, F_OK) < 0 && errno == ENOENT) {
		conf_defaults(ret);
		return CTL_OK;
	}
	return conf_read(ctl->config ? ctl->config : CONF_PATH_DEFAULT, ret, err) < 0 ? CTL_CONFIG
										      : CTL_OK;
}
