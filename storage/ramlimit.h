/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large each ramdisk may be, in bytes and in inodes. All share one ceiling C, of which nothing
 * is reserved (storage/ramdisk.h), so each one's limit follows from what all of them have now:
 *
 *   limit = used + half of what is left of C, and C / 2 at most;
 *   who has less than an equal share of C has a floor of free room all the same.
 *
 * So one alone never has more than half, whoever comes later finds room, and who has taken more
 * than his share gets no more once C is used up. A limit is renewed by ramlimit_renew(): whenever a
 * ramdisk is made or goes, and on a clock; between two looks several can grow at once, each up to
 * the limit that it had. Never below what is used: the kernel refuses that. */
#pragma once

#include <sys/sysinfo.h>
#include <sys/types.h>

#include "proto/base.h"

#define RAMLIMIT_SOURCE \
	"hoody-ramdisk" /* what mounts of it are called, for who looks at the list */

/* C: 512 MiB, or half of the host's memory where that is less. */
static inline int64_t ramlimit_ceiling(void)
{
	const int64_t most = 512LL << 20;
	struct sysinfo si;

	return sysinfo(&si) < 0 ? most : MIN_OF(most, (int64_t)si.totalram * si.mem_unit / 2);
}

/* A directory on which a tmpfs of its own lies. @parent: the one that it is in. */
bool ramlimit_is_mounted(int parent, int dir);
/* Mount one on @name in @parent, with the least that one gets until the next look. */
_must_check_ int ramlimit_mount(int parent, const char *name, uint32_t owner, mode_t mode);
/* Look at all of them below @top, and renew. @top_mounted: it is one itself, in which an older
 * agent's are. What can't be renewed keeps what it has. */
void ramlimit_renew(int top, bool top_mounted);
/* Nobody who still has @dir's tmpfs gets anything more of it. */
void ramlimit_seal(int dir);
