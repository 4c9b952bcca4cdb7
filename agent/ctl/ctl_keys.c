/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_keys.h"

#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_near.h"
#include "proto/jsonx.h"

static const struct ctl_keys keys[] = {
#define F(form_) API_FORM_##form_
#define RULE     "|action|protocol|port|destination_port|source|destination|"
	{ "container create", OP_CONTAINER_CREATE, F(CONTAINER_CREATE),
		.given = "|name|alias|image|container_image|start|environment_vars|" },
	{ "container update", OP_CONTAINER_UPDATE, F(CONTAINER_UPDATE) },
	{ "container copy", OP_CONTAINER_COPY, F(CONTAINER_COPY),
		.given = "|name|alias|source_snapshot|start|" },
	{ "snapshot create", OP_SNAPSHOT_CREATE, F(SNAPSHOT_CREATE) },
	{ "snapshot alias", OP_SNAPSHOT_ALIAS, F(SNAPSHOT_ALIAS) },
	{ "firewall allow", OP_FIREWALL_ADD, F(INGRESS_RULE), F(EGRESS_RULE), .given = RULE },
	{ "firewall drop", OP_FIREWALL_ADD, F(INGRESS_RULE), F(EGRESS_RULE), .given = RULE },
	{ "firewall reject", OP_FIREWALL_ADD, F(INGRESS_RULE), F(EGRESS_RULE), .given = RULE },
	{ "firewall add", OP_FIREWALL_ADD, F(INGRESS_RULE), F(EGRESS_RULE) },
	{ "firewall toggle", OP_FIREWALL_TOGGLE, F(INGRESS_TOGGLE), F(EGRESS_TOGGLE) },
	{ "firewall remove", OP_FIREWALL_REMOVE, F(INGRESS_REMOVE), F(EGRESS_REMOVE) },
	{ "network configure", OP_NETWORK_CONFIGURE, F(NETWORK) },
	{ "share create", OP_SHARE_CREATE, F(SHARE_CREATE) },
	{ "share update", OP_SHARE_UPDATE, F(SHARE_UPDATE) },
	{ "share mount", OP_SHARE_MOUNT, F(SHARE_MOUNT) },
	{ "env set", OP_ENV_MERGE, F(ENV), .texts = true },
	{ "image pull", OP_IMAGE_PULL, F(IMAGE_IMPORT) },
#undef RULE
#undef F
};

const struct ctl_keys *ctl_keys_of(const char *command)
{
	for (size_t i = 0; i < countof(keys); i++)
		if (strcmp(keys[i].command, command) == 0)
			return &keys[i];
	return NULL;
}

enum api_form ctl_keys_form(const struct ctl_keys *k, const char *direction)
{
	return k->egress && direction && strcmp(direction, "egress") == 0 ? k->egress : k->form;
}

const struct api_form_field *ctl_keys_next(
	const struct ctl_keys *k, enum api_form form, const struct api_form_field *after)
{
	const struct api_form_field *f = after;

	while ((f = api_form_next(form, f))) {
		_cleanup_(freep) char *name = xasprintf("|%s|", f->name);

		if (!k->given || !strstr(k->given, name))
			return f;
	}
	return NULL;
}

/* "true", "30", or NULL; @ret holds 24 bytes. */
static const char *default_of(
	const struct ctl_keys *k, const struct api_form_field *f, char ret[static 24])
{
	if (!f->to || strcmp(f->to, "timeout_s") != 0)
		return api_form_default(f);
	(void)snprintf(ret, 24, "%u", oprules_timeout_s(k->op, NULL));
	return ret;
}

/* --- the body --- */

/* A number, true, a list or an object as JSON has them; else a text. */
static json_t *value_of(const char *text, bool as_text)
{
	json_t *v =
		as_text ? NULL : json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

	return v ? v : json_string(text);
}

static const struct api_form_field *field_of(enum api_form form, const char *key)
{
	for (const struct api_form_field *f = NULL; (f = api_form_next(form, f));)
		if (strcmp(f->name, key) == 0 || strcmp(f->name, "*") == 0)
			return f;
	return NULL;
}

static enum ctl_exit refuse_key(enum api_form form, const char *key, struct err *err)
{
	struct ctl_near near = { .word = key };

	for (const struct api_form_field *f = NULL; (f = api_form_next(form, f));)
		ctl_near_try(&near, f->name);
	(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL, "there is no key %.60s here%s%s%s",
		key, near.best ? ": is it " : "", near.best ? near.best : "", near.best ? "?" : "");
	return CTL_USAGE;
}

static enum ctl_exit find_named(
	const struct ctl *ctl, const char *key, const char *word, char **ret, struct err *err)
{
	size_t len = strlen(key);

	if (len >= 12 && strcmp(key + len - 12, "container_id") == 0)
		return ctl_find(ctl, word, ret, err);
	if (len >= 10 && strcmp(key + len - 10, "project_id") == 0)
		return ctl_find_project(ctl, word, ret, err);
	return CTL_OK;
}

static enum ctl_exit take(const struct ctl *ctl, const struct ctl_keys *k, enum api_form form,
	const char *word, json_t *body, struct err *err)
{
	const char *equals = strchr(word, '=');
	_cleanup_(freep) char *key = xasprintf("%.*s", (int)(equals - word), word), *id = NULL;
	enum ctl_exit e;

	if (!field_of(form, key))
		return refuse_key(form, key, err);
	e = find_named(ctl, key, equals + 1, &id, err);
	if (e != CTL_OK)
		return e;
	if (json_object_set_new(body, key, id ? json_string(id) : value_of(equals + 1, k->texts)) <
		0)
		return err_set(err, -EILSEQ, ERR_INVALID_PARAMS, NULL, "\"%.60s\": want UTF-8",
			       word),
		       CTL_USAGE;
	return CTL_OK;
}

enum ctl_exit ctl_keys_read(
	const struct ctl *ctl, size_t first, const char *direction, json_t *body, struct err *err)
{
	const struct ctl_keys *k = ctl_keys_of(ctl->command);
	enum ctl_exit e = CTL_OK;

	for (size_t i = first; e == CTL_OK && k && ctl->rest && ctl->rest[i]; i++) {
		const char *word = ctl->rest[i], *equals = strchr(word, '=');

		if (!equals || equals == word) {
			(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL,
				"\"%.60s\": want KEY=VALUE, in the API's words", word);
			return CTL_USAGE;
		}
		e = take(ctl, k, ctl_keys_form(k, direction), word, body, err);
	}
	return e;
}

/* --- for people --- */

/* "allow|reject|drop, default enabled, ingress alone" */
static char *value_text(const struct ctl_keys *k, const struct api_form_field *f, const char *more)
{
	char values[128], number[24];
	const char *preset = default_of(k, f, number);

	api_form_describe(f, values, sizeof(values));
	return xasprintf("%s%s%s%s%s", values, f->required ? "; needed" : "",
		preset ? "; default " : "", preset ? preset : "", more);
}

static bool has_key(enum api_form form, const char *name)
{
	for (const struct api_form_field *f = NULL; (f = api_form_next(form, f));)
		if (strcmp(f->name, name) == 0)
			return true;
	return false;
}

/* Those of @form; what its twin has, too, once. */
static void each_of_form(const struct ctl_keys *k, enum api_form form, enum api_form twin,
	const char *alone, ctl_keys_row *each, void *userdata)
{
	for (const struct api_form_field *f = NULL; (f = ctl_keys_next(k, form, f));) {
		bool both = has_key(twin, f->name);
		_cleanup_(freep) char *text = value_text(k, f, both ? "" : alone);

		if (!both || form != k->egress)
			each(strcmp(f->name, "*") == 0 ? "KEY" : f->name, text, userdata);
	}
}

void ctl_keys_each(const struct ctl_keys *k, ctl_keys_row *each, void *userdata)
{
	each_of_form(k, k->form, k->egress, k->egress ? "; of ingress" : "", each, userdata);
	each_of_form(k, k->egress, k->form, "; of egress", each, userdata);
}
