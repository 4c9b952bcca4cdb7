/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/stats: what is counted of containers, the node and the agent, and shown to who scrapes.
 *
 * Here lie the one scrape that reports, local API and metrics share (stats), its public form
 * (statjson), the node (nodestats), what roots take (diskuse, and diskcount where no file system
 * counts it), and the text formats of Prometheus and OpenMetrics (metrics).
 *
 * api and daemon may call it. It may touch what the kernel tells (cgroup files, rtnetlink's
 * counters), and nothing that changes anything.
 *
 * This header: statistics of containers in the public form, and of the node. Taken for the
 * control API as often as it wants them (agent/uplink/pace), and afresh for whoever asks here. */
#pragma once

#include <jansson.h>

#include "agent/common/agent.h"
#include "agent/state/desired.h"
#include "lxc/ctmeter.h"

struct stats;

_must_check_ int stats_new(struct agent *a, struct stats **ret);
struct stats *stats_free(struct stats *s);
/* A configuration was loaded: its interval holds. */
void stats_reload(struct stats *s);
/* An order has ended: there may be a container that was not there. */
void stats_wake(struct stats *s);

/* What a container's link has moved, as the container sees it. */
struct stats_net {
	bool known;
	uint64_t received_bytes, sent_bytes, received_packets, sent_packets;
	uint64_t received_errors, sent_errors, received_dropped, sent_dropped;
};

struct stats_sample {
	const struct container *container;
	bool has_meter;
	int64_t value[CTMETER_VALUES];
	int64_t disk_bytes; /* -1: not counted yet */
	struct stats_net net;
};

/* One scrape: calls @each for every container, or for one. What is passed is borrowed. */
void stats_scrape(struct stats *s, const struct container *only,
	void (*each)(const struct stats_sample *sample, void *userdata), void *userdata);

/* What a root-measure job has found, for the scrapes that follow. */
void stats_note_disk(struct stats *s, const char *id, const json_t *result);

struct nodestats;
struct nodestats *stats_of_node(const struct stats *s);
