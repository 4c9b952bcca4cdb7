/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom leaves are on the host, as user and as group: nobody else, and no two of them the same. So
 * none can signal, trace or set anything of another's, and what the kernel counts by user
 * (descriptors on their way, pages of pipes, threads, watches of epoll) each has for itself.
 *
 * A role has a range, and in it each leaf the upper half of an id that nobody else on the host has:
 * the first of a container's, of the node's containers or, for a download, its worker's pid. The
 * last range never reaches (uid_t)-1, since containers end below the first.
 *
 * That is for leaves that the agent starts itself: where systemd does, each instance is another by
 * DynamicUser=. */
#pragma once

#include "proto/base.h"

enum leafid_role {
	LEAFID_COURIER,
	LEAFID_PORTAL,
	LEAFID_METRICS,
	LEAFID_DOWNLOAD,
	/* all of its range are owners of files; it is the first (storage/unpack.h) */
	LEAFID_UNPACK,
	LEAFID_FORWARDER,
	LEAFID_ROLES
};

#define LEAFID_FIRST      0xfffa0000u /* containers have their ids below it */
#define LEAFID_BASE(role) (LEAFID_FIRST + ((uint32_t)(role) << 16))
#define LEAFID_WHOSE(pid) ((uint32_t)(pid) << 16)

static_assert(LEAFID_BASE(LEAFID_ROLES - 1) == 0xffff0000u, "the ranges are the last there are");

/* @whose: the id in whose upper half nobody else is. */
static inline uint32_t leafid_of(enum leafid_role role, uint32_t whose)
{
	return LEAFID_BASE(role) + (whose >> 16);
}
