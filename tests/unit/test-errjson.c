/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error object there and back, and back from what nobody should have written. */
#include "proto/errjson.h"
#include "tests/unit/tap.h"

static bool same(const struct err *a, const struct err *b)
{
	return a->code == b->code && a->errnum == b->errnum &&
	       strcmp(a->message, b->message) == 0 && strcmp(a->field, b->field) == 0 &&
	       strcmp(a->reason, b->reason) == 0 && strcmp(a->status, b->status) == 0 &&
	       a->have == b->have && a->may == b->may;
}

static struct err there_and_back(const struct err *err)
{
	_cleanup_json_ json_t *v = errjson_make(err);
	_cleanup_(freep) char *text = jsonx_dump(v);
	_cleanup_json_ json_t *again = json_loads(text, 0, NULL);
	struct err ret;

	TAP_NOTE("%s", text);
	(void)errjson_read(again, -err->errnum, &ret);
	return ret;
}

static void test_every_code(void)
{
	size_t n = 0;

	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT; code++) {
		struct err err = { .code = code, .errnum = EIO, .field = "limits.pids" }, back;

		(void)snprintf(err.message, sizeof(err.message), "\xc3\xa9 %d", (int)code);
		err_copy(err.reason, sizeof(err.reason), err_wire(code));
		strcpy(err.status, "running");
		err.have = 500;
		err.may = code % 2 ? 499 : 0;
		err.have = err.may ? err.have : 0;
		back = there_and_back(&err);
		n += same(&err, &back);
	}
	TAP_EQ(n, ERR_COUNT - 1, "every code, with all of its texts");
}

static void test_no_word(void)
{
	struct err err = { .code = ERR_TIMEOUT, .errnum = ETIMEDOUT }, back = there_and_back(&err);

	TAP_OK(back.code == ERR_TIMEOUT && strcmp(back.message, err_sentence(ERR_TIMEOUT)) == 0 &&
			!back.field[0] && !back.reason[0] && !back.status[0],
		"without a message: the code's sentence, and no more");
	err = (struct err){ .errnum = EIO };
	back = there_and_back(&err);
	TAP_OK(back.code == ERR_INTERNAL && back.message[0], "without a code: the node failed");
}

static void test_strange(void)
{
	static const char *const texts[] = { "null", "5", "[]", "{}", "{\"code\":5,\"message\":[]}",
		"{\"code\":\"NEVER_HEARD_OF\",\"message\":\"\",\"data\":[]}",
		"{\"code\":\"\",\"data\":{\"field\":5,\"reason\":null}}" };
	struct err err;

	for (size_t i = 0; i < countof(texts); i++) {
		_cleanup_json_ json_t *v = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		int r = errjson_read(v, -EREMOTEIO, &err);

		TAP_OK(r == -EREMOTEIO && err.code == ERR_INTERNAL && err.errnum == EREMOTEIO &&
				strcmp(err.message, err_sentence(ERR_INTERNAL)) == 0 &&
				!err.field[0] && !err.reason[0],
			"%s", texts[i]);
	}
	(void)errjson_read(NULL, -EIO, &err);
	TAP_OK(err.code == ERR_INTERNAL && err.message[0], "nothing at all");
}

/* Wherever a long text is cut, what is left can be said. */
static void test_cut(void)
{
	char text[2 * sizeof(((struct err *)NULL)->message)];
	size_t n = 0;

	for (size_t shift = 0; shift < 3; shift++) {
		_cleanup_json_ json_t *v = json_object(), *data = json_object(), *again = NULL;
		struct err err;

		memset(text, 'x', shift);
		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac\0", 4);
		(void)json_object_set_new(v, "code", json_string(err_wire(ERR_TIMEOUT)));
		(void)json_object_set_new(v, "message", json_string(text));
		(void)json_object_set_new(data, "field", json_string(text));
		(void)json_object_set_new(data, "reason", json_string(text));
		(void)json_object_set_new(data, "status", json_string(text));
		(void)json_object_set(v, "data", data);
		(void)errjson_read(v, -EIO, &err);
		again = errjson_make(&err);
		n += json_object_size(json_object_get(again, "data")) == 3 &&
		     json_is_string(json_object_get(again, "message"));
	}
	TAP_EQ(n, 3, "texts that are cut inside of a character");
}

int main(void)
{
	jsonx_init();
	test_every_code();
	test_no_word();
	test_strange();
	test_cut();
	return tap_done();
}
