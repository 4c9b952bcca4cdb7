/* SPDX-License-Identifier: GPL-2.0-or-later */
/* jansson under our limits. It refuses invalid UTF-8, trailing bytes, "\u0000" and, asked to,
 * duplicate keys by itself; the depth is ours to bound, before its recursive parser sees the text
 * (its own bound is 2048, JSON_PARSER_MAX_DEPTH). Its messages quote the text they stumbled over,
 * which may be a secret: we keep their code and place alone. */
#include "proto/jsonx.h"

#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "proto/ident.h"

#define DOUBLED_MAX 128

static void *allocate(size_t size)
{
	return xcalloc(1, size);
}

void jsonx_init(void)
{
	json_set_alloc_funcs(allocate, free);
}

bool jsonx_is_within(const void *data, size_t size, unsigned depth, size_t values)
{
	const char *s = data;
	size_t seen = 0;
	unsigned level = 0;
	bool in_string = false;

	for (size_t i = 0; i < size; i++) {
		switch (s[i]) {
		case '"':
			in_string = !in_string;
			break;
		case '\\':
			i += in_string; /* whatever is escaped can't end the string */
			break;
		case '{':
		case '[':
			if (!in_string && (++level > depth || ++seen > values))
				return false;
			break;
		case '}':
		case ']':
			level -= !in_string && level > 0;
			break;
		case ',':
			if (!in_string && ++seen > values)
				return false;
			break;
		default:
			break;
		}
	}
	return true;
}

static const char *parse_fault(const json_error_t *e)
{
	switch (json_error_code(e)) {
	case json_error_premature_end_of_input:
		return "the text ends too early";
	case json_error_end_of_input_expected:
		return "there is something after the value";
	case json_error_duplicate_key:
		return "a key stands twice in an object";
	case json_error_invalid_utf8:
		return "the text is not UTF-8";
	case json_error_null_byte_in_key:
	case json_error_null_character:
		return "a string holds a NUL";
	case json_error_numeric_overflow:
		return "a number is out of range";
	case json_error_unknown:
	case json_error_out_of_memory:
	case json_error_stack_overflow:
	case json_error_cannot_open_file:
	case json_error_invalid_argument:
	case json_error_invalid_syntax:
	case json_error_invalid_format:
	case json_error_wrong_type:
	case json_error_null_value:
	case json_error_item_not_found:
	case json_error_index_out_of_range:
		break;
	}
	return "not JSON";
}

/* jansson stops behind the second one's quote. NULL: the fault is another, or the key no plain
 * word. */
static const char *doubled_key(
	const json_error_t *e, const char *data, size_t size, char key[static DOUBLED_MAX])
{
	size_t end = e->position > 0 ? (size_t)e->position : 0, start;

	if (json_error_code(e) != json_error_duplicate_key || end < 2 || end > size ||
		data[end - 1] != '"')
		return NULL;
	for (start = --end; start > 0 && data[start - 1] != '"'; start--)
		;
	(void)snprintf(
		key, DOUBLED_MAX, "%.*s", (int)MIN_OF(end - start, DOUBLED_MAX), data + start);
	return key;
}

/* To the digits that it is written with. Returns -ERANGE for one that isn't finite then. */
static int round_reals(json_t *v)
{
	char text[DBL_DIG + 16];
	const char *key;
	json_t *below;
	size_t i;
	int r = 0;

	json_object_foreach(v, key, below)
		r = r < 0 ? r : round_reals(below);
	json_array_foreach(v, i, below)
		r = r < 0 ? r : round_reals(below);
	if (!json_is_real(v))
		return r;
	(void)snprintf(text, sizeof(text), "%.*g", DBL_DIG, json_real_value(v));
	return json_real_set(v, strtod(text, NULL)) < 0 ? -ERANGE : 0;
}

static int parse(
	const void *data, size_t size, bool names, enum errcode code, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *v = NULL;
	json_error_t e;
	char key[DOUBLED_MAX];

	if (!jsonx_is_within(data, size, JSONX_DEPTH_MAX, SIZE_MAX))
		return err_set(err, -EBADMSG, code, NULL,
			"the JSON is nested deeper than %d levels", JSONX_DEPTH_MAX);
	v = json_loadb(data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!v)
		return err_set(err, -EBADMSG, code, names ? doubled_key(&e, data, size, key) : NULL,
			"%s (line %d, column %d)", parse_fault(&e), e.line, e.column);
	if (round_reals(v) < 0)
		return err_set(err, -EBADMSG, code, NULL, "a number is out of range");
	*ret = TAKE(v);
	return 0;
}

int jsonx_parse(const void *data, size_t size, enum errcode code, json_t **ret, struct err *err)
{
	return parse(data, size, /* names= */ false, code, ret, err);
}

int jsonx_parse_body(const void *data, size_t size, json_t **ret, struct err *err)
{
	return parse(data, size, /* names= */ true, ERR_INVALID_PARAMS, ret, err);
}

json_t *jsonx_read(int fd)
{
	_cleanup_(freep) char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return NULL;
	text = xcalloc((size_t)st.st_size, 1);
	n = read_all(fd, text, (size_t)st.st_size);
	return n < 0 ? NULL : json_loadb(text, (size_t)n, 0, NULL);
}

/* The member of that key; NULL when there is none or it is null. */
static const json_t *member(const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_null(v) ? NULL : v;
}

static int absent(bool required, const char *key, enum errcode code, struct err *err)
{
	return required ? err_set(err, -EINVAL, code, key, "\"%s\" is missing", key) : 0;
}

int jsonx_string(const json_t *obj, const char *key, bool required, const char **ret,
	enum errcode code, struct err *err)
{
	const json_t *v = member(obj, key);

	if (!v)
		return absent(required, key, code, err);
	if (!json_is_string(v))
		return err_set(err, -EINVAL, code, key, "\"%s\" must be a string", key);
	*ret = json_string_value(v);
	return 0;
}

int jsonx_int(const json_t *obj, const char *key, bool required, int64_t min, int64_t max,
	int64_t *ret, enum errcode code, struct err *err)
{
	const json_t *v = member(obj, key);

	if (!v)
		return absent(required, key, code, err);
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return err_set(err, -EINVAL, code, key,
			"\"%s\" must be an integer from %lld to %lld", key, (long long)min,
			(long long)max);
	*ret = json_integer_value(v);
	return 0;
}

int jsonx_bool(const json_t *obj, const char *key, bool required, bool *ret, enum errcode code,
	struct err *err)
{
	const json_t *v = member(obj, key);

	if (!v)
		return absent(required, key, code, err);
	if (!json_is_boolean(v))
		return err_set(err, -EINVAL, code, key, "\"%s\" must be true or false", key);
	*ret = json_is_true(v);
	return 0;
}

static char *dump(const json_t *v, size_t flags)
{
	char *s = json_dumps(v, flags | JSON_COMPACT | JSON_ENCODE_ANY | JSONX_REALS);

	if (!s)
		abort();
	return s;
}

/* --- made --- */

/* The place alone: jansson's own sentences name kinds and positions, never what is packed. */
static void complain(const char *file, int line, const char *why)
{
	(void)fprintf(
		stderr, "<3>%s:%d: JSON can't be made: %s\n", file, line, why); /* sd-daemon(3) */
#ifdef __SANITIZE_ADDRESS__
	abort();
#endif
}

json_t *jsonx_pack_at(const char *file, int line, const char *format, ...)
{
	json_error_t e;
	json_t *v;
	va_list ap;

	va_start(ap, format);
	v = json_vpack_ex(&e, 0, format, ap);
	va_end(ap);
	if (v)
		return v;
	complain(file, line, e.text);
	return json_null();
}

void jsonx_set_at(const char *file, int line, json_t *obj, const char *key, json_t *taken)
{
	if (taken && json_object_set_new(obj, key, taken) == 0)
		return;
	complain(file, line,
		taken ? "a key that is no UTF-8, or no object" : "a value that is none");
	(void)json_object_set_new(obj, key, json_null());
}

json_t *jsonx_string_or_null(const char *s)
{
	return s ? json_string(s) : json_null();
}

json_t *jsonx_time(int64_t ms)
{
	char text[IDENT_TIME_LEN + 1];

	ident_time_format(ms, text);
	return json_string(text);
}

json_t *jsonx_number(double value)
{
	bool is_whole = value >= -JSONX_WHOLE_MAX && value <= JSONX_WHOLE_MAX &&
			(double)(json_int_t)value == value;

	return is_whole ? json_integer((json_int_t)value) : json_real(value);
}

char *jsonx_dump(const json_t *v)
{
	return dump(v, 0);
}

char *jsonx_canonical(const json_t *v)
{
	return dump(v, JSON_SORT_KEYS);
}
