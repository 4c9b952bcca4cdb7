/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lxc/ctspec.h"

#include "proto/jsonx.h"

json_t *ctspec_to_json(const struct ctspec *s)
{
	json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:I, s:{s:f, s:I, s:I, s:I, s:I}}",
		"id", s->id, "project_id", s->project_id, "name", s->name, "image", s->image,
		"id_base", (json_int_t)s->id_base, "autostart", s->autostart, "ipv4",
		(json_int_t)s->ipv4, "limits", "cpu_cores", s->limits.cpu_cores, "memory_bytes",
		(json_int_t)s->limits.memory_bytes, "pids", (json_int_t)s->limits.pids,
		"disk_bytes", (json_int_t)s->limits.disk_bytes, "net_bps",
		(json_int_t)s->limits.net_bps);

	if (v && s->source_id[0])
		(void)json_object_set_new(v, "source_container_id", json_string(s->source_id));
	if (!v)
		abort(); /* only for want of memory, or text that order's checks let no one in with
			  */
	return v;
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
	const json_t *cores = json_object_get(v, "cpu_cores");
	int r = jsonx_int(v, "memory_bytes", false, 0, INT64_MAX, &ret->memory_bytes,
		ERR_INVALID_PARAMS, err);

	if (r >= 0)
		r = jsonx_int(v, "pids", false, 0, INT32_MAX, &ret->pids, ERR_INVALID_PARAMS, err);
	if (r >= 0)
		r = jsonx_int(v, "disk_bytes", false, 0, INT64_MAX, &ret->disk_bytes,
			ERR_INVALID_PARAMS, err);
	if (r >= 0)
		r = jsonx_int(
			v, "net_bps", false, 0, INT64_MAX, &ret->net_bps, ERR_INVALID_PARAMS, err);
	ret->cpu_cores = json_number_value(cores);
	return r;
}

int ctspec_from_json(const json_t *v, struct ctspec *ret, struct err *err)
{
	struct ctspec s = {};
	int64_t id_base = 0, ipv4 = 0;
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
		r = jsonx_bool(v, "autostart", false, &s.autostart, ERR_INVALID_PARAMS, err);
	if (r >= 0)
		r = read_limits(json_object_get(v, "limits"), &s.limits, err);
	if (r < 0)
		return r;
	if (!ident_is_id(s.id))
		return err_set(
			err, -EINVAL, ERR_INVALID_PARAMS, "id", "\"%s\" is no container id", s.id);
	s.id_base = (uint32_t)id_base;
	s.ipv4 = (uint32_t)ipv4;
	*ret = s;
	return 0;
}
