/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What containers have in the host's memory, below <RuntimeDirectory>, and so until the next boot:
 *
 *   ramdisk/c/<id>        a container's /ramdisk: 0700, of the container's root
 *   ramdisk/p/<project>   a project's /ramdisk/project
 *   devices/<id>          its /dev/kvm
 *
 * Each top is one tmpfs, made with the first that needs it and unmounted with the last. The
 * ramdisks share one ceiling, 512 MiB, or half of the memory where that is less; nothing of it is
 * reserved. */
#pragma once

#include <sys/types.h>

#include "proto/base.h"
#include "proto/err.h"

/* Make a container's directory, and its project's unless @project_id is NULL. */
_must_check_ int ramdisk_prepare(
	const char *run, const char *id, uint32_t id_base, const char *project_id, struct err *err);
/* Take away what a container has; its project's too unless @project_id is NULL. */
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
