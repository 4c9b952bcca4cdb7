/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctspec.h"

#include "proto/jsonx.h"

json_t *ctspec_to_json(const struct ctspec *s)
{
	json_t *v = json_object();

	jsonx_set_string(v, "id", s->id);
	jsonx_set_string(v, "project_id", s->project_id);
	jsonx_set_string(v, "name", s->name);
	jsonx_set_string(v, "image", s->image);
	jsonx_set_int(v, "id_base", s->id_base);
	jsonx_set_bool(v, "autostart", s->autostart);
	jsonx_set_bool(v, "hoody_kit", s->hoody_kit);
	jsonx_set_bool(v, "ramdisk", s->ramdisk);
	jsonx_set_bool(v, "ramdisk_project", s->ramdisk_project);
	jsonx_set_bool(v, "kvm", s->kvm);
	jsonx_set_int(v, "ipv4", s->ipv4);
	jsonx_set(v, "limits",
		jsonx_pack("{s:f, s:I, s:I, s:I, s:I, s:I, s:I}", "cpu_cores", s->limits.cpu_cores,
			"memory_bytes", (json_int_t)s->limits.memory_bytes, "pids",
			(json_int_t)s->limits.pids, "disk_bytes", (json_int_t)s->limits.disk_bytes,
			"net_bps", (json_int_t)s->limits.net_bps, "io_read_bps",
			(json_int_t)s->limits.io_read_bps, "io_write_bps",
			(json_int_t)s->limits.io_write_bps));
	if (s->stop_signal)
		jsonx_set_int(v, "stop_signal", s->stop_signal);
	if (s->source_id[0])
		jsonx_set_string(v, "source_container_id", s->source_id);
	return v;
}

void ctspec_hostname(const struct ctspec *s, char ret[static CTSPEC_HOSTNAME_MAX + 1])
{
	(void)snprintf(ret, CTSPEC_HOSTNAME_MAX + 1, "%.*s", CTSPEC_HOSTNAME_MAX,
		s->name[0] ? s->name : s->id);
}

void ctspec_limits_merge(struct ctspec_limits *l, const json_t *over)
{
	const struct {
		const char *key;
		int64_t *to;
	} numbers[] = {
		{ "memory_bytes", &l->memory_bytes },
		{ "pids", &l->pids },
		{ "disk_bytes", &l->disk_bytes },
		{ "net_bps", &l->net_bps },
		{ "io_read_bps", &l->io_read_bps },
		{ "io_write_bps", &l->io_write_bps },
	};
	const json_t *cores = json_object_get(over, "cpu_cores");

	if (cores)
		l->cpu_cores = json_number_value(cores);
	for (size_t i = 0; i < countof(numbers); i++) {
		const json_t *v = json_object_get(over, numbers[i].key);

		if (v)
			*numbers[i].to = json_integer_value(v);
	}
}

/* A control byte in a value would become a line of its own in liblxc's configuration. */
static bool is_clean(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static int copy_text(
	const json_t *v, const char *key, bool required, char *to, size_t size, struct err *err)
{
	const char *s = NULL;
	int r = jsonx_string(v, key, required, &s, ERR_INVALID_PARAMS, err);

	if (r < 0 || !s)
		return r;
	if (strlen(s) >= size || !is_clean(s))
		return err_set(err, -EINVAL, ERR_INVALID_PARAMS, key,
			"%s is too long or has control bytes", key);
	strcpy(to, s);
	return 0;
}

static int read_limits(const json_t *v, struct ctspec_limits *ret, struct err *err)
{
	const struct {
		const char *key;
		int64_t max, *to;
	} numbers[] = {
		{ "memory_bytes", INT64_MAX, &ret->memory_bytes },
		{ "pids", INT32_MAX, &ret->pids },
		{ "disk_bytes", INT64_MAX, &ret->disk_bytes },
		{ "net_bps", INT64_MAX, &ret->net_bps },
		{ "io_read_bps", INT64_MAX, &ret->io_read_bps },
		{ "io_write_bps", INT64_MAX, &ret->io_write_bps },
	};
	int r = 0;

	for (size_t i = 0; i < countof(numbers) && r >= 0; i++)
		r = jsonx_int(v, numbers[i].key, false, 0, numbers[i].max, numbers[i].to,
			ERR_INVALID_PARAMS, err);
	ret->cpu_cores = json_number_value(json_object_get(v, "cpu_cores"));
	return r;
}

static int read_switches(const json_t *v, struct ctspec *ret, struct err *err)
{
	const struct {
		const char *key;
		bool *to;
	} switches[] = {
		{ "autostart", &ret->autostart },
		{ "hoody_kit", &ret->hoody_kit },
		{ "ramdisk", &ret->ramdisk },
		{ "ramdisk_project", &ret->ramdisk_project },
		{ "kvm", &ret->kvm },
	};
	int r = 0;

	for (size_t i = 0; i < countof(switches) && r >= 0; i++)
		r = jsonx_bool(v, switches[i].key, false, switches[i].to, ERR_INVALID_PARAMS, err);
	return r;
}

int ctspec_from_json(const json_t *v, struct ctspec *ret, struct err *err)
{
	struct ctspec s = {};
	int64_t id_base = 0, ipv4 = 0, signal = 0;
	int r = copy_text(v, "id", true, s.id, sizeof(s.id), err);

	if (r >= 0)
		r = copy_text(v, "project_id", true, s.project_id, sizeof(s.project_id), err);
	if (r >= 0)
		r = copy_text(v, "name", true, s.name, sizeof(s.name), err);
	if (r >= 0)
		r = copy_text(v, "image", true, s.image, sizeof(s.image), err);
	if (r >= 0)
		r = copy_text(
			v, "source_container_id", false, s.source_id, sizeof(s.source_id), err);
	if (r >= 0)
		r = jsonx_int(v, "id_base", true, 1, UINT32_MAX - CTSPEC_ID_RANGE + 1LL, &id_base,
			ERR_INVALID_PARAMS, err);
	if (r >= 0)
		r = jsonx_int(v, "ipv4", false, 0, UINT32_MAX, &ipv4, ERR_INVALID_PARAMS, err);
	if (r >= 0)
		r = jsonx_int(v, "stop_signal", false, 0, CTSPEC_SIGNAL_MAX, &signal,
			ERR_INVALID_PARAMS, err);
	if (r >= 0)
		r = read_switches(v, &s, err);
	if (r >= 0)
		r = read_limits(json_object_get(v, "limits"), &s.limits, err);
	if (r < 0)
		return r;
	if (!ident_is_id(s.id))
		return err_set(
			err, -EINVAL, ERR_INVALID_PARAMS, "id", "\"%s\" is no container id", s.id);
	s.id_base = (uint32_t)id_base;
	s.ipv4 = (uint32_t)ipv4;
	s.stop_signal = (int)signal;
	*ret = s;
	return 0;
}
