/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libc's name service reads at each look-up (/etc/resolv.conf, hosts, nsswitch.conf …), as the
 * leaves see it: copies in <RuntimeDirectory>/names, which they have as /etc, read-only
 * (proto/sandbox; the units mount the files one by one). A late DHCP lease, a VPN or an
 * administrator changes the host's files while leaves run, by writing to them or by putting others
 * in their place: the files and the directories that lead to them are watched, and the copies are
 * renewed. A copy is written in place, since it may be mounted by itself; libc sees by its times
 * that it is another (resolv.conf(5)). What the host doesn't have is empty, which means the same.
 *
 * The leaves' wish for a name is not theirs to wait for: what has failed is tried again at once. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

struct agent;
struct namefiles;

/* Before any leaf is started. What can't be watched is said in the log: then namefiles_renew()
 * alone sees it. */
_must_check_ int namefiles_new(struct agent *a, struct namefiles **ret, struct err *err);
struct namefiles *namefiles_free(struct namefiles *n);

/* Look again, also at what there is to watch (SIGHUP). */
void namefiles_renew(struct namefiles *n);
