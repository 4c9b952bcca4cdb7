/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/common: the ground floor, what every program of ours that has a configuration needs.
 *
 * Here lie the configuration and its one table (conf, conf_table), the log (journald, its ids in
 * journald.def, and outlet, which never waits for a reader), systemd's readiness and watchdog
 * (alive), the node's key (nodekey), certificates as texts (cafile), how a program of ours is found
 * and started (spawn), back-off (pure), what a container is bounded by (ctbounds), and two clocks
 * (agent.c).
 *
 * Anybody in agent/ may call it, also the programs beside the daemon: so nothing here knows the
 * state file, a container, an order or the loop. It may touch proto/ alone. Of struct agent it has
 * the shape, since everybody passes it on, and of its parts only the names: a part's functions are
 * reached through the header of the floor that it is of, and a member from its own floor up
 * (tests/lint/floors).
 *
 * This header is what the agent is made of; agent_main.c puts it together. One thread, one loop,
 * one writer of the state file. */
#pragma once

#include <jansson.h>
#include <systemd/sd-event.h>

#include "agent/common/conf.h"
#include "proto/keyset.h"

struct agent;
struct ctgroup;
struct ctwatch_owner;
struct nodekey;
struct report_key;

/* What floors tell of that they don't know, or ask for: the daemon writes down who hears
 * (agent/daemon). All are called on the loop; what isn't there yet, or not on this node, hears
 * nothing. */
struct agent_listener {
	/* The keyset is another one. */
	void (*keys_changed)(struct agent *a);
	/* The host's resolver files are. */
	void (*names_changed)(struct agent *a);
	/* How often statistics are wanted, or which way they go, may be another. */
	void (*stats_changed)(struct agent *a);
	/* Follows anybody what is published? An operation's events, and its @last; or (NULL) those
	 * of all. */
	bool (*is_followed)(const struct agent *a);
	void (*publish)(struct agent *a, const char *operation_id, const char *event,
		const json_t *data, bool last);
	/* What is known of the control API's clock; the caller's. */
	json_t *(*clock)(const struct agent *a);
};

struct agent {
	struct conf conf;
	const char *conf_path;
	sd_event *event;
	struct store *store;
	struct desired *desired;
	struct outbox *outbox;
	struct engine *engine;
	struct uplink *uplink; /* NULL when standalone */
	struct worker_pool *workers;
	struct worker *stopper; /* stops all containers, as the host goes down; or NULL */
	int64_t stop_end_ms;    /* elapsed: until when it waits for those that are being launched */
	bool stop_again;        /* some were when it began */
	struct ctlsrv *ctlsrv;
	struct api *api;
	struct portal *portal;
	struct reaper *reaper;
	struct ctnet *net;
	struct drift *drift;
	struct namefiles *names;
	struct proxydir *proxydir;
	struct stats *stats;
	struct counters *counters;
	struct portal *metrics_portal; /* NULL without Metrics.Listen */
	struct forwarder_set *forwarders;
	gid_t local_group; /* who may use the local sockets, or UNIXSOCK_NO_GROUP */
	struct ctgroup *groups;
	const struct agent_listener *listener;
	const struct ctwatch_owner *ctwatch_owner;
	struct keyset keyset;
	bool has_keyset;
	struct nodekey *nodekey;
	struct report_key *report_key; /* sodium_malloc'ed */
	char boot_id[33];
	int64_t started_ms, started_elapsed_ms;
};

/* Wall clock in ms: what is told and compared with what was ordered. */
int64_t agent_now_ms(void);
/* A clock that nobody sets (CLOCK_BOOTTIME) in ms: how long something takes. */
int64_t agent_elapsed_ms(void);
