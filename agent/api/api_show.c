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
		(void)json_object_set_new(v, "cpu_cores", jsonx_number(l->cpu_cores));
	if (l->memory_bytes > 0)
		(void)json_object_set_new(
			v, "memory_bytes", json_integer((json_int_t)l->memory_bytes));
	if (l->pids > 0)
		(void)json_object_set_new(v, "pids", json_integer((json_int_t)l->pids));
	if (l->disk_bytes > 0)
		(void)json_object_set_new(v, "disk_bytes", json_integer((json_int_t)l->disk_bytes));
	if (l->io_read_bps > 0)
		(void)json_object_set_new(
			v, "io_read_bps", json_integer((json_int_t)l->io_read_bps));
	if (l->io_write_bps > 0)
		(void)json_object_set_new(
			v, "io_write_bps", json_integer((json_int_t)l->io_write_bps));
	if (l->net_bps > 0)
		(void)json_object_set_new(v, "net_bps", json_integer((json_int_t)l->net_bps));
	return v;
}

json_t *api_show_container(const struct agent *a, const struct container *c)
{
	const struct ctspec *s = &c->spec;
	pid_t pid = ctwatch_pid(c);

	json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o?, s:o, s:o, s:b, s:b, "
			      "s:b, s:s, s:s?, s:I, s:o, "
			      "s:o, s:o}",
		"id", s->id, "project_id", s->project_id, "name", s->name, "container_image",
		s->image, "status", desired_status_name(c->status), "server_name",
		a->conf.node.name, "autostart", s->autostart, "limits", limits(&s->limits), "pid",
		pid > 0 ? json_integer(pid) : json_null(), "environment_vars",
		envlist_vars(a->store, s->id), "env_sync", envlist_sync(a->store, s->id),
		"hoody_kit", s->hoody_kit, "kvm", s->kvm, "ramdisk", s->ramdisk, "ramdisk_scope",
		s->ramdisk_project ? "project" : "container", "source_container_id",
		s->source_id[0] ? s->source_id : NULL, "snapshot_count",
		(json_int_t)snaplist_count(a->store, s->id), "last_used_snapshot",
		snaplist_last_used(a->store, s->id), "created_at", jsonx_time(c->created_ms),
		"updated_at", jsonx_time(c->changed_ms));

	keylist_show(a->store, s->id, v);
	notelist_show(a->store, s->id, v);
	return v;
}

void api_show_domains(const struct agent *a, const struct container *c, json_t *shown)
{
	json_t *aliases = aliaslist_json(a->store, c->spec.id);
	size_t n = json_array_size(aliases);

	(void)json_object_set_new(shown, "proxy_domains", aliases);
	(void)json_object_set_new(shown, "has_proxy_domains", json_boolean(n > 0));
	(void)json_object_set_new(shown, "proxy_domains_count", json_integer((json_int_t)n));
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

	(void)json_object_set_new(shown, "has_proxy_permissions", json_boolean(own || project));
	(void)json_object_set_new(shown, "proxy_permissions_scope", json_string(scope));
	(void)json_object_set_new(shown, "proxy_permissions", own ? own : json_null());
	(void)json_object_set_new(
		shown, "project_proxy_permissions", project ? project : json_null());
}
