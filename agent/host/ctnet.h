/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The containers' network: what nftables has to know of them, kept equal to the wanted state.
 *
 * A container's place in the firewall is there before its link, which agent/worker/worker_life
 * makes, and goes when the container has ended. Somebody else's change of our table is undone at
 * once and reported.
 * Flows that a change forbids are cut, and all of a container that ends (agent/host/ctflows).
 *
 * Without nftables the agent runs, and every start of a container fails with the reason. */
#pragma once

#include <jansson.h>
#include <netinet/in.h>

#include "agent/common/agent.h"
#include "agent/engine/engine.h"
#include "agent/state/desired.h"
#include "netfilter/fwrule.h"

struct ctnet;

_must_check_ int ctnet_new(struct agent *a, struct ctnet **ret, struct err *err);
struct ctnet *ctnet_free(struct ctnet *n);

/* Once, when the containers' states are known: the whole table, in one transaction, and links of
 * containers that are gone are removed. */
void ctnet_start(struct agent *a);

/* For a launch step: the container's place in the firewall, before anything of it runs.
 * Idempotent. */
_must_check_ int ctnet_before_launch(struct agent *a, struct operation *op);
/* SIGHUP: Network.ProxyAddresses and the certificates of upstream proxies as they are now. */
void ctnet_reload(struct agent *a);

/* A container that runs no longer leaves the firewall. Its rules stay stored, for the next
 * start. */
void ctnet_settle(struct agent *a, const struct container *c);

/* Put these rules in force (arrays, or NULL: detached) if the container is up; else only see
 * whether they could be put in force. */
_must_check_ int ctnet_apply(struct agent *a, const struct container *c,
	const json_t *const rules[FW_DIRECTIONS], struct err *err);
/* Put this network mode in force (as agent/state/netlist has it; NULL: direct), if the container
 * is up; else its launch does that. */
_must_check_ int ctnet_set_mode(
	struct agent *a, const struct container *c, const json_t *mode, struct err *err);
/* For forwarder_set_new(). */
extern const struct forwarder_owner ctnet_forwarders;
/* The mode as the public API shows it. */
json_t *ctnet_show(struct agent *a, const struct container *c);

/* Flows of this container that are no longer allowed: cut them, soon. */
void ctnet_cut(struct agent *a, const struct container *c);
/* The same, with those that it has begun while they went to its forwarder: it is direct now. */
void ctnet_cut_diverted(struct agent *a, const struct container *c);

/* How often each rule has decided since it came into force. */
void ctnet_count(struct agent *a, const struct container *c, enum fwdirection direction,
	uint64_t *ret_packets, uint64_t *ret_bytes, size_t n);

/* Packets of new flows that the container was refused because it had Network.MaxFlows already, as
 * of the last look. */
void ctnet_look_refused(struct agent *a);
uint64_t ctnet_refused(struct agent *a, const struct container *c);
