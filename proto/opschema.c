/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk of a schema over an order's params. Its recursion follows the schema, not the data:
 * what a schema doesn't describe is refused where it stands, or (OPSCHEMA_ANY) not entered. The
 * depth is the schema's, so a chain of spots on the stack is enough to name the field that is at
 * fault.
 *
 * Unknown members are refused before known ones are judged, those in the schema's order; the
 * first fault ends it. A judge of the whole object comes last, when each member by itself is
 * good. Values are looked at and never changed; a default is the op's to take. */
#include "proto/opschema.h"

#include <math.h>

#define FIELD_MAX 96

/* The dotted path of @spot and, below it, @name: "ingress[3].source_port". */
static void format_field(
	const struct opschema_spot *spot, const char *name, char ret[static FIELD_MAX])
{
	const struct opschema_spot *chain[8];
	size_t n = 0, at = 0;
	int r;

	for (; spot && spot->up; spot = spot->up) {
		assert(n < countof(chain));
		chain[n++] = spot;
	}
	ret[0] = '\0';
	while (n > 0 && at < FIELD_MAX) {
		spot = chain[--n];
		if (spot->name)
			r = snprintf(ret + at, FIELD_MAX - at, "%s%s", at ? "." : "", spot->name);
		else
			r = snprintf(ret + at, FIELD_MAX - at, "[%zu]", spot->index);
		at += (size_t)r;
	}
	if (name && at < FIELD_MAX)
		(void)snprintf(ret + at, FIELD_MAX - at, "%s%s", at ? "." : "", name);
}

int opschema_refuse(const struct opschema_spot *spot, const char *name, enum errcode reason,
	const char *what, struct err *err)
{
	char field[FIELD_MAX];
	int r;

	format_field(spot, name, field);
	r = err_set(err, -EINVAL, ERR_INVALID_PARAMS, field, "%s %s", field, what);
	if (err && reason != ERR_NONE)
		err_copy(err->reason, sizeof(err->reason), err_wire(reason));
	return r;
}

static int out_of_range(const struct opschema_spot *spot, const struct opschema_param *p,
	const char *what, struct err *err)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "must be %s %lld to %lld%s", what, (long long)p->min,
		(long long)p->max,
		p->type == OPSCHEMA_STRING ? " characters"
		: p->type == OPSCHEMA_INT  ? ""
					   : " entries");
	return opschema_refuse(spot, NULL, ERR_NONE, text, err);
}

static int check_form(const char *s, const struct opfield_form *form,
	const struct opschema_spot *spot, struct err *err)
{
	char text[256];

	for (; form; form = form->also) {
		if (form->is(s))
			continue;
		(void)snprintf(text, sizeof(text), "must be %s", form->must);
		return opschema_refuse(spot, NULL, form->reason, text, err);
	}
	return 0;
}

static int check_words(
	const char *s, const char *const *words, const struct opschema_spot *spot, struct err *err)
{
	char text[256] = "must be one of";
	size_t at = strlen(text);

	for (size_t i = 0; words[i]; i++) {
		if (strcmp(words[i], s) == 0)
			return 0;
		if (at < sizeof(text))
			at += (size_t)snprintf(
				text + at, sizeof(text) - at, "%s %s", i ? "," : "", words[i]);
	}
	return opschema_refuse(spot, NULL, ERR_NONE, text, err);
}

static int check_string(const struct opschema_param *p, const json_t *v,
	const struct opschema_spot *spot, struct err *err)
{
	const char *s = json_string_value(v);
	int64_t length, max = p->max ? p->max : OPSCHEMA_TEXT_MAX;

	if (!s)
		return opschema_refuse(spot, NULL, ERR_NONE, "must be a string", err);
	if (!(p->flags & OPSCHEMA_LINES ? opfield_is_plain_lines(s) : opfield_is_plain(s)))
		return opschema_refuse(spot, NULL, p->form ? p->form->reason : ERR_NONE,
			"must not contain control characters", err);
	if (p->words)
		return check_words(s, p->words, spot, err);
	length = (int64_t)opfield_length(s);
	if (length < p->min || length > max)
		return out_of_range(spot,
			p->max ? p
			       : &(struct opschema_param){ .type = p->type,
					 .min = p->min,
					 .max = max },
			"of", err);
	return check_form(s, p->form, spot, err);
}

static int check_int(const struct opschema_param *p, const json_t *v,
	const struct opschema_spot *spot, struct err *err)
{
	if (!json_is_integer(v) || json_integer_value(v) < p->min || json_integer_value(v) > p->max)
		return out_of_range(spot, p, "an integer from", err);
	return 0;
}

static int check_number(const struct opschema_param *p, const json_t *v,
	const struct opschema_spot *spot, struct err *err)
{
	double d = json_number_value(v); /* 0 when it is none */
	char text[96];

	if (json_is_number(v) && d >= (double)p->min / 100 && d <= (double)p->max / 100)
		return 0;
	(void)snprintf(text, sizeof(text), "must be a number from %g to %g", (double)p->min / 100,
		(double)p->max / 100);
	return opschema_refuse(spot, NULL, ERR_NONE, text, err);
}

static int check_value(const struct opschema_param *p, const json_t *v,
	const struct opschema_spot *spot, const json_t *params, struct err *err);

static int check_list(const struct opschema_param *p, const json_t *v,
	const struct opschema_spot *spot, const json_t *params, struct err *err)
{
	struct opschema_spot entry = { .up = spot };
	const json_t *item;
	int r;

	if (!json_is_array(v) || (int64_t)json_array_size(v) < p->min ||
		(int64_t)json_array_size(v) > p->max)
		return out_of_range(spot, p, "a list of", err);
	json_array_foreach((json_t *)v, entry.index, item) {
		r = check_value(p->item, item, &entry, params, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_map(const struct opschema_param *p, const json_t *v,
	const struct opschema_spot *spot, const json_t *params, struct err *err)
{
	struct opschema_spot entry = { .up = spot };
	const struct opschema_param key = {
		.type = OPSCHEMA_STRING, .min = 1, .max = 128, .form = p->key
	};
	json_t *name;
	json_t *item;
	int r;

	if (!json_is_object(v) || (int64_t)json_object_size(v) < p->min ||
		(int64_t)json_object_size(v) > p->max)
		return out_of_range(spot, p, "an object of", err);
	json_object_foreach((json_t *)v, entry.name, item) {
		name = json_string(entry.name);
		r = check_string(&key, name, &entry, err);
		json_decref(name);
		if (r == 0)
			r = check_value(p->item, item, &entry, params, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_object(const struct opschema *schema, const json_t *v,
	const struct opschema_spot *spot, const json_t *params, struct err *err);

static int check_value(const struct opschema_param *p, const json_t *v,
	const struct opschema_spot *spot, const json_t *params, struct err *err)
{
	if (json_is_null(v) && (p->flags & OPSCHEMA_NULLABLE))
		return 0;
	switch (p->type) {
	case OPSCHEMA_STRING:
		return check_string(p, v, spot, err);
	case OPSCHEMA_INT:
		return check_int(p, v, spot, err);
	case OPSCHEMA_NUMBER:
		return check_number(p, v, spot, err);
	case OPSCHEMA_BOOL:
		return json_is_boolean(v) ? 0
					  : opschema_refuse(spot, NULL, ERR_NONE,
						    "must be true or false", err);
	case OPSCHEMA_OBJECT:
		return check_object(p->pick ? p->pick(params) : p->schema, v, spot, params, err);
	case OPSCHEMA_LIST:
		return check_list(p, v, spot, params, err);
	case OPSCHEMA_MAP:
		return check_map(p, v, spot, params, err);
	case OPSCHEMA_ANY:
		return json_is_object(v)
			       ? 0
			       : opschema_refuse(spot, NULL, ERR_NONE, "must be an object", err);
	case OPSCHEMA_CUSTOM:
		return p->judge(v, spot, err);
	}
	abort();
}

static int check_member(const struct opschema_param *p, const json_t *object,
	const struct opschema_spot *spot, const json_t *params, struct err *err)
{
	const struct opschema_spot member = { .up = spot, .name = p->name };
	const json_t *v = json_object_get(object, p->name);

	if (v)
		return check_value(p, v, &member, params, err);
	return p->flags & OPSCHEMA_REQUIRED
		       ? opschema_refuse(&member, NULL, ERR_NONE, "is missing", err)
		       : 0;
}

static int refuse_unknown(const struct opschema *schema, const json_t *object,
	const struct opschema_spot *spot, const struct opschema_param *common, struct err *err)
{
	const char *name;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)object, name, value) {
		for (i = 0; i < schema->n && strcmp(schema->params[i].name, name) != 0; i++)
			;
		if (i == schema->n && !(common && strcmp(common->name, name) == 0))
			return opschema_refuse(
				spot, name, ERR_NONE, "is not a parameter here", err);
	}
	return 0;
}

static int check_object(const struct opschema *schema, const json_t *v,
	const struct opschema_spot *spot, const json_t *params, struct err *err)
{
	/* at the top, the common parameter has been looked at by opschema_check */
	int r;

	if (!json_is_object(v))
		return opschema_refuse(spot, NULL, ERR_NONE, "must be an object", err);
	if (spot->up) {
		r = refuse_unknown(schema, v, spot, NULL, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < schema->n; i++) {
		r = check_member(&schema->params[i], v, spot, params, err);
		if (r < 0)
			return r;
	}
	return schema->whole ? schema->whole(v, spot, err) : 0;
}

int opschema_check(const json_t *params, const struct opschema *schema,
	const struct opschema_param *common, struct err *err)
{
	const struct opschema_spot top = { 0 };
	int r;

	if (!json_is_object(params))
		return err_set(
			err, -EINVAL, ERR_INVALID_PARAMS, "params", "params must be an object");
	r = refuse_unknown(schema, params, &top, common, err);
	if (r < 0)
		return r;
	r = check_object(schema, params, &top, params, err);
	if (r < 0)
		return r;
	return check_member(common, params, &top, params, err);
}
