/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each running container has on the network, made of what is stored: its port (address,
 * MAC, project), its mode and its plans of rules, put into the one table of the firewall that is
 * owned here, as are its flows. In the order of a launch: what the mode needs (a forwarder), the
 * table, and only then the link, by a worker; at an end the table forgets the container.
 *
 * The kernel's table is kept equal to ours by agent/host/fwheal; what may have passed before it was
 * healed is judged then. Links that stay behind are agent/host/ctsweep's. Without a table in the
 * kernel no container starts; rules that can't be understood close their container. Routes and
 * links are agent/host/drift.c's to watch. */
#include "agent/host/ctnet.h"

#include <arpa/inet.h>
#include <signal.h>

#include "agent/common/ctbounds.h"
#include "agent/common/journald.h"
#include "agent/engine/unfinished.h"
#include "agent/host/ctflows.h"
#include "agent/host/ctsweep.h"
#include "agent/host/ctwatch.h"
#include "agent/host/forwarder.h"
#include "agent/host/fwheal.h"
#include "agent/report/counters.h"
#include "agent/report/tell.h"
#include "agent/state/ctlink.h"
#include "agent/state/fwlist.h"
#include "agent/state/netlist.h"
#include "netfilter/fwjson.h"
#include "netns/rtname.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

/* Network.MaxFlows, unset. */
#define FLOWS_SHARE 32
#define FLOWS_MIN   1024
#define FLOWS_MAX   16384

struct ctnet {
	struct agent *agent;
	struct fwtable *table;
	/* There is one of each as long as there is a table. */
	struct fwheal *heal;
	struct ctflows *flows;
	struct ctsweep *sweep;
	struct err broken; /* why there is no table at all */
};

/* --- from the configuration --- */

/* IPv6 ones are nobody's yet. */
static struct fwranges proxies_of(const struct conf *conf)
{
	struct fwranges r = {};

	for (const char *s = conf->network.proxy_addresses; *s;) {
		size_t len = strcspn(s, " ");

		r.at = xrealloc(r.at, r.n + 1, sizeof(*r.at));
		if (ctlink_range(s, len, &r.at[r.n]) == 0)
			r.n++;
		s += len + strspn(s + len, " ");
	}
	fwrule_unite(&r); /* a set of the kernel's takes no overlapping ones */
	return r;
}

/* A share of what the kernel tracks that leaves room for others, and is enough for a busy
 * server. */
static uint32_t flows_max(const struct conf *conf)
{
	int64_t n = conf->network.flows_max;

	if (n == 0)
		n = MIN_OF(MAX_OF(ctbounds_number("/proc/sys/net/netfilter/nf_conntrack_max") /
					   FLOWS_SHARE,
				   FLOWS_MIN),
			FLOWS_MAX);
	return (uint32_t)n;
}

static int open_table(struct ctnet *n, struct err *err)
{
	const struct conf *conf = &n->agent->conf;
	struct fwtable_conf c = { .table = conf->network.table,
		.prefix = conf->network.interface_prefix,
		.masquerade = conf->network.masquerade,
		.metadata = conf->network.cloud_metadata,
		.flows_max = flows_max(conf),
		.proxies = proxies_of(conf) };
	int r = ctlink_range(conf->network.subnet4, strlen(conf->network.subnet4), &c.subnet);

	assert(r == 0); /* the configuration has been judged */
	c.prefix6 = ctlink_subnet6(conf, c.subnet6);
	r = fwtable_open(&c, &n->table, err);
	free(c.proxies.at);
	return r < 0 ? r : ctflows_new(n->agent->event, n->table, &n->flows);
}

/* --- a container's place --- */

/* Without its mode. */
static struct fwport port_of(struct agent *a, const struct container *c)
{
	struct fwport port = { .address = c->spec.ipv4, .project = c->project };
	struct rtlink l = {};

	rtname_fill(a->conf.network.interface_prefix, c->spec.id, &l);
	ctlink_address6_bytes(&a->conf, &c->spec, port.address6);
	strcpy(port.ifname, l.name);
	memcpy(port.mac, l.mac, sizeof(port.mac));
	return port;
}

static bool is_proxied(const json_t *mode)
{
	const char *type = json_string_value(json_object_get(mode, "type"));

	return type && strcmp(type, "block") != 0;
}

/* What it needs beside the table is started; @mode NULL: direct. */
static int add_mode(struct agent *a, const struct container *c, const json_t *mode,
	struct fwport *port, struct err *err)
{
	port->mode = mode ? FWMODE_BLOCK : FWMODE_DIRECT;
	if (!is_proxied(mode))
		return 0;
	port->mode = FWMODE_PROXY;
	return forwarder_run(a, c->spec.id, mode, &port->proxy_port, err);
}

static int stored_mode(
	struct agent *a, const struct container *c, struct fwport *port, struct err *err)
{
	_cleanup_json_ json_t *mode = netlist_active(a->store, c->spec.id);

	return add_mode(a, c, mode, port, err);
}

struct plans {
	struct fwplan at[FW_DIRECTIONS], *take[FW_DIRECTIONS];
};

static void plans_done(struct plans *p)
{
	for (int d = 0; d < FW_DIRECTIONS; d++)
		fwplan_done(&p->at[d]);
}
#define _cleanup_plans_ _cleanup_(plans_done)

static int make_plans(const json_t *const rules[FW_DIRECTIONS], struct plans *ret, struct err *err)
{
	int r = 0;

	for (int d = 0; r >= 0 && d < FW_DIRECTIONS; d++) {
		if (!rules[d])
			continue;
		r = fwjson_plan(rules[d], (enum fwdirection)d, &ret->at[d], err);
		ret->take[d] = &ret->at[d];
	}
	return r;
}

static int stored_plans(
	struct agent *a, const struct container *c, struct plans *ret, struct err *err)
{
	_cleanup_json_ json_t *ingress = fwlist_get(a->store, c->spec.id, FW_INGRESS);
	_cleanup_json_ json_t *egress = fwlist_get(a->store, c->spec.id, FW_EGRESS);

	return make_plans(
		(const json_t *const[]){ [FW_INGRESS] = ingress, [FW_EGRESS] = egress }, ret, err);
}

/* The kernel has it as it is wanted. */
static int has_table(const struct ctnet *n, struct err *err)
{
	const struct err *why = n->table ? fwheal_failed(n->heal) : &n->broken;

	if (!why)
		return 0;
	*err = *why;
	return why->errnum ? -why->errnum : -EIO;
}

static int put(struct agent *a, const struct fwport *port, struct plans *plans, struct err *err)
{
	int r = fwtable_put(a->net->table, port, plans->take, err);

	counters_firewall(a->counters, r < 0 ? COUNTERS_REFUSED : COUNTERS_CHANGED);
	return r;
}

int ctnet_before_launch(struct agent *a, struct operation *op)
{
	const struct container *c = desired_find(a->desired, op->order.container_id);
	_cleanup_plans_ struct plans plans = {};
	struct fwport port = port_of(a, c);
	int r = has_table(a->net, &op->err);

	if (r >= 0)
		r = stored_plans(a, c, &plans, &op->err);
	if (r >= 0)
		r = stored_mode(a, c, &port, &op->err);
	if (r >= 0)
		r = put(a, &port, &plans, &op->err);
	if (r >= 0)
		ctflows_begin(a->net->flows, &port);
	return r;
}

int ctnet_apply(struct agent *a, const struct container *c,
	const json_t *const rules[FW_DIRECTIONS], struct err *err)
{
	_cleanup_plans_ struct plans plans = {};
	struct fwport port = port_of(a, c);
	int r = make_plans(rules, &plans, err);

	if (r < 0 || !a->net->table || !fwtable_has(a->net->table, port.ifname))
		return r;
	r = stored_mode(a, c, &port, err);
	return r < 0 ? r : put(a, &port, &plans, err);
}

int ctnet_set_mode(struct agent *a, const struct container *c, const json_t *mode, struct err *err)
{
	_cleanup_plans_ struct plans plans = {};
	struct fwport port = port_of(a, c);
	int r;

	if (!a->net->table || !fwtable_has(a->net->table, port.ifname))
		return 0;
	r = add_mode(a, c, mode, &port, err);
	if (r >= 0)
		r = stored_plans(a, c, &plans, err);
	if (r >= 0)
		r = put(a, &port, &plans, err);
	if (r >= 0 && port.mode != FWMODE_PROXY)
		forwarder_stop(a, c->spec.id);
	return r;
}

/* Put what is stored in force once more, if the container is up. */
static int refresh(struct agent *a, const char *container_id, struct err *err)
{
	const struct container *c = desired_find(a->desired, container_id);
	_cleanup_json_ json_t *mode = c ? netlist_active(a->store, container_id) : NULL;

	return c ? ctnet_set_mode(a, c, mode, err) : 0;
}

json_t *ctnet_show(struct agent *a, const struct container *c)
{
	_cleanup_json_ json_t *active = netlist_active(a->store, c->spec.id);
	struct forwarder_state f = { .is_running =
					     c->status == CT_RUNNING || c->status == CT_PAUSED };

	if (is_proxied(active))
		f = forwarder_look(a, c->spec.id);
	return netlist_show(
		a->store, c->spec.id, active && f.is_running, f.code, f.fault, agent_now_ms());
}

static void forwarder_changed(struct agent *a, const char *container_id)
{
	const struct container *c = desired_find(a->desired, container_id);

	if (c)
		tell_network(a, c, forwarder_look(a, container_id).fault ? "failed" : "running",
			ctnet_show(a, c));
}

const struct forwarder_owner ctnet_forwarders = { .changed = forwarder_changed,
	.respawn = refresh };

void ctnet_count(struct agent *a, const struct container *c, enum fwdirection direction,
	uint64_t *ret_packets, uint64_t *ret_bytes, size_t n)
{
	struct fwport port = port_of(a, c);

	memset(ret_packets, 0, n * sizeof(*ret_packets));
	memset(ret_bytes, 0, n * sizeof(*ret_bytes));
	/* Figures only: what can't be asked is none. */
	if (a->net->table && fwtable_count(a->net->table, port.ifname, direction, ret_packets,
				     ret_bytes, n) < 0) {
		memset(ret_packets, 0, n * sizeof(*ret_packets));
		memset(ret_bytes, 0, n * sizeof(*ret_bytes));
	}
}

void ctnet_look_refused(struct agent *a)
{
	if (a->net->table && fwtable_look_refused(a->net->table) < 0)
		(void)0; /* figures only: the last ones stand */
}

uint64_t ctnet_refused(struct agent *a, const struct container *c)
{
	struct rtlink l = {};

	rtname_fill(a->conf.network.interface_prefix, c->spec.id, &l);
	return a->net->table ? fwtable_refused(a->net->table, l.name) : 0;
}

/* --- ends --- */

static void forget(struct agent *a, const struct container *c)
{
	const struct fwport port = port_of(a, c);
	struct err err = {};

	forwarder_stop(a, c->spec.id);
	if (!a->net->table || !fwtable_has(a->net->table, port.ifname))
		return;
	if (fwtable_remove(a->net->table, port.ifname, &err) < 0) {
		LOG(LOG_ERR, FIREWALL_FAILED, FIELDS(.container_id = c->spec.id, .err = &err),
			"container %s can't leave the firewall yet: %s", c->spec.id, err.message);
		fwheal_insist(a->net->heal, &err);
	}
	ctflows_end(a->net->flows, &port);
}

void ctnet_settle(struct agent *a, const struct container *c)
{
	if (c->status != CT_STOPPED && c->status != CT_FAILED && c->status != CT_DELETED)
		return;
	forget(a, c);
	ctsweep_soon(a->net->sweep, c->spec.id);
}

/* --- flows under way --- */

static bool has_flows(struct agent *a, const struct container *c)
{
	return a->net->table && (c->status == CT_RUNNING || c->status == CT_PAUSED);
}

void ctnet_cut(struct agent *a, const struct container *c)
{
	if (has_flows(a, c))
		ctflows_judge(a->net->flows, c->spec.ipv4);
}

void ctnet_cut_diverted(struct agent *a, const struct container *c)
{
	if (has_flows(a, c))
		ctflows_judge_diverted(a->net->flows, c->spec.ipv4);
}

static void judge_all(void *userdata)
{
	ctflows_judge(((struct ctnet *)userdata)->flows, CTFLOWS_ALL);
}

/* --- the configuration is another --- */

/* The whole table, in one transaction: nothing of it is open meanwhile. Flows that came by the old
 * ones' leave are judged again. */
static void reload_proxies(struct ctnet *n)
{
	struct fwranges proxies = proxies_of(&n->agent->conf);
	struct err err = {};

	if (fwtable_swap_proxies(n->table, &proxies)) {
		if (fwheal_load(n->heal, n->table, &err) < 0) {
			(void)fwtable_swap_proxies(n->table, &proxies);
			LOG(LOG_ERR, FIREWALL_FAILED, FIELDS(.err = &err),
				"Network.ProxyAddresses can't be changed: %s", err.message);
		}
		ctflows_judge(n->flows, CTFLOWS_ALL);
	}
	free(proxies.at);
}

static void reload_forwarder(struct agent *a, const struct container *c)
{
	struct err err = {};

	if (refresh(a, c->spec.id, &err) < 0)
		LOG(LOG_ERR, NETPROXY_FAILED, FIELDS(.container_id = c->spec.id, .err = &err),
			"the forwarder of container %s goes on with what it has: %s", c->spec.id,
			err.message);
}

void ctnet_reload(struct agent *a)
{
	if (a->net->table)
		reload_proxies(a->net);
	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const struct container *c = desired_at(a->desired, i);
		_cleanup_json_ json_t *mode = netlist_active(a->store, c->spec.id);

		if (is_proxied(mode)) /* also one whose forwarder could not be started */
			reload_forwarder(a, c);
	}
}

/* --- beginning and end --- */

int ctnet_new(struct agent *a, struct ctnet **ret, struct err *err)
{
	struct ctnet *n = xcalloc(1, sizeof(*n));
	int r;

	n->agent = a;
	*ret = n;
	r = ctsweep_new(a, &n->sweep);
	if (r < 0)
		return r;
	r = fwheal_new(a, judge_all, n, &n->heal);
	if (r < 0)
		(void)err_set(&n->broken, r, ERR_FIREWALL_HOST_UNAVAILABLE, NULL,
			"nftables can't be watched: %s", strerror(-r));
	else
		r = open_table(n, &n->broken);
	if (r < 0)
		LOG(LOG_CRIT, FIREWALL_FAILED, FIELDS(.err = &n->broken),
			"no container can be started: %s", n->broken.message);
	return 0;
}

static void expect_container(struct ctnet *n, const struct container *c)
{
	_cleanup_plans_ struct plans plans = {};
	struct fwport port = port_of(n->agent, c);
	struct err err = {};

	if (stored_mode(n->agent, c, &port, &err) < 0 ||
		stored_plans(n->agent, c, &plans, &err) < 0) { /* closed rather than open */
		port.mode = FWMODE_BLOCK;
		LOG(LOG_ERR, FIREWALL_FAILED, FIELDS(.container_id = c->spec.id, .err = &err),
			"container %s is closed, its rules can't be understood: %s", c->spec.id,
			err.message);
		for (int d = 0; d < FW_DIRECTIONS; d++)
			plans.take[d] = &plans.at[d];
	}
	fwtable_expect(n->table, &port, plans.take);
}

void ctnet_start(struct agent *a)
{
	struct ctnet *n = a->net;
	struct err err = {};

	for (size_t i = 0; i < desired_count(a->desired); i++) {
		const struct container *c = desired_at(a->desired, i);

		if (n->table && ctwatch_pid(c) > 0)
			expect_container(n, c);
	}
	if (n->table && fwheal_load(n->heal, n->table, &err) < 0) {
		LOG(LOG_CRIT, FIREWALL_FAILED, FIELDS(.err = &err),
			"the firewall can't be set up yet, so no container can be started: %s",
			err.message);
		fwheal_insist(n->heal, &err);
	}
	if (n->table)
		ctflows_judge(n->flows, CTFLOWS_ALL);
	forwarder_set_sweep(a);
	ctsweep_soon(n->sweep, NULL);
}

struct ctnet *ctnet_free(struct ctnet *n)
{
	if (n) {
		n->heal = fwheal_free(n->heal);
		n->sweep = ctsweep_free(n->sweep);
		n->flows = ctflows_free(n->flows);
		n->table = fwtable_close(n->table);
		free(n);
	}
	return NULL;
}
