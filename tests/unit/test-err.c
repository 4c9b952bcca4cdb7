/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error object: every code has its words, and nothing that a stranger sent harms a report or a
 * log. */
#include <jansson.h>

#include "proto/err.h"
#include "tests/unit/tap.h"

static void test_codes(void)
{
	for (int i = ERR_NONE + 1; i < ERR_COUNT; i++) {
		enum errcode code = (enum errcode)i;

		TAP_OK(err_from_wire(err_wire(code)) == code && err_http(code) >= 400 &&
				err_http(code) < 600 && *err_sentence(code),
			"%s", err_wire(code));
	}
	TAP_EQ(err_from_wire("no such code"), ERR_NONE, "an unknown code");
}

static bool is_json(const char *s)
{
	json_t *v = json_string(s); /* NULL unless it is UTF-8 */
	bool ok = v;

	json_decref(v);
	return ok;
}

static void test_foreign_text(void)
{
	char long_text[1201] = "";
	struct err err;

	TAP_EQ(err_set(&err, -EINVAL, ERR_CONFIG, "a\nb",
		       "x\x1b[31m\r\n\xff\xc3(\xed\xa0\x80 \xc2\x9b \xc3\xa9"),
		-EINVAL, "returns its number");
	TAP_STREQ(err.field, "a?b", "the field is one line");
	TAP_STREQ(err.message,
		"x?[31m???"
		"?(??"
		"? ?? \xc3\xa9",
		"the message is printable UTF-8");
	(void)err_set(&err, -EINVAL, ERR_CONFIG, NULL,
		"a\xe2\x80\xa8\xe2\x80\xae.\xe2\x81\xa6\xe2\x81\xa9z "
		"\xe2\x80\x8f\xd7\xa9 \xe2\x81\xaa");
	TAP_STREQ(err.message, "a??????.??????z \xe2\x80\x8f\xd7\xa9 \xe2\x81\xaa",
		"nobody turns the rest of a line round; what is written so goes so");
	for (int i = 0; i < 400; i++)
		strcat(long_text, "\xe2\x82\xac");
	for (int i = 0; i < 4; i++) {
		(void)err_set(&err, -EINVAL, ERR_CONFIG, long_text + 3 * i, "%.*s%s", i, "xxx",
			long_text);
		TAP_OK(is_json(err.field) && is_json(err.message), "cut text is UTF-8 (%d)", i);
		(void)err_add(&err, -EINVAL, "%.*s%s", i, "xxx", long_text + 900);
		TAP_OK(is_json(err.message), "also with a prefix (%d)", i);
	}
}

int main(void)
{
	struct err err;

	test_codes();
	test_foreign_text();
	(void)err_set(&err, -ENOENT, ERR_IMAGE_NOT_FOUND, "image", "there is no %s", "debian/13");
	TAP_EQ(err_add(&err, -EIO, "container %d", 5), -EIO, "a prefix");
	TAP_STREQ(err.message, "container 5: there is no debian/13", "stands before");
	TAP_OK(err.code == ERR_IMAGE_NOT_FOUND && err.errnum == ENOENT, "and changes nothing else");
	TAP_EQ(err_set(NULL, -EIO, ERR_CONFIG, NULL, "x"), -EIO, "nobody listens");
	TAP_EQ(err_add(NULL, -EIO, "x"), -EIO, "nor to prefixes");
	return tap_done();
}
