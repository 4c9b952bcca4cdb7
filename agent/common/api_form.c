/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bodies and queries the local API takes: rows of api_bodies.def and api_queries.def, one for
 * each member of each form, with its types, its bounds and what parameter it becomes. Four walks go
 * by them: api_form_check() judges a body and changes nothing: each member that is written, then
 * those that are missing; api_form_query() gives a query's texts their types and has it judged so;
 * api_form_params() turns a judged body into an order's parameters, by other names and nestings;
 * and api_form_name() turns what an order's check says of a parameter back into the caller's own
 * words.
 *
 * Forms nest, in objects and lists. A member may have two spellings: both at once must say the
 * same. What a value means (is there such a container?) isn't known here. */
#include "agent/common/api_form.h"

#include <fnmatch.h>

#include "proto/jsonx.h"
#include "proto/opfield.h"

enum {
	T = 1,
	I = 2,
	N = 4,
	B = 8,
	O = 16,
	LT = 32,
	LO = 64,
	LI = 128,
	M = 256,
	NUL = 512,
};

enum { OPT, REQ };

#define WORTH_SAYING 4294967296LL /* a bound above it is that of the format */

static const struct api_form_field fields[] = {
#define F(form_, name_, types_, required_, min_, max_, words_, nested_, to_, how_)                 \
	{ API_FORM_##form_, name_, types_, required_, min_, max_, words_, API_FORM_##nested_, to_, \
		API_FORM_##how_, NULL },
#define D(form_, name_, value_)
#include "agent/common/api_bodies.def"
#undef D
#undef F
#define Q(form_, name_, type_, min_, max_, words_, preset_, to_, how_)                 \
	{ API_FORM_##form_, name_, type_, OPT, min_, max_, words_, API_FORM_NONE, to_, \
		API_FORM_##how_, preset_ },
#define P(form_, name_, pattern_)
#include "agent/common/api_queries.def"
#undef Q
#undef P
};

static const struct {
	enum api_form form;
	const char *name, *value;
} defaults[] = {
#define F(form_, name_, types_, required_, min_, max_, words_, nested_, to_, how_)
#define D(form_, name_, value_) { API_FORM_##form_, name_, value_ },
#include "agent/common/api_bodies.def"
#undef D
#undef F
};

/* What only the control plane knows. */
static const struct {
	enum api_form form;
	const char *name, *pattern;
} elsewhere[] = {
#define Q(form_, name_, type_, min_, max_, words_, preset_, to_, how_)
#define P(form_, name_, pattern_) { API_FORM_##form_, name_, pattern_ },
#include "agent/common/api_queries.def"
#undef Q
#undef P
};

const struct api_form_field *api_form_fields(size_t *ret_n)
{
	*ret_n = countof(fields);
	return fields;
}

/* The field of that name in a body of that form, or NULL. */
static const struct api_form_field *find(enum api_form form, const char *name)
{
	for (size_t i = 0; i < countof(fields); i++)
		if (fields[i].form == form &&
			(strcmp(fields[i].name, name) == 0 || strcmp(fields[i].name, "*") == 0))
			return &fields[i];
	return NULL;
}

/* --- the walk --- */

static int refuse(struct err *err, const char *field, const char *what)
{
	return err_set(err, -EINVAL, ERR_INVALID_PARAMS, field, "%s %s", field, what);
}

/* What a field of these types must be: the first row that fits, any of @is and none of @isnt. */
static const struct {
	unsigned is, isnt;
	const char *words;
} type_words[] = {
	{ O, 0, "must be an object" },
	{ M, 0, "must be an object of texts" },
	{ LT | LO | LI, T, "must be a list" },
	{ B, T, "must be true or false" },
	{ I, T, "must be an integer" },
	{ N, T, "must be a number" },
	{ I | N, 0, "must be a text or a number" },
	{ T, 0, "must be a text" },
};

static int refuse_type(struct err *err, const char *at, unsigned types)
{
	for (size_t i = 0; i < countof(type_words); i++)
		if (types & type_words[i].is && !(types & type_words[i].isnt))
			return refuse(err, at, type_words[i].words);
	return refuse(err, at, "must be a text");
}

static int out_of_range(struct err *err, const char *at, const char *before,
	const struct api_form_field *f, const char *after)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "must be %s%lld to %lld%s", before, (long long)f->min,
		(long long)f->max, after);
	return refuse(err, at, text);
}

static bool is_word(const char *words, const char *s)
{
	size_t len = strlen(s);

	for (const char *w = words;; w++) {
		size_t n = strcspn(w, "|");

		if (n == len && strncmp(w, s, n) == 0)
			return true;
		w += n;
		if (!*w)
			return false;
	}
}

static int check_text(
	const struct api_form_field *f, const char *s, const char *at, struct err *err)
{
	char text[160];
	int64_t length = (int64_t)opfield_length(s);

	if (f->words) {
		(void)snprintf(text, sizeof(text), "must be one of %s", f->words);
		return is_word(f->words, s) ? 0 : refuse(err, at, text);
	}
	if (length < f->min || length > f->max)
		return out_of_range(err, at, "", f, " characters");
	return 0;
}

static int check_count(const struct api_form_field *f, size_t n, const char *at, struct err *err)
{
	return (int64_t)n < f->min || (int64_t)n > f->max ? out_of_range(err, at, "", f, " entries")
							  : 0;
}

static int check(enum api_form form, const json_t *body, const char *path, struct err *err);

static int check_entries(
	const struct api_form_field *f, const json_t *list, const char *at, struct err *err)
{
	json_t *v;
	size_t i;
	int r = check_count(f, json_array_size(list), at, err);

	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		if (r < 0)
			return r;
		_cleanup_(freep) char *entry = xasprintf("%s[%zu]", at, i);

		if (json_is_string(v) && f->types & LT)
			r = json_string_length(v) > 0 ? 0 : refuse(err, entry, "must not be empty");
		else if (json_is_object(v) && f->types & LO)
			r = check(f->nested, v, entry, err);
		else if (!(json_is_integer(v) && f->types & LI))
			r = refuse(err, entry, "is of the wrong type");
	}
	return r;
}

static int check_map(
	const struct api_form_field *f, const json_t *map, const char *at, struct err *err)
{
	const char *name;
	json_t *v;
	int r = check_count(f, json_object_size(map), at, err);

	json_object_foreach((json_t *)(uintptr_t)map, name, v) {
		if (r < 0)
			return r;
		_cleanup_(freep) char *entry = xasprintf("%s.%s", at, name);

		r = json_is_string(v) ? 0 : refuse(err, entry, "must be a text");
	}
	return r;
}

static int check_string(
	const struct api_form_field *f, const json_t *v, const char *at, struct err *err)
{
	return check_text(f, json_string_value(v), at, err);
}

static int check_number(
	const struct api_form_field *f, const json_t *v, const char *at, struct err *err)
{
	double number = json_number_value(v);

	return number < (double)f->min || number > (double)f->max
		       ? out_of_range(err, at, "a number from ", f, "")
		       : 0;
}

/* Where a text may stand, too, its bounds are the text's. */
static int check_positive(
	const struct api_form_field *f, const json_t *v, const char *at, struct err *err)
{
	return json_integer_value(v) >= 0 ? 0 : refuse(err, at, "must not be negative");
}

static int check_nothing(
	const struct api_form_field *f, const json_t *v, const char *at, struct err *err)
{
	return 0;
}

static int check_nested(
	const struct api_form_field *f, const json_t *v, const char *at, struct err *err)
{
	return check(f->nested, v, at, err);
}

/* What is given, which types of a field take it (and beside which not), and what is asked of it
 * then. */
static const struct {
	json_type given;
	unsigned is, isnt;
	int (*check)(
		const struct api_form_field *f, const json_t *v, const char *at, struct err *err);
} takes[] = {
	{ JSON_STRING, T, 0, check_string },
	{ JSON_INTEGER, I | N, T, check_number },
	{ JSON_INTEGER, I, 0, check_positive },
	{ JSON_REAL, N, 0, check_number },
	{ JSON_TRUE, B, 0, check_nothing },
	{ JSON_FALSE, B, 0, check_nothing },
	{ JSON_NULL, NUL, 0, check_nothing },
	{ JSON_OBJECT, M, 0, check_map },
	{ JSON_OBJECT, O, 0, check_nested },
	{ JSON_ARRAY, LT | LO | LI, 0, check_entries },
};

static int check_member(
	const struct api_form_field *f, const json_t *v, const char *at, struct err *err)
{
	for (size_t i = 0; i < countof(takes); i++)
		if (takes[i].given == json_typeof(v) && f->types & takes[i].is &&
			!(f->types & takes[i].isnt))
			return takes[i].check(f, v, at, err);
	return refuse_type(err, at, f->types);
}

/* Two spellings of one thing must say the same. */
static int check_twins(enum api_form form, const json_t *body, const struct api_form_field *f,
	const char *at, struct err *err)
{
	char text[128];

	for (const struct api_form_field *g = fields; f->to && g < f; g++) {
		if (g->form != form || !g->to || strcmp(g->to, f->to) != 0 ||
			!json_object_get(body, g->name))
			continue;
		_cleanup_json_ json_t *one = jsonx_pack(
					      "{s:O}", g->name, json_object_get(body, g->name)),
				      *two = jsonx_pack(
					      "{s:O}", f->name, json_object_get(body, f->name)),
				      *a = api_form_params(form, one),
				      *b = api_form_params(form, two);

		if (json_equal(a, b))
			continue;
		(void)snprintf(text, sizeof(text), "and %s name one thing, and differ", g->name);
		return refuse(err, at, text);
	}
	return 0;
}

static char *path_to(const char *path, const char *name)
{
	return xasprintf("%s%s%s", path, *path ? "." : "", name);
}

/* What is written first, then what is missing. */
static int check(enum api_form form, const json_t *body, const char *path, struct err *err)
{
	const struct api_form_field *f;
	const char *name;
	json_t *v;
	int r;

	if (form == API_FORM_ANY || form == API_FORM_UNREAD)
		return 0;
	json_object_foreach((json_t *)(uintptr_t)body, name, v) {
		_cleanup_(freep) char *at = path_to(path, name);

		f = find(form, name);
		if (!f)
			return refuse(err, at, "is not known here");
		r = check_member(f, v, at, err);
		if (r == 0)
			r = check_twins(form, body, f, at, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < countof(fields); i++) {
		if (fields[i].form != form || !fields[i].required ||
			json_object_get(body, fields[i].name))
			continue;
		_cleanup_(freep) char *at = path_to(path, fields[i].name);

		return refuse(err, at, "is missing");
	}
	return 0;
}

int api_form_check(enum api_form form, const json_t *body, struct err *err)
{
	_cleanup_json_ json_t *nothing = json_object();

	if (body && !json_is_object(body) && form != API_FORM_UNREAD)
		return err_set(
			err, -EINVAL, ERR_INVALID_PARAMS, "body", "the body must be a JSON object");
	return check(form, body ? body : nothing, "", err);
}

/* --- queries --- */

/* A text that is none of its field's type stays one, and is refused as that. */
static json_t *typed(const struct api_form_field *f, const char *s)
{
	unsigned types = f ? f->types : T;
	char *end;
	long long n;

	if (types & B && strcmp(s, "true") == 0)
		return json_true();
	if (types & B && strcmp(s, "false") == 0)
		return json_false();
	if (!(types & I) || !strchr("-0123456789", *s))
		return json_string(s);
	errno = 0;
	n = strtoll(s, &end, 10);
	return *s && !*end && errno == 0 ? json_integer(n) : json_string(s);
}

static int check_elsewhere(enum api_form form, const char *name, const char *value, struct err *err)
{
	for (size_t i = 0; i < countof(elsewhere); i++)
		if (elsewhere[i].form == form && strcmp(elsewhere[i].name, name) == 0 &&
			fnmatch(elsewhere[i].pattern, value, 0) == 0)
			return err_set(err, -ENOTSUP, ERR_NOT_OF_THE_NODE, name,
				"%s %.60s is the control plane's to know: ask the control API, "
				"not a node",
				name, value);
	return 0;
}

int api_form_query(enum api_form form, const json_t *query, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *read = json_object();
	const char *name;
	json_t *v;
	int r;

	json_object_foreach((json_t *)(uintptr_t)query, name, v) {
		r = check_elsewhere(form, name, json_string_value(v), err);
		if (r < 0)
			return r;
		jsonx_set(read, name, typed(find(form, name), json_string_value(v)));
	}
	r = api_form_check(form, read, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < countof(fields); i++)
		if (fields[i].form == form && fields[i].preset &&
			!json_object_get(read, fields[i].name))
			jsonx_set(read, fields[i].name, typed(&fields[i], fields[i].preset));
	*ret = TAKE(read);
	return 0;
}

/* --- parameters --- */

static json_t *as_port(const json_t *v)
{
	return json_is_integer(v) ? json_sprintf("%lld", (long long)json_integer_value(v))
				  : json_incref((json_t *)(uintptr_t)v);
}

static json_t *as_mode(const json_t *v)
{
	const char *s = json_string_value(v);

	return s && strcmp(s, "rw") == 0   ? json_string("readwrite")
	       : s && strcmp(s, "ro") == 0 ? json_string("readonly")
					   : json_incref((json_t *)(uintptr_t)v);
}

static json_t *nested(const struct api_form_field *f, const json_t *v)
{
	json_t *list, *item;
	size_t i;

	if (f->nested <= API_FORM_ANY)
		return json_incref((json_t *)(uintptr_t)v);
	if (json_is_object(v))
		return api_form_params(f->nested, v);
	list = json_array();
	json_array_foreach((json_t *)(uintptr_t)v, i, item)
		(void)json_array_append_new(list, api_form_params(f->nested, item));
	return list;
}

/* NULL: it is no parameter. */
static json_t *converted(const struct api_form_field *f, const json_t *v)
{
	const char *s = json_string_value(v);

	switch (f->how) {
	case API_FORM_SKIP:
		return NULL;
	case API_FORM_PORT:
		return as_port(v);
	case API_FORM_MODE:
		return as_mode(v);
	case API_FORM_UNLESS_RND:
		return s && strcmp(s, "rand") == 0 ? NULL : json_incref((json_t *)(uintptr_t)v);
	case API_FORM_COPY:
	case API_FORM_MATCH:
	case API_FORM_SEARCH:
	case API_FORM_SORT:
		break;
	}
	return nested(f, v);
}

json_t *api_form_params(enum api_form form, const json_t *body)
{
	json_t *params = json_object(), *v;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)body, name, v) {
		const struct api_form_field *f = find(form, name);
		json_t *value = f ? converted(f, v) : json_incref(v);

		if (value)
			jsonx_set(params, f && f->to ? f->to : name, value);
	}
	return params;
}

/* --- names --- */

/* The member of @body that has become the parameter @to (@len), or NULL. */
static const char *writer_of(enum api_form form, const json_t *body, const char *to, size_t len)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)body, name, v) {
		const struct api_form_field *f = find(form, name);

		if (f && f->to && strlen(f->to) == len && strncmp(f->to, to, len) == 0)
			return name;
	}
	return NULL;
}

/* A path of parameters, by the members that the caller has written for them. The caller's. */
static char *spelled(enum api_form form, const json_t *body, const char *field)
{
	size_t len = strcspn(field, ".["), index_len;
	_cleanup_(freep) char *own = xasprintf("%.*s", (int)len, field), *below = NULL;
	const char *written = writer_of(form, body, field, len), *name = written ? written : own,
		   *rest = field + len;
	const struct api_form_field *f = find(form, name);
	const json_t *v = json_object_get(body, name);

	index_len = *rest == '[' ? strcspn(rest, ".") : 0;
	if (index_len > 0)
		v = json_array_get(v, strtoul(rest + 1, NULL, 10));
	if (rest[index_len] != '.' || !f || f->nested <= API_FORM_ANY || !json_is_object(v))
		return xasprintf("%s%s", name, rest);
	below = spelled(f->nested, v, rest + index_len + 1);
	return xasprintf("%s%.*s.%s", name, (int)index_len, rest, below);
}

/* Orders put some bodies into a member of their own; of variables that is the whole body. */
static const char *without_wrapping(const json_t *body, const char *field)
{
	static const char *const wraps[] = { "rule.", "filters.", "vars.", "target." };

	if (strcmp(field, "vars") == 0 && !json_object_get(body, "vars"))
		return "body";
	for (size_t i = 0; i < countof(wraps); i++) {
		size_t len = strlen(wraps[i]);
		_cleanup_(freep) char *name = xasprintf("%.*s", (int)len - 1, wraps[i]);

		if (strncmp(field, wraps[i], len) == 0 && !json_object_get(body, name))
			return field + len;
	}
	return field;
}

void api_form_name(enum api_form form, const json_t *body, struct err *err)
{
	char was[sizeof(err->field)], message[sizeof(err->message)];
	_cleanup_(freep) char *name = NULL, *whole = NULL;
	const char *field;

	if (!err->field[0] || !json_is_object(body))
		return;
	strcpy(was, err->field);
	strcpy(message, err->message);
	field = without_wrapping(body, was);
	if (!writer_of(form, body, field, strcspn(field, ".[")) &&
		writer_of(form, body, was, strcspn(was, ".[")))
		field = was;
	name = spelled(form, body, field);
	err_copy(err->field, sizeof(err->field), name);
	if (strncmp(message, was, strlen(was)) != 0)
		return;
	whole = xasprintf("%s%s", name, message + strlen(was));
	err_copy(err->message, sizeof(err->message), whole);
}

/* --- for people --- */

const struct api_form_field *api_form_next(enum api_form form, const struct api_form_field *after)
{
	for (const struct api_form_field *f = after ? after + 1 : fields;
		f < fields + countof(fields); f++)
		if (f->form == form)
			return f;
	return NULL;
}

const char *api_form_default(const struct api_form_field *field)
{
	if (field->preset)
		return field->preset;
	for (size_t i = 0; i < countof(defaults); i++)
		if (defaults[i].form == field->form && strcmp(defaults[i].name, field->name) == 0)
			return defaults[i].value;
	return NULL;
}

const char *api_form_words(const struct api_form_field *field)
{
	return field->words ? field->words : field->types & B ? "true|false" : NULL;
}

void api_form_describe(const struct api_form_field *f, char *ret, size_t size)
{
	bool ranged = f->types & (I | N) && !(f->types & T);

	if (api_form_words(f))
		(void)snprintf(ret, size, "%s", api_form_words(f));
	else if (ranged && f->max > WORTH_SAYING)
		(void)snprintf(ret, size, "a number from %lld", (long long)f->min);
	else if (ranged)
		(void)snprintf(ret, size, "%lld to %lld", (long long)f->min, (long long)f->max);
	else if (f->types & (O | M))
		(void)snprintf(ret, size, "a JSON object");
	else if (f->types & (LT | LO | LI))
		(void)snprintf(ret, size, "a JSON list of %lld to %lld", (long long)f->min,
			(long long)f->max);
	else if (f->types & I)
		(void)snprintf(ret, size, "a text or a number");
	else if (f->min == f->max)
		(void)snprintf(ret, size, "%lld characters", (long long)f->max);
	else
		(void)snprintf(ret, size, "a text of %lld to %lld characters", (long long)f->min,
			(long long)f->max);
}
