/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/errjson.h"

#include "proto/jsonx.h"

/* What data has: each a text in struct err. */
static const struct {
	const char *key;
	size_t offset, size;
} members[] = {
#define MEMBER(name)                                                                  \
	{                                                                             \
#name, offsetof(struct err, name), sizeof(((struct err *)NULL)->name) \
	}
	MEMBER(field),
	MEMBER(reason),
	MEMBER(status),
#undef MEMBER
};

static const char *have_key(enum errcode code)
{
	return code == ERR_CONTAINER_FIREWALL_BYTES_LIMIT ? "current_bytes" : "current_count";
}

void errjson_limit(const struct err *err, json_t *data)
{
	if (err->may <= 0)
		return;
	jsonx_set_int(data, have_key(err->code), err->have);
	jsonx_set_int(data, "limit", err->may);
}

json_t *errjson_make(const struct err *err)
{
	const enum errcode code = err->code ? err->code : ERR_INTERNAL;
	json_t *v = json_object(), *data = json_object();

	jsonx_set_string(v, "code", err_wire(code));
	jsonx_set_string(v, "message", err->message[0] ? err->message : err_sentence(code));
	for (size_t i = 0; i < countof(members); i++) {
		const char *s = (const char *)err + members[i].offset;

		if (s[0])
			jsonx_set_string(data, members[i].key, s);
	}
	errjson_limit(err, data);
	if (json_object_size(data) > 0)
		jsonx_set(v, "data", json_incref(data));
	json_decref(data);
	return v;
}

static const char *text(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : "";
}

int errjson_read(const json_t *v, int r, struct err *ret)
{
	const enum errcode known = err_from_wire(text(v, "code")),
			   code = known ? known : ERR_INTERNAL;
	const json_t *data = json_object_get(v, "data");
	const char *message = text(v, "message");

	(void)err_set(ret, r, code, NULL, "%s", message[0] ? message : err_sentence(code));
	for (size_t i = 0; i < countof(members); i++)
		err_copy((char *)ret + members[i].offset, members[i].size,
			text(data, members[i].key));
	ret->have = json_integer_value(json_object_get(data, have_key(code)));
	ret->may = json_integer_value(json_object_get(data, "limit"));
	return r;
}
