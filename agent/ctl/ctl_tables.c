/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at each table that isn't ours, of nftables and of iptables-legacy, for one that drops
 * what containers send or are sent. The first trial (agent/ctl/ctl_packet.h) is made with no
 * table at all, to see whether trials mean anything on this host. If they do each table is
 * tried; what can't be tried is read instead: does a chain on the forwarding way drop by policy,
 * or by a rule without a condition, and does no rule speak of our links?
 *
 * What is found last only replaces something less bad: a fault (outwards) a doubt (inwards), and
 * no more tables are looked at behind a fault. It is told how to mend it; nothing is changed. */
#include "agent/ctl/ctl_tables.h"

#include <stdio.h>
#include <unistd.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/ctl_packet.h"
#include "agent/ctl/ctl_run.h"
#include "agent/ctl/ctl_text.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define TRIALS_MAX  64
#define JUMPS_MAX   16 /* as the kernel has it: NFT_JUMP_STACK_SIZE */
#define LEGACY      "/proc/net/ip_tables_names"
#define LEGACY_NAME 32

struct look {
	const struct conf *conf;
	struct ctl_packet_world world;
	struct ctl_tables_finding *out;
	bool can_try;                 /* a packet gets through the copy when no table is in it */
	unsigned n, untried, unknown; /* tables; those that could only be read, and not even that */
};

/* --- reading --- */

static bool has_key(const json_t *rule, const char *key)
{
	json_t *part;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, part)
		if (json_object_get(part, key))
			return true;
	return false;
}

/* What a rule without a condition does, beside counting and logging, and with what; NULL: nothing,
 * or it has one. */
static const char *only_statement(const json_t *rule, const json_t **ret)
{
	const char *key, *found = NULL;
	json_t *part, *v;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, part)
		json_object_foreach(part, key, v) {
			if (strcmp(key, "counter") == 0 || strcmp(key, "log") == 0)
				continue;
			if (found)
				return NULL;
			found = key;
			*ret = v;
		}
	return found;
}

/* Does all that comes into the chain end in it, or where it leads? */
static bool chain_ends(const json_t *table, const char *chain, unsigned depth)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(table, "nftables"), i, entry) {
		const json_t *rule = json_object_get(entry, "rule");
		const char *in = ctl_text_of(rule, "chain"), *does, *to;
		const json_t *with = NULL;

		if (!in || strcmp(in, chain) != 0)
			continue;
		does = only_statement(rule, &with);
		if (!does)
			continue;
		if (strcmp(does, "drop") == 0 || strcmp(does, "reject") == 0)
			return true; /* as firewalld has it at a chain's end */
		to = strcmp(does, "jump") == 0 || strcmp(does, "goto") == 0
			     ? ctl_text_of(with, "target")
			     : NULL;
		if (to && depth < JUMPS_MAX && chain_ends(table, to, depth + 1))
			return true;
	}
	return false;
}

/* Somebody has thought of containers' links: a rule for @pattern that leads on. */
static bool lets_links_pass(const json_t *rule, const char *pattern)
{
	json_t *part;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, part) {
		const char *to = ctl_text_of(json_object_get(part, "match"), "right");

		if (to && strcmp(to, pattern) == 0)
			return has_key(rule, "accept") || has_key(rule, "jump") ||
			       has_key(rule, "goto");
	}
	return false;
}

/* A hook that forwarded packets pass, as it is said; NULL: another. */
static const char *forwarding_hook(const char *hook)
{
	static const char *const said[] = { "in prerouting", "in forward", "in postrouting" };

	for (size_t i = 0; hook && i < countof(said); i++)
		if (strcmp(said[i] + strlen("in "), hook) == 0)
			return said[i];
	return NULL;
}

/* The hook whose chain drops what is forwarded, as far as can be read; NULL: none. */
static const char *read_table(const json_t *table, const char *prefix)
{
	_cleanup_(freep) char *pattern = xasprintf("%s*", prefix);
	const char *drops = NULL;
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(table, "nftables"), i, entry) {
		const json_t *chain = json_object_get(entry, "chain");
		const char *policy = ctl_text_of(chain, "policy"),
			   *where = forwarding_hook(ctl_text_of(chain, "hook"));

		if (lets_links_pass(json_object_get(entry, "rule"), pattern))
			return NULL;
		if (!drops && where &&
			((policy && strcmp(policy, "drop") == 0) ||
				chain_ends(table, ctl_text_of(chain, "name"), 0)))
			drops = where;
	}
	return drops;
}

/* --- what is said --- */

static void mend(struct look *l)
{
	const char *prefix = l->conf->network.interface_prefix;

	l->out->mend = xasprintf(
		"let containers' links pass there. Docker: iptables -I DOCKER-USER -i %1$s+ -j "
		"ACCEPT; iptables -I DOCKER-USER -o %1$s+ -j ACCEPT. firewalld: firewall-cmd "
		"--permanent --zone=trusted --add-interface=%1$s+; firewall-cmd --reload. "
		"iptables-legacy: iptables-legacy -I FORWARD -i %1$s+ -j ACCEPT; iptables-legacy "
		"-I "
		"FORWARD -o %1$s+ -j ACCEPT. Else: a rule for iifname and oifname \"%1$s*\" in "
		"that chain",
		prefix);
}

static void say(struct look *l, const struct ctl_packet_table *t, enum ctl_packet_end end,
	const char *where)
{
	bool fault = end != CTL_PACKET_NOT_IN;

	if (l->out->fault || (l->out->doubt && !fault))
		return;
	l->out->fault = fault;
	l->out->doubt = !fault;
	(void)snprintf(l->out->found, sizeof(l->out->found), "table %s %s drops what %s %s, %s",
		t->family ? t->family : "of iptables-legacy", t->name,
		fault ? "containers send" : "others send to containers", where,
		end == CTL_PACKET_UNTRIED ? "as it reads" : "as a packet in a copy has shown");
	if (!l->out->mend)
		mend(l);
}

/* --- all of them --- */

static enum ctl_packet_end try_one(
	struct look *l, const struct ctl_packet_table *t, const char **ret_where)
{
	const char *ignored;

	if (l->n == 1)
		l->can_try = ctl_packet_try(&l->world, &(struct ctl_packet_table){}, &ignored) ==
			     CTL_PACKET_PASSES;
	if (!l->can_try || l->n > TRIALS_MAX || (t->family && strcmp(t->family, "ip6") == 0))
		return CTL_PACKET_UNTRIED;
	return ctl_packet_try(&l->world, t, ret_where);
}

static void look_at(struct look *l, const struct ctl_packet_table *t)
{
	const char *const argv[] = { "nft", "-j", "list", "table", t->family, t->name, NULL };
	const char *where = NULL;
	enum ctl_packet_end end;

	if (l->out->fault)
		return; /* one is enough to be mended first */
	l->n++;
	end = try_one(l, t, &where);
	if (end == CTL_PACKET_UNTRIED) {
		_cleanup_json_ json_t *table = t->family ? ctl_run_json(argv) : NULL;

		where = table ? read_table(table, l->conf->network.interface_prefix) : NULL;
		l->untried++;
		l->unknown += !table;
	}
	if (where)
		say(l, t, end, where);
}

/* Those of IPv6 alone matter where containers have it. */
static bool is_foreign(const struct conf *conf, const char *family, const char *name)
{
	if (strcmp(family, "inet") == 0)
		return strcmp(name, conf->network.table) != 0;
	return strcmp(family, "ip") == 0 ||
	       (strcmp(family, "ip6") == 0 && conf->network.subnet6[0]);
}

static void look_at_nft(struct look *l, const json_t *tables)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(tables, "nftables"), i, entry) {
		const json_t *table = json_object_get(entry, "table");
		const struct ctl_packet_table t = { ctl_text_of(table, "family"),
			ctl_text_of(table, "name") };

		if (t.family && t.name && is_foreign(l->conf, t.family, t.name))
			look_at(l, &t);
	}
}

static void look_at_legacy(struct look *l)
{
	char name[LEGACY_NAME];
	FILE *f = fopen(LEGACY, "re");

	while (f && fgets(name, sizeof(name), f)) {
		name[strcspn(name, "\n")] = '\0';
		look_at(l, &(struct ctl_packet_table){ NULL, name });
	}
	if (f)
		(void)fclose(f);
}

void ctl_tables_look(const struct conf *conf, struct ctl_tables_finding *ret)
{
	static const char *const argv[] = { "nft", "-j", "list", "tables", NULL };
	struct look l = {
		.conf = conf, .out = ret, .world.prefix = conf->network.interface_prefix
	};
	_cleanup_json_ json_t *tables = ctl_run_json(argv);
	unsigned prefix;

	*ret = (struct ctl_tables_finding){};
	if (!tables || geteuid() != 0 ||
		ident_cidr4_parse(conf->network.subnet4, strlen(conf->network.subnet4),
			&l.world.container, &prefix) < 0) {
		ret->doubt = true;
		ret->mend = xstrdup("install nftables, and run this as root");
		(void)snprintf(ret->found, sizeof(ret->found), "nft list tables says nothing");
		return;
	}
	l.world.container += 2;
	look_at_nft(&l, tables);
	look_at_legacy(&l);
	if (ret->fault || ret->doubt)
		return;
	ret->doubt = l.unknown > 0;
	if (ret->doubt)
		ret->mend = xstrdup("install iproute2 and nftables, or look at iptables-legacy -S");
	if (l.n == 0)
		(void)snprintf(ret->found, sizeof(ret->found), "nobody else has a table");
	else if (l.untried > 0)
		(void)snprintf(ret->found, sizeof(ret->found),
			"of %u table%s of others, %u can't be tried by packets%s", l.n,
			ctl_text_s(l.n), l.untried,
			l.unknown ? ", nor read" : "; they read as if they dropped none");
	else
		(void)snprintf(ret->found, sizeof(ret->found),
			"packets pass %u table%s of others, in a copy", l.n, ctl_text_s(l.n));
}

void ctl_tables_done(struct ctl_tables_finding *f)
{
	free(f->mend);
	f->mend = NULL;
}
