/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switches of single interfaces below /proc/sys/net/<family>/conf. */
#pragma once

#include "proto/base.h"

/* @family "ipv4" or "ipv6". What can't be written (a key that this kernel hasn't) is passed over:
 * the firewall's rules rely on none of them. */
void ifsysctl_write(const char *family, const char *name, const char *key, const char *value);

/* IPv6 is forwarded by all interfaces or none (ip-sysctl.rst); those that learn routes from router
 * advertisements go on doing so. Interfaces that begin with @prefix are containers'. */
void ifsysctl_forward_six(const char *prefix);
