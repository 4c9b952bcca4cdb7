/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switches of single interfaces below /proc/sys/net/<family>/conf, and whether there is one. */
#pragma once

#include "proto/base.h"

/* @family "ipv4" or "ipv6". What can't be written (a key that this kernel hasn't) is passed over:
 * the firewall's rules rely on none of them. Some (forwarding, disable_ipv6) want the kernel's lock
 * of all links, and who writes one keeps a processor busy until it is free: what is so already is
 * not written. */
void ifsysctl_write(const char *family, const char *name, const char *key, const char *value);

/* IPv6 is forwarded by all interfaces or none (ip-sysctl.rst); those that learn routes from router
 * advertisements go on doing so. Interfaces that begin with @prefix are containers'. */
void ifsysctl_forward_six(const char *prefix);

/* The index of an interface that may be gone; 0: see errno, ENODEV when it is. if_nametoindex(3)
 * asks for a module of such a name (dev_load, net/core/dev_ioctl.c): the kernel runs modprobe(8)
 * twice, and waits for it. */
unsigned ifsysctl_index(const char *name);
