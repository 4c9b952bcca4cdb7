/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hex and base64: both ways, against libsodium, and every text that is one value's second spelling
 * refused. */
#include <sodium.h>

#include "proto/encoding.h"
#include "tests/unit/tap.h"

static void test_hex(void)
{
	uint8_t out[4] = { 9, 9, 9, 9 };
	char text[9];

	encoding_hex("\x00\x7f\xff\xa5", 4, text);
	TAP_STREQ(text, "007fffa5", "hex");
	TAP_OK(encoding_unhex("007fffa5", out, 4, false) == 0 &&
			memcmp(out, "\x00\x7f\xff\xa5", 4) == 0,
		"and back");
	TAP_OK(encoding_unhex("007FFFA5", out, 4, true) == 0, "upper case where it may be");
	memset(out, 9, sizeof(out));
	TAP_OK(encoding_unhex("007FFFA5", out, 4, false) == -EINVAL, "upper case where it may not");
	TAP_OK(encoding_unhex("007fffa", out, 4, false) == -EINVAL, "too short");
	TAP_OK(encoding_unhex("007fffa51", out, 4, false) == -EINVAL, "too long");
	TAP_OK(encoding_unhex("007fffg5", out, 4, false) == -EINVAL, "not hex");
	TAP_OK(memcmp(out, "\x09\x09\x09\x09", 4) == 0, "a refusal leaves the output alone");
}

static bool decodes_to(const char *s, const void *want, size_t want_size)
{
	_cleanup_(freep) uint8_t *data = NULL;
	size_t size;

	return encoding_unbase64(s, strlen(s), &data, &size) == 0 && size == want_size &&
	       memcmp(data, want, size) == 0;
}

static void test_base64_refusals(void)
{
	static const char *const bad[] = { "Z", "Zg=", "Zg===", "Zm9=v", "=",
		"==", "====", "Zm9v=", "Zm9v==", "Zm9vYg=", "Zm9v\n", " Zm9v", "Zm 9v",
		"Zh==", "Zh", "Zm9vYmF=", "Zm9vYmF", "+-==", "-+AA", "ab/_", "Zm9v!",
		"Zg==Zg==", "Z\xc3\xa9==", "*m9v" };
	uint8_t *data = NULL;
	size_t size;

	for (size_t i = 0; i < countof(bad); i++)
		TAP_OK(encoding_unbase64(bad[i], strlen(bad[i]), &data, &size) == -EINVAL && !data,
			"refused: \"%s\"", bad[i]);
}

static bool round_trip(size_t size)
{
	_cleanup_(freep) uint8_t *data = xcalloc(size, 1), *back = NULL;
	_cleanup_(freep) char *ours = NULL, *theirs = NULL, *url = NULL;
	size_t room = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL), n;

	randombytes_buf_deterministic(data, size, (uint8_t[32]){ (uint8_t)size });
	ours = encoding_base64(data, size);
	theirs = sodium_bin2base64(
		xcalloc(room, 1), room, data, size, sodium_base64_VARIANT_ORIGINAL);
	if (strcmp(ours, theirs) != 0 || !decodes_to(ours, data, size))
		return false;
	url = sodium_bin2base64(
		xcalloc(room, 1), room, data, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return encoding_unbase64(url, strlen(url), &back, &n) == 0 && n == size &&
	       memcmp(back, data, n) == 0 && back[n] == 0;
}

int main(void)
{
	unsigned wrong = 0;

	test_hex();
	/* RFC 4648, section 10 */
	TAP_OK(decodes_to("", "", 0), "nothing");
	TAP_OK(decodes_to("Zg==", "f", 1) && decodes_to("Zg", "f", 1), "f");
	TAP_OK(decodes_to("Zm8=", "fo", 2) && decodes_to("Zm8", "fo", 2), "fo");
	TAP_OK(decodes_to("Zm9vYmFy", "foobar", 6), "foobar");
	TAP_OK(decodes_to("+/+/", "\xfb\xff\xbf", 3) && decodes_to("-_-_", "\xfb\xff\xbf", 3),
		"both alphabets");
	test_base64_refusals();
	for (size_t size = 0; size < 300; size++)
		wrong += !round_trip(size);
	TAP_EQ(wrong, 0, "300 sizes agree with libsodium, in both alphabets");
	return tap_done();
}
