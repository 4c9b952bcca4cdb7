/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/host/ctnames.h"

#include "agent/common/conf_table.h"
#include "agent/common/journald.h"
#include "agent/common/nodekey.h"
#include "agent/state/desired.h"
#include "agent/state/store.h"
#include "lxc/ctgroup.h"
#include "netfilter/fwtable.h"
#include "proto/jsonx.h"

#define META_NAMES \
	"names" /* of the last start: {"boot", and each key}; NULL before there was one */
#define BOOT "boot"

enum { CGROUPS, LINKS, TABLE, COUNT };
static const struct {
	const char *section, *key;
} names[COUNT] = {
	[CGROUPS] = { "Containers", "CgroupPrefix" },
	[LINKS] = { "Network", "InterfacePrefix" },
	[TABLE] = { "Network", "Table" },
};

static const struct conf_key *row(int i)
{
	return conf_table_find(names[i].section, names[i].key);
}

/* The names that hold until now; NULL: the kernel has nothing by any of them. */
static json_t *recall(struct agent *a, const char *boot_id)
{
	_cleanup_(freep) char *text = NULL;
	const char *boot;
	size_t size;
	json_t *was;

	store_must(store_meta_get(a->store, META_NAMES, &text, &size));
	was = text ? json_loads(text, 0, NULL) : NULL;
	boot = json_string_value(json_object_get(was, BOOT));
	if (boot && strcmp(boot, boot_id) == 0)
		return was;
	json_decref(was);
	return NULL;
}

static json_t *names_of(const struct agent *a, const char *boot_id)
{
	json_t *v = json_object();

	jsonx_set_string(v, BOOT, boot_id);
	for (int i = 0; i < COUNT; i++) {
		_cleanup_(freep) char *value = conf_table_value(row(i), &a->conf);

		jsonx_set_string(v, names[i].key, value);
	}
	return v;
}

static void record(struct agent *a, const char *boot_id)
{
	_cleanup_json_ json_t *v = names_of(a, boot_id);
	_cleanup_(freep) char *text = jsonx_dump(v);

	store_must(store_meta_set(a->store, META_NAMES, text, strlen(text)));
}

static int runs_any(struct agent *a, const char *prefix, struct err *err)
{
	struct ctgroup *g;
	int r = ctgroup_open(prefix, &g, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < desired_count(a->desired); i++)
		r = ctgroup_is_populated(g, desired_at(a->desired, i)->spec.id);
	ctgroup_close(g);
	return r < 0 ? err_set(err, r, ERR_INTERNAL, NULL, "can't tell which containers run: %s",
			       strerror(-r))
		     : r;
}

static void hold(struct agent *a, const json_t *was)
{
	char kept[CONF_KEPT_MAX] = "";

	for (int i = 0; i < COUNT; i++) {
		const char *before = json_string_value(json_object_get(was, names[i].key)), *why;
		_cleanup_(freep) char *value = conf_table_value(row(i), &a->conf);

		if (!before || strcmp(before, value) == 0 ||
			conf_table_set(&a->conf, row(i), before, false, &why) < 0)
			continue;
		conf_table_keep(row(i), kept);
	}
	if (*kept)
		LOG(LOG_WARNING, CONFIG_KEPT, NO_FIELDS,
			"these keys take effect at the first start at which no container runs: %s",
			kept);
}

/* It would go on dropping what comes from links that it doesn't know. */
static void take_off(struct agent *a, const char *table)
{
	struct err err = {};

	if (table && strcmp(table, a->conf.network.table) != 0 && fwtable_drop(table, &err) < 0)
		LOG(LOG_WARNING, LEFTOVER, FIELDS(.err = &err),
			"table %s was the agent's, and can't be removed: %s", table, err.message);
}

int ctnames_settle(struct agent *a, struct err *err)
{
	_cleanup_json_ json_t *was = NULL, *wanted = NULL;
	char boot_id[32 + 1];
	const char *groups;
	int r = nodekey_boot_id(boot_id);

	if (r < 0)
		return err_set(err, r, ERR_INTERNAL, NULL, "can't tell which boot this is: %s",
			strerror(-r));
	was = recall(a, boot_id);
	wanted = names_of(a, boot_id);
	if (json_equal(was, wanted))
		return 0;
	groups = json_string_value(json_object_get(was, names[CGROUPS].key));
	r = groups ? runs_any(a, groups, err) : 0;
	if (r < 0)
		return r;
	if (r > 0)
		hold(a, was);
	else
		take_off(a, json_string_value(json_object_get(was, names[TABLE].key)));
	record(a, boot_id);
	return 0;
}
