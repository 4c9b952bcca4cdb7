/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the node's reverse proxy reads, below Proxy.Directory, each file 0600 and replaced by
 * rename:
 *
 *   projects/<id>.json, containers/<id>.json   permission documents, as they were ordered
 *   aliases/<alias>.json   {"alias_id","alias","target":{…}}, one per name that is up
 *   map.json               {"generation","node","containers":[{"id","project_id","ipv4","status"}]}
 *
 * The state file is what holds: what differs from it here is put right at the agent's start, and
 * what couldn't be written is tried again, at most a minute later. The map follows within some 20
 * ms, in one rename (inotify(7): IN_MOVED_TO). */
#pragma once

#include <jansson.h>

#include "agent/common/agent.h"

enum proxydir_kind { PROXYDIR_PROJECT, PROXYDIR_CONTAINER, PROXYDIR_ALIAS, PROXYDIR_KINDS };

struct proxydir;

_must_check_ int proxydir_new(struct agent *a, struct proxydir **ret, struct err *err);
struct proxydir *proxydir_free(struct proxydir *p);

/* All of it as the state file says. Once, when the containers are known. */
void proxydir_start(struct proxydir *p);

/* NULL: the file is gone. Errors are DISK_FULL or INTERNAL, with Proxy.Directory as the field; who
 * ignores one has the file follow what is recorded, later. */
_must_check_ int proxydir_put(struct proxydir *p, enum proxydir_kind kind, const char *name,
	const json_t *content, struct err *err);

/* A container, its status or its address has changed. NULL: nothing. */
void proxydir_map_changed(struct proxydir *p);
