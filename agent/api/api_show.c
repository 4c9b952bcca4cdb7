/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/api_show.h"
#include "proto/jsonx.h"

#include "agent/api/api.h"
#include "agent/host/ctwatch.h"
#include "agent/state/aliaslist.h"
#include "agent/state/doclist.h"
#include "agent/state/envlist.h"
#include "agent/state/keylist.h"
#include "agent/state/notelist.h"
#include "agent/state/snaplist.h"

static json_t *limits(const struct ctspec_limits *l)
{
	json_t *v = json_object();

	if (l->cpu_cores > 0)
		jsonx_set(v, "cpu_cores", jsonx_number(l->cpu_cores));
	if (l->memory_bytes > 0)
		jsonx_set_int(v, "memory_bytes", l->memory_bytes);
	if (l->pids > 0)
		jsonx_set_int(v, "pids", l->pids);
	if (l->disk_bytes > 0)
		jsonx_set_int(v, "disk_bytes", l->disk_bytes);
	if (l->io_read_bps > 0)
		jsonx_set_int(v, "io_read_bps", l->io_read_bps);
	if (l->io_write_bps > 0)
		jsonx_set_int(v, "io_write_bps", l->io_write_bps);
	if (l->net_bps > 0)
		jsonx_set_int(v, "net_bps", l->net_bps);
	return v;
}

json_t *api_show_container(const struct agent *a, const struct container *c)
{
	const struct ctspec *s = &c->spec;
	pid_t pid = ctwatch_pid(c);

	json_t *v = json_object();

	jsonx_set_string(v, "id", s->id);
	jsonx_set_string(v, "project_id", s->project_id);
	jsonx_set_string(v, "name", s->name);
	jsonx_set_string(v, "container_image", s->image);
	jsonx_set_string(v, "status", desired_status_name(c->status));
	jsonx_set_string(v, "server_name", a->conf.node.name);
	jsonx_set_bool(v, "autostart", s->autostart);
	jsonx_set(v, "limits", limits(&s->limits));
	jsonx_set(v, "pid", pid > 0 ? json_integer(pid) : json_null());
	jsonx_set(v, "environment_vars", envlist_vars(a->store, s->id));
	jsonx_set(v, "env_sync", envlist_sync(a->store, s->id));
	jsonx_set_bool(v, "hoody_kit", s->hoody_kit);
	jsonx_set_bool(v, "kvm", s->kvm);
	jsonx_set_bool(v, "ramdisk", s->ramdisk);
	jsonx_set_string(v, "ramdisk_scope", s->ramdisk_project ? "project" : "container");
	jsonx_set_string(v, "source_container_id", s->source_id[0] ? s->source_id : NULL);
	jsonx_set_int(v, "snapshot_count", snaplist_count(a->store, s->id));
	jsonx_set(v, "last_used_snapshot", snaplist_last_used(a->store, s->id));
	jsonx_set(v, "created_at", jsonx_time(c->created_ms));
	jsonx_set(v, "updated_at", jsonx_time(c->changed_ms));

	keylist_show(a->store, s->id, v);
	notelist_show(a->store, s->id, v);
	return v;
}

void api_show_domains(const struct agent *a, const struct container *c, json_t *shown)
{
	json_t *aliases = aliaslist_json(a->store, c->spec.id);
	size_t n = json_array_size(aliases);

	jsonx_set(shown, "proxy_domains", aliases);
	jsonx_set_bool(shown, "has_proxy_domains", n > 0);
	jsonx_set_int(shown, "proxy_domains_count", n);
}

void api_show_permissions(const struct agent *a, const struct container *c, json_t *shown)
{
	int64_t version;
	json_t *own = doclist_get(a->store, "container", c->spec.id, &version),
	       *project = doclist_get(a->store, "project", c->spec.project_id, &version);
	const char *scope = own && project ? "both"
			    : own          ? "container"
			    : project      ? "project"
					   : "none";

	jsonx_set_bool(shown, "has_proxy_permissions", own || project);
	jsonx_set_string(shown, "proxy_permissions_scope", scope);
	jsonx_set(shown, "proxy_permissions", own ? own : json_null());
	jsonx_set(shown, "project_proxy_permissions", project ? project : json_null());
}
