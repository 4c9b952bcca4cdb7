/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firewall without the agent, for tests: a JSON object per line in, one out, in the network
 * namespace that it is started in.
 *
 *   {"open":{"table":"t","prefix":"hd","subnet":[low,high],"masquerade":false,
 *     "proxies":[[low,high]]}}
 *   {"expect"|"put":{"ifname":"hd0","mac":"02…","address":n,"project":n,"ingress":[rules]|null,
 *     "egress":…}}
 *   {"load":true}  {"remove":"hd0"}  {"count":{"ifname":"hd0","direction":0,"n":5}}
 *   {"cut":address}  {"cut_all":"ADDRESS"}
 *   {"foreign":true}  has somebody else changed the table?
 *
 * Answers {"ok":true,"us":microseconds,…} or {"ok":false,"code":…,"message":…}. */
#include <arpa/inet.h>
#include <sodium.h>
#include <time.h>

#include "netfilter/ctcut.h"
#include "netfilter/ctflow.h"
#include "netfilter/fwjson.h"
#include "netfilter/nfwatch.h"
#include "proto/jsonx.h"

static struct fwtable *table;
static struct nfsock *conntrack;
static struct nfwatch *watch;

static uint32_t number(const json_t *v, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(v, key));
}

static struct fwrange range(const json_t *v)
{
	return (struct fwrange){ (uint32_t)json_integer_value(json_array_get(v, 0)),
		(uint32_t)json_integer_value(json_array_get(v, 1)) };
}

static int open_all(const json_t *v, struct err *err)
{
	const json_t *proxies = json_object_get(v, "proxies");
	struct fwrange at[16];
	struct fwtable_conf conf = { .table = json_string_value(json_object_get(v, "table")),
		.prefix = json_string_value(json_object_get(v, "prefix")),
		.masquerade = json_is_true(json_object_get(v, "masquerade")),
		.metadata = json_is_true(json_object_get(v, "metadata")),
		.flows_max = number(v, "flows_max"),
		.subnet = range(json_object_get(v, "subnet")),
		.proxies = { MIN_OF(json_array_size(proxies), countof(at)), at } };
	int r;

	for (size_t i = 0; i < conf.proxies.n; i++)
		at[i] = range(json_array_get(proxies, i));
	r = nfwatch_open(conf.table, &watch);
	if (r >= 0)
		r = nfsock_open(&conntrack);
	return r < 0 ? r : fwtable_open(&conf, &table, err);
}

static int put(const json_t *v, bool load, struct err *err)
{
	static const char *const names[FW_DIRECTIONS] = { "ingress", "egress" };
	struct fwport port = { .address = number(v, "address"), .project = number(v, "project") };
	struct fwplan plans[FW_DIRECTIONS] = {}, *take[FW_DIRECTIONS] = {};
	const char *mac = json_string_value(json_object_get(v, "mac"));
	int r = 0;

	(void)snprintf(port.ifname, sizeof(port.ifname), "%s",
		json_string_value(json_object_get(v, "ifname")));
	(void)sodium_hex2bin(port.mac, sizeof(port.mac), mac, strlen(mac), ":", NULL, NULL);
	for (int d = 0; r == 0 && d < FW_DIRECTIONS; d++) {
		const json_t *rules = json_object_get(v, names[d]);

		if (!json_is_array(rules))
			continue;
		r = fwjson_plan(rules, (enum fwdirection)d, &plans[d], err);
		take[d] = &plans[d];
	}
	if (r == 0 && load)
		r = fwtable_put(table, &port, take, err);
	else if (r == 0)
		fwtable_expect(table, &port, take);
	for (int d = 0; d < FW_DIRECTIONS; d++)
		fwplan_done(&plans[d]);
	return r;
}

static int count(const json_t *v, json_t *answer)
{
	size_t n = number(v, "n");
	_cleanup_(freep) uint64_t *packets = xcalloc(n, sizeof(*packets));
	_cleanup_(freep) uint64_t *bytes = xcalloc(n, sizeof(*bytes));
	json_t *list = json_array();
	int r = fwtable_count(table, json_string_value(json_object_get(v, "ifname")),
		(enum fwdirection)number(v, "direction"), packets, bytes, n);

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_integer((json_int_t)packets[i]));
	(void)json_object_set_new(answer, "packets", list);
	return r;
}

static int load(struct err *err)
{
	int r;

	nfwatch_pause(watch);
	r = fwtable_load(table, err);
	if (nfwatch_resume(watch, r >= 0) && r >= 0)
		r = err_set(err, -EAGAIN, ERR_FIREWALL_HOST_UNAVAILABLE, NULL,
			"somebody else was there");
	return r;
}

static int obey(const char *verb, const json_t *v, json_t *answer, struct err *err)
{
	uint8_t address[16];
	size_t n = 0;
	int r = -EINVAL;

	if (strcmp(verb, "open") == 0)
		return open_all(v, err);
	if (strcmp(verb, "put") == 0 || strcmp(verb, "expect") == 0)
		return put(v, *verb == 'p', err);
	if (strcmp(verb, "load") == 0)
		return load(err);
	if (strcmp(verb, "remove") == 0)
		return fwtable_remove(table, json_string_value(v), err);
	if (strcmp(verb, "count") == 0)
		return count(v, answer);
	if (strcmp(verb, "cut") == 0) {
		r = ctcut_run(table, conntrack, (uint32_t)json_integer_value(v), false, &n);
		(void)json_object_set_new(answer, "cut", json_integer((json_int_t)n));
	} else if (strcmp(verb, "cut_all") == 0) {
		int family = strchr(json_string_value(v), ':') ? AF_INET6 : AF_INET;

		if (inet_pton(family, json_string_value(v), address) == 1)
			r = ctflow_cut(conntrack, (uint8_t)family, address, &n);
		(void)json_object_set_new(answer, "cut", json_integer((json_int_t)n));
	} else if (strcmp(verb, "foreign") == 0) {
		(void)json_object_set_new(answer, "foreign",
			json_boolean(nfwatch_read(watch, fwtable_netlink_port(table))));
		r = 0;
	}
	return r;
}

static int64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int main(void)
{
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		_cleanup_json_ json_t *wish = json_loads(line, 0, NULL), *answer = json_object();
		void *at = json_object_iter(wish);
		struct err err = {};
		int64_t began = now_us();
		int r = at ? obey(json_object_iter_key(at), json_object_iter_value(at), answer,
				     &err)
			   : -EINVAL;
		_cleanup_(freep) char *text = NULL;

		(void)json_object_set_new(answer, "us", json_integer(now_us() - began));
		(void)json_object_set_new(answer, "ok", json_boolean(r >= 0));
		if (r < 0)
			(void)json_object_set_new(answer, "message",
				json_sprintf("%s (%s)", err.message, strerror(-r)));
		text = jsonx_dump(answer);
		(void)printf("%s\n", text);
		(void)fflush(stdout);
	}
	fwtable_close(table);
	nfwatch_close(watch);
	nfsock_close(conntrack);
	return 0;
}
