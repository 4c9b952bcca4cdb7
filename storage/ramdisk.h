/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What containers have in the host's memory, below <RuntimeDirectory>, and so until the next boot:
 *
 *   ramdisk/c/<id>        a container's /ramdisk: 0700, of the container's root
 *   ramdisk/p/<project>   a project's /ramdisk/project
 *   devices/<id>          its /dev/kvm
 *
 * Each ramdisk is a tmpfs of its own, made with the first that needs it and unmounted with the
 * last: it outlives the container's stop and start, and the agent. Devices have one tmpfs for all.
 *
 * The ramdisks share one ceiling, 512 MiB, or half of the memory where that is less, and a count of
 * inodes (one for 4 KiB of it). Nothing of it is reserved: who comes first is served, but none gets
 * more than half, and who has less than an equal share has 4 MiB and 1,024 inodes free. The limits
 * say so anew whenever a ramdisk is made, removed or measured, and with Storage.CountIntervalSec;
 * in between the sum is not looked at (storage/ramlimit.h).
 *
 * Directories without a mount of their own, which an older agent has made in one tmpfs for all, are
 * used as they are until the host boots. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"
#include "proto/err.h"

/* Make a container's, and its project's unless @project_id is NULL. */
_must_check_ int ramdisk_prepare(
	const char *run, const char *id, uint32_t id_base, const char *project_id, struct err *err);
/* Share out anew what there is. Blocks for about 20 µs for each that there is. */
void ramdisk_renew(const char *run);
/* Take away what a container has; its project's too unless @project_id is NULL. @id NULL: that
 * alone. Not there: success. */
_must_check_ int ramdisk_remove(
	const char *run, const char *id, const char *project_id, struct err *err);

/* Its own node of @device (makedev(3)), for the container's root alone. */
_must_check_ int ramdisk_make_device(
	const char *run, const char *id, uint32_t id_base, dev_t device, struct err *err);

struct ramdisk_usage {
	int64_t private, secrets, project; /* bytes; -1: can't be told */
};
/* Walks what is there: for one container at a time, and not often. @project_id may be NULL. */
void ramdisk_measure(
	const char *run, const char *id, const char *project_id, struct ramdisk_usage *ret);
