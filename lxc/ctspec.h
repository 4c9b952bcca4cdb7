/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One container as it is wanted, and the liblxc configuration that makes it so. Pure.
 *
 * The configuration is generated whole from this and never parsed back: no includes, no hooks, no
 * value that could carry a control byte (CVE-2026-23953: a newline in a value becomes a line of its
 * own). */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"
#include "proto/ident.h"

#define CTSPEC_ID_RANGE     65536 /* ids per container */
#define CTSPEC_NAME_MAX     100
#define CTSPEC_SIGNAL_MAX   64
#define CTSPEC_HOSTNAME_MAX 64 /* __NEW_UTS_LEN of the kernel */

struct ctspec_limits {
	double cpu_cores; /* 0: none, as all below */
	int64_t memory_bytes;
	int64_t pids;
	int64_t disk_bytes;
	int64_t net_bps;                   /* towards the container */
	int64_t io_read_bps, io_write_bps; /* of the pool's disk */
};

struct ctspec {
	char id[IDENT_ID_LEN + 1];
	char project_id[IDENT_ID_LEN + 1];
	char name[CTSPEC_NAME_MAX + 1];
	char image[256];
	char source_id[IDENT_ID_LEN + 1]; /* of a copy: what it was made from; or empty */
	uint32_t id_base;                 /* first host uid and gid */
	uint32_t ipv4;                    /* host byte order */
	bool autostart;
	bool hoody_kit;                /* it has the /hoody tree */
	bool ramdisk, ramdisk_project; /* it has /ramdisk, and its project's in it */
	bool kvm;                      /* it has /dev/kvm */
	int stop_signal;               /* by which it asks to be ended; 0: by what its init hears */
	struct ctspec_limits limits;
};

/* Its name, as much of it as the kernel holds; the id when it has none. */
void ctspec_hostname(const struct ctspec *s, char ret[static CTSPEC_HOSTNAME_MAX + 1]);

/* What a "limits" of an order names, over what there was. */
void ctspec_limits_merge(struct ctspec_limits *l, const json_t *over);

/* JSON form, as it stands in worker jobs and in the state file. */
json_t *ctspec_to_json(const struct ctspec *s);
_must_check_ int ctspec_from_json(const json_t *v, struct ctspec *ret, struct err *err);
