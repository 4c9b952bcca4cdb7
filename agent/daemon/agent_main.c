/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoody-agent: the wiring. Everything that decides lies elsewhere; here the parts are made in
 * order, joined to one loop, and taken apart; and the few calls that would go upward (engine,
 * state and host to API, uplink and statistics) are given to them as tables of functions.
 *
 * The order of a start: directories, state, keys, parts, recovery, loop. Recovery first lets the
 * engine take up what has not ended, then holds every other container's stored status against
 * what the kernel says, and only then firewall, links and files are put right. Every turn of the
 * loop ends with engine_turn(), whatever woke it. A part that fails ends the start: what there
 * is so far is freed in tear_down(), which takes NULL for all that never was. Containers go on
 * when the agent ends. */
#include <getopt.h>
#include <grp.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/api/api.h"
#include "agent/api/api_order.h"
#include "agent/api/ctlsrv.h"
#include "agent/api/portal.h"
#include "agent/common/agent.h"
#include "agent/common/alive.h"
#include "agent/common/journald.h"
#include "agent/common/nodekey.h"
#include "agent/common/spawn.h"
#include "agent/common/unixsock.h"
#include "agent/engine/engine.h"
#include "agent/engine/unfinished.h"
#include "agent/host/ctnames.h"
#include "agent/host/ctnet.h"
#include "agent/host/ctwatch.h"
#include "agent/host/drift.h"
#include "agent/host/forwarder.h"
#include "agent/host/namefiles.h"
#include "agent/host/pooldir.h"
#include "agent/host/proxydir.h"
#include "agent/ops/bootstart.h"
#include "agent/ops/ops.h"
#include "agent/ops/reaper.h"
#include "agent/ops/supervise.h"
#include "agent/report/counters.h"
#include "agent/report/status.h"
#include "agent/report/tell.h"
#include "agent/state/desired.h"
#include "agent/state/journal.h"
#include "agent/state/outbox.h"
#include "agent/state/store.h"
#include "agent/state/trust.h"
#include "agent/stats/stats.h"
#include "agent/uplink/uplink.h"
#include "lxc/ctgroup.h"
#include "proto/clock.h"
#include "proto/jsonx.h"
#include "proto/report.h"

#define META_BOOT_ID "boot_id"
#define META_NODE_ID "node_id"
#define SERVERS_MAX  3 /* that storage/netfiles writes: MAXNS of resolv.conf(5) */

/* --- who hears of an order --- */

static void on_ended(struct operation *op, enum journal_state state)
{
	uplink_ended(op->agent->uplink);
	api_order_ended(op->agent, op, state);
	counters_order(op->agent->counters, op->order.op, state == JOURNAL_SUCCEEDED,
		op->started_ms ? op->finished_ms - op->started_ms : 0);
	stats_wake(op->agent->stats);
	bootstart_ended(op, state);
}

static void before_commit(struct agent *a)
{
	uplink_stage(a->uplink);
}

/* Nobody is told what is not durable. */
static void after_commit(struct agent *a)
{
	uplink_kick(a->uplink);
	portal_flush(a->portal);
	portal_flush(a->metrics_portal);
}

static const struct engine_listener listener = {
	.acted = supervise_acted,
	.ended = on_ended,
	.left = api_order_proceed,
	.lane_left = ctwatch_settle,
	.before_commit = before_commit,
	.after_commit = after_commit,
};

static const struct portal_handlers portal_handlers = {
	.request = api_request, .gone = api_gone, .all_gone = api_all_gone
};

/* --- who hears of the rest --- */

static void on_keys(struct agent *a)
{
	uplink_keys_changed(a->uplink);
}

static void on_names(struct agent *a)
{
	uplink_retry(a->uplink);
}

static void on_stats(struct agent *a)
{
	stats_reload(a->stats);
}

static json_t *clock_of(const struct agent *a)
{
	return uplink_clock(a->uplink);
}

static const struct agent_listener agent_listener = {
	.keys_changed = on_keys,
	.names_changed = on_names,
	.stats_changed = on_stats,
	.is_followed = api_is_followed,
	.publish = api_publish,
	.clock = clock_of,
};

/* --- set-up, in order --- */

static int make_directory(const char *path, mode_t mode, const char *field, struct err *err)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0
				       : err_set(err, -errno, ERR_CONFIG, field,
						 "can't make %s: %s", path, strerror(errno));
	/* Only what we made ourselves, and only because of our umask. */
	return chmod(path, mode) < 0
		       ? err_set(err, -errno, ERR_CONFIG, field, "can't set the mode of %s: %s",
				 path, strerror(errno))
		       : 0;
}

/* A container's root (an unprivileged user of the host) passes through the pool's directories when
 * its file system is mounted: others may pass, and see nothing. What they may not enter stands in
 * storage/pool.h. */
static int make_directories(struct agent *a, struct err *err)
{
	_cleanup_(freep) char *lxc = xasprintf("%s/lxc", a->conf.node.state_directory);
	const struct {
		const char *path;
		mode_t mode;
		const char *field;
	} wanted[] = {
		{ a->conf.node.state_directory, 0711, "Node.StateDirectory" },
		{ a->conf.node.runtime_directory, 0755, "Node.RuntimeDirectory" },
		{ lxc, 0711, "Node.StateDirectory" },
		{ a->conf.storage.pool, 0711, "Storage.Pool" },
	};
	int r = 0;

	for (size_t i = 0; i < countof(wanted) && r >= 0; i++)
		r = make_directory(wanted[i].path, wanted[i].mode, wanted[i].field, err);
	return r;
}

/* The network's own address and its last one are no container's (RFC 922). */
static int open_desired(struct agent *a, struct err *err)
{
	const char *subnet = a->conf.network.subnet4;
	struct desired_ranges ranges = { .id_base = (uint32_t)a->conf.containers.id_base };
	unsigned prefix = 0;
	uint32_t address = 0, mask;
	int r = ident_cidr4_parse(subnet, strlen(subnet), &address, &prefix);

	assert(r == 0); /* the configuration has been judged */
	mask = ~0u << (32 - prefix);
	ranges.first_address = (address & mask) + 1;
	ranges.last_address = (address | ~mask) - 1;
	return desired_open(a->store, &ranges, &a->desired, err);
}

static int open_state(struct agent *a, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("%s/state.db", a->conf.node.state_directory);
	bool standalone = a->conf.control.api_url[0] == '\0';
	int r = store_open(path, &a->store, err);

	if (r < 0)
		return r;
	r = open_desired(a, err);
	if (r < 0)
		return r;
	pooldir_begin(a);
	return outbox_open(a->store, standalone ? 0 : (uint64_t)a->conf.control.outbox_max_bytes,
		journal_trusted_now_ms(a->store), &a->outbox, err);
}

static int load_keys(struct agent *a, struct err *err)
{
	int r = nodekey_load(a->conf.node.state_directory, /* create= */ true, &a->nodekey, err);

	if (r < 0)
		return r;
	a->report_key = sodium_malloc(sizeof(*a->report_key));
	if (!a->report_key)
		return err_set(
			err, -ENOMEM, ERR_INTERNAL, NULL, "no locked memory for the node's key");
	report_key_init(a->report_key, a->nodekey->secret_key);
	r = trust_load(a, err);
	if (r < 0)
		return r;
	if (!a->has_keyset && a->conf.control.api_url[0])
		LOG(LOG_WARNING, NO_KEYSET, NO_FIELDS,
			"%s is missing: no remote order will be accepted",
			a->conf.control.trusted_keys);
	return 0;
}

/* On a machine without the group, root alone has access: say so and go on. */
static void find_local_group(struct agent *a)
{
	const char *name = a->conf.local.group;
	const struct group *g = name[0] ? getgrnam(name) : NULL;

	if (name[0] && !g)
		LOG(LOG_NOTICE, NO_GROUP, NO_FIELDS,
			"there is no group %s: only root can use the local sockets", name);
	a->local_group = g ? g->gr_gid : UNIXSOCK_NO_GROUP;
}

/* Without it all works, and starts are slower. */
static void favor_moves(const struct agent *a)
{
	int r = a->conf.containers.favor_dynmods ? ctgroup_favor_moves(a->groups) : 0;

	if (r > 0)
		LOG(LOG_INFO, FAVOR_DYNMODS, NO_FIELDS,
			"the host's cgroup2 is mounted with favordynmods from now on");
	else if (r < 0)
		LOG(r == -EINVAL ? LOG_INFO : LOG_WARNING, FAVOR_DYNMODS, FIELDS(.errnum = -r),
			"the host's cgroup2 can't be mounted with favordynmods: %s", strerror(-r));
}

static int start_parts(struct agent *a, struct err *err)
{
	_cleanup_(freep) char *worker = spawn_find("hoody-worker");
	int r = ctnames_settle(a, err);

	if (r >= 0)
		r = ctgroup_open(a->conf.containers.cgroup_prefix, &a->groups, err);
	if (r < 0)
		return r;
	favor_moves(a);
	r = worker_pool_new(a->event, worker, (unsigned)a->conf.node.max_workers, &a->workers);
	if (r < 0)
		return err_set(
			err, r, ERR_INTERNAL, NULL, "can't use %s: %s", worker, strerror(-r));
	r = namefiles_new(a, &a->names, err);
	if (r < 0)
		return r;
	a->listener = &agent_listener;
	a->ctwatch_owner = &supervise_watch;
	a->api = api_new(api_routes, api_routes_count);
	r = engine_new(a, ops_find, &listener, &a->engine);
	if (r < 0)
		return r;
	a->counters = counters_new();
	r = reaper_new(a, &a->reaper);
	if (r >= 0)
		r = stats_new(a, &a->stats);
	if (r >= 0)
		r = forwarder_set_new(a, &ctnet_forwarders, &a->forwarders, err);
	if (r >= 0)
		r = ctnet_new(a, &a->net, err);
	if (r >= 0)
		r = proxydir_new(a, &a->proxydir, err);
	if (r < 0)
		return r;
	find_local_group(a);
	r = ctlsrv_open(a, &a->ctlsrv, err);
	if (r >= 0)
		r = portal_new(a, &portal_handlers, &a->portal, err);
	if (r >= 0 && a->conf.metrics.listen[0])
		r = portal_new_metrics(a, &portal_handlers, &a->metrics_portal, err);
	if (r < 0 || !a->conf.control.api_url[0])
		return r;
	r = uplink_new(a, &a->uplink, err);
	if (r >= 0)
		stats_reload(a->stats); /* there is somebody to read them */
	return r;
}

/* --- recovery --- */

/* What the state says against what the kernel says. A container that an unfinished order holds is
 * that order's to settle. */
static void adopt_containers(struct agent *a, bool rebooted)
{
	for (size_t i = 0; i < desired_count(a->desired); i++) {
		struct container *c = desired_at(a->desired, i);
		bool busy = unfinished_is_busy(a->engine, c->spec.id);
		bool settled = c->status == CT_RUNNING || c->status == CT_PAUSED ||
			       c->status == CT_STOPPED;
		enum ct_status observed = ctwatch_adopt(a, c);

		if (busy && observed == CT_STOPPED)
			ctwatch_miss(a, c, rebooted);
		if (ctwatch_pid(c) > 0)
			LOG(LOG_INFO, CONTAINER_ADOPTED, FIELDS(.container_id = c->spec.id),
				"container %s is %s and goes on", c->spec.id,
				desired_status_name(observed));
		if (busy || !settled || observed == c->status)
			continue;
		status_set(a, c, observed, 0, rebooted ? "system" : "crash",
			jsonx_pack("{s:s}", "cause", ctwatch_unseen(rebooted)));
	}
}

static void log_leftover(const char *id, void *userdata)
{
	struct agent *a = userdata;

	if (!desired_find(a->desired, id))
		LOG(LOG_WARNING, LEFTOVER, FIELDS(.container_id = id),
			"cgroup %s/%s belongs to no container of this node",
			a->conf.containers.cgroup_prefix, id);
}

/* Enrolled anew, it may have another id, and then the control API counts from the beginning. */
static int recall_node_id(struct agent *a)
{
	const char *id = a->conf.node.node_id;
	_cleanup_(freep) char *before = NULL;
	size_t size;
	int r = store_meta_get(a->store, META_NODE_ID, &before, &size);

	if (r < 0 || !id[0] || (before && strcmp(before, id) == 0))
		return r;
	if (before) {
		journal_restart_seq(a->store);
		outbox_restart_chain(a->outbox);
	}
	return store_meta_set(a->store, META_NODE_ID, id, strlen(id));
}

static int recover(struct agent *a, struct err *err)
{
	_cleanup_(freep) char *boot_before = NULL;
	size_t size;
	int r = store_meta_get(a->store, META_BOOT_ID, &boot_before, &size);

	if (r >= 0)
		r = nodekey_boot_id(a->boot_id);
	if (r >= 0 && (!boot_before || strcmp(boot_before, a->boot_id) != 0))
		r = store_meta_set(a->store, META_BOOT_ID, a->boot_id, strlen(a->boot_id));
	if (r >= 0)
		r = recall_node_id(a);
	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, NULL,
			"can't tell which boot and node this is: %s", strerror(-r));
	engine_recover(a->engine);
	adopt_containers(a, boot_before && strcmp(boot_before, a->boot_id) != 0);
	if (boot_before && strcmp(boot_before, a->boot_id) != 0)
		bootstart_order(a);
	else
		bootstart_resume(a);
	ctnet_start(a);
	drift_start(a);
	proxydir_start(a->proxydir);
	if (ctgroup_list(a->groups, log_leftover, a) < 0)
		LOG(LOG_WARNING, LEFTOVER, NO_FIELDS, "the cgroup directories can't be listed");
	tell_hello(a);
	return 0;
}

/* --- the loop --- */

static void say_status(struct agent *a)
{
	size_t running = 0;

	for (size_t i = 0; i < desired_count(a->desired); i++)
		running += desired_at(a->desired, i)->status == CT_RUNNING;
	alive_status("%zu containers, %zu running; %zu orders unfinished, %llu reports to deliver",
		desired_count(a->desired), running, unfinished_count(a->engine),
		(unsigned long long)outbox_reports(a->outbox));
}

static int on_turn(sd_event_source *s, void *userdata)
{
	struct agent *a = userdata;

	engine_turn(a->engine);
	say_status(a);
	return 0;
}

static int on_terminate(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct agent *a = userdata;

	LOG(LOG_NOTICE, STOPPING, NO_FIELDS,
		"hoody-agent stops: %zu orders unfinished, containers go on running",
		unfinished_count(a->engine));
	alive_stopping();
	if (a->stopper || (bootstart_is_host_stopping() && bootstart_stop_all(a)))
		return 0; /* which ends the loop */
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

static unsigned words_in(const char *list)
{
	unsigned n = *list != '\0';

	for (; *list; list++)
		n += *list == ' ';
	return n;
}

static void say_idle(const struct agent *a)
{
	const struct {
		bool is_so;
		const char *said;
	} idle[] = {
		{ a->conf.courier.user[0] != '\0',
			"Courier.User has no effect any more: each leaf has an id of its own" },
		{ words_in(a->conf.network.dns) > SERVERS_MAX,
			"those of Network.Dns behind the third have no effect: resolv.conf(5) has "
			"room for three" },
		{ strchr(a->conf.network.proxy_addresses, ':') != NULL,
			"those of Network.ProxyAddresses that are of IPv6 have no effect: no "
			"container with rules has IPv6" },
	};

	for (size_t i = 0; i < countof(idle); i++)
		if (idle[i].is_so)
			LOG(LOG_WARNING, CONFIG_IDLE, NO_FIELDS, "%s", idle[i].said);
}

/* Who has a copy of a value that may change. */
static void spread(struct agent *a)
{
	worker_pool_resize(a->workers, (unsigned)a->conf.node.max_workers);
	outbox_resize(a->outbox, (uint64_t)a->conf.control.outbox_max_bytes);
	stats_reload(a->stats);
	ctnet_reload(a);
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct agent *a = userdata;
	char kept[CONF_KEPT_MAX] = "";
	struct conf fresh = {};
	struct err err = {};

	alive_reloading();
	if (conf_reload(&a->conf, a->conf_path, &fresh, kept, &err) < 0) {
		LOG(LOG_ERR, CONFIG_REFUSED, FIELDS(.err = &err),
			"the new configuration is refused, the old one stays in force: %s",
			err.message);
	} else {
		conf_done(&a->conf);
		a->conf = fresh;
		spread(a);
		say_idle(a);
		if (kept[0])
			LOG(LOG_WARNING, CONFIG_KEPT, NO_FIELDS,
				"these keys take effect at the next start only: %s", kept);
		LOG(LOG_NOTICE, CONFIG_LOADED, NO_FIELDS, "the configuration was loaded again");
	}
	if (trust_load(a, &err) < 0)
		LOG(LOG_ERR, CONFIG_REFUSED, FIELDS(.err = &err),
			"the trusted keys stay as they were: %s", err.message);
	namefiles_renew(a->names);
	uplink_keys_changed(a->uplink);
	uplink_renew(a->uplink);
	alive_ready();
	return 0;
}

static int join_loop(struct agent *a, struct err *err)
{
	int r = sd_event_add_signal(a->event, NULL, SIGTERM, on_terminate, a);

	if (r >= 0)
		r = sd_event_add_signal(a->event, NULL, SIGINT, on_terminate, a);
	if (r >= 0)
		r = sd_event_add_signal(a->event, NULL, SIGHUP, on_hangup, a);
	if (r >= 0)
		r = sd_event_add_post(a->event, NULL, on_turn, a);
	if (r >= 0)
		r = alive_watch(a->event);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL, "can't set up the event loop: %s",
			       strerror(-r))
		     : 0;
}

/* Code and constants are read from the page cache again where they are needed again (madvise(2));
 * what is written to is not touched. */
static int let_go_of_text(struct dl_phdr_info *of, size_t size, void *userdata)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < of->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &of->dlpi_phdr[i];
		uintptr_t from = of->dlpi_addr + p->p_vaddr, to = from + p->p_memsz;

		from = from / page * page;
		to = (to + page - 1) / page * page;
		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W))
			(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

/* Most of what the start has touched is not needed again: a MiB that would stay resident. */
static void let_go_of_start(void)
{
	(void)malloc_trim(0);
	(void)dl_iterate_phdr(let_go_of_text, NULL);
}

/* As sd_event_loop(3) does, and what each turn takes is counted. */
static int loop(struct agent *a)
{
	uint64_t began, cpu;
	int r = 0, code = 0;

	while (sd_event_get_state(a->event) != SD_EVENT_FINISHED) {
		r = sd_event_prepare(a->event);
		if (r == 0)
			r = sd_event_wait(a->event, UINT64_MAX);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		began = clock_us(CLOCK_MONOTONIC);
		cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);
		r = sd_event_dispatch(a->event);
		counters_turn(a->counters, clock_us(CLOCK_MONOTONIC) - began,
			clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu);
		if (r < 0)
			return r;
	}
	r = sd_event_get_exit_code(a->event, &code);
	return r < 0 ? r : code;
}

static int run(struct agent *a, struct err *err)
{
	int (*const parts[])(struct agent * a, struct err * err) = { make_directories, open_state,
		load_keys, start_parts, recover, join_loop };
	int r;

	for (size_t i = 0; i < countof(parts); i++) {
		r = parts[i](a, err);
		if (r < 0)
			return r;
	}
	engine_turn(a->engine);
	let_go_of_start();
	alive_ready();
	say_status(a);
	LOG(LOG_NOTICE, STARTED, NO_FIELDS, "hoody-agent %s is ready: node %s, %zu containers",
		PACKAGE_VERSION, a->conf.node.node_id[0] ? a->conf.node.node_id : "(standalone)",
		desired_count(a->desired));
	say_idle(a);
	return loop(a);
}

static void tear_down(struct agent *a)
{
	a->portal = portal_free(a->portal);
	a->metrics_portal = portal_free(a->metrics_portal);
	a->ctlsrv = ctlsrv_close(a->ctlsrv);
	a->uplink = uplink_free(a->uplink);
	a->engine = engine_free(a->engine);
	a->drift = drift_free(a->drift);
	a->net = ctnet_free(a->net);
	a->proxydir = proxydir_free(a->proxydir);
	a->names = namefiles_free(a->names);
	a->forwarders = forwarder_set_free(a->forwarders);
	a->reaper = reaper_free(a->reaper);
	a->stats = stats_free(a->stats);
	a->counters = counters_free(a->counters);
	a->stopper = worker_release(a->stopper);
	a->api = api_free(a->api); /* with what looks something up for its calls */
	a->workers = worker_pool_free(a->workers);
	for (size_t i = 0; a->desired && i < desired_count(a->desired); i++)
		ctwatch_detach(desired_at(a->desired, i));
	if (a->groups)
		ctgroup_forget(a->groups);
	a->groups = ctgroup_close(a->groups);
	a->outbox = outbox_close(a->outbox);
	a->desired = desired_close(a->desired);
	a->store = store_close(a->store);
	a->nodekey = nodekey_free(a->nodekey);
	sodium_free(a->report_key);
	sd_event_unref(a->event);
	conf_done(&a->conf);
}

static void usage(FILE *f)
{
	(void)fputs(
		"hoody-agent --config FILE [--foreground] [--debug]\n"
		"\n"
		"Makes this host what the control API's signed orders say.\n"
		"  --config FILE   configuration (default " CONF_PATH_DEFAULT
		"); see agent.conf(5)\n"
		"  --foreground    accepted for clarity: the agent never goes to the background\n"
		"  --debug         log every order's steps\n"
		"  --version, --help\n",
		f);
}

static int parse_options(int argc, char **argv, struct agent *a, int *ret_priority)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "debug", no_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'c')
			a->conf_path = optarg;
		else if (c == 'd')
			*ret_priority = LOG_DEBUG;
		else if (c == 'h')
			return usage(stdout), 1;
		else if (c == 'V')
			return (void)puts("hoody-agent " PACKAGE_VERSION), 1;
		else if (c != 'f')
			return usage(stderr), -EINVAL;
	}
	return optind == argc ? 0 : (usage(stderr), -EINVAL);
}

/* SIGCHLD is blocked for sd-event, which reads children by pidfd; SIGPIPE is no use to anybody. */
static void prepare_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < 4; i++)
		(void)sigaddset(&set, (const int[]){ SIGCHLD, SIGTERM, SIGINT, SIGHUP }[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static void say_failed(int r, const struct err *err)
{
	const char *why = err->message[0] ? err->message : strerror(-r);

	if (err->code == ERR_STATE_CORRUPT)
		LOG(LOG_CRIT, STATE_DAMAGED, FIELDS(.err = err), "hoody-agent can't go on: %s",
			why);
	else
		LOG(LOG_ERR, START_FAILED, FIELDS(.err = err), "hoody-agent can't go on: %s", why);
}

int main(int argc, char **argv)
{
	struct agent a = { .conf_path = CONF_PATH_DEFAULT };
	int priority = LOG_INFO, r = parse_options(argc, argv, &a, &priority);
	struct err err = {};

	if (r != 0)
		return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	jsonx_init();
	journald_init("hoody-agent", priority);
	(void)umask(0077);
	(void)prctl(PR_SET_DUMPABLE, 0); /* a core file would hold the node's key */
	prepare_signals();
	a.started_ms = agent_now_ms();
	a.started_elapsed_ms = agent_elapsed_ms();
	if (sodium_init() < 0 || sd_event_default(&a.event) < 0)
		return EXIT_FAILURE;
	r = conf_load(a.conf_path, &a.conf, &err);
	if (r >= 0)
		r = run(&a, &err);
	if (r < 0)
		say_failed(r, &err);
	tear_down(&a);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
