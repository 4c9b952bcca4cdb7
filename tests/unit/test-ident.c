/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ids, times, addresses and ports: what is accepted, and above all what is not. */
#include <time.h>

#include "proto/ident.h"
#include "tests/unit/tap.h"

static void test_ids(void)
{
	TAP_OK(ident_is_id("0123456789abcdef01234567"), "24 lowercase hex");
	TAP_OK(!ident_is_id("0123456789ABCDEF01234567"), "upper case");
	TAP_OK(!ident_is_id("0123456789abcdef0123456"), "23");
	TAP_OK(!ident_is_id("0123456789abcdef012345678"), "25");
	TAP_OK(!ident_is_id(""), "empty");
	TAP_OK(!ident_is_id("0123456789abcdef0123456g"), "g");
	TAP_OK(ident_is_operation_id("0123456789abcdef0123456789abcdef"), "operation id");
	TAP_OK(!ident_is_operation_id("0123456789abcdef01234567"), "operation id of 24");
	TAP_OK(ident_is_kid("v1", 64) && ident_is_kid("a.B_9:+/=@-", 64), "kids");
	TAP_OK(!ident_is_kid("", 64) && !ident_is_kid("a b", 64) && !ident_is_kid("a\"", 64) &&
			!ident_is_kid("abcde", 4),
		"no kids");
}

static void test_times(void)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-23T05:00:00.000Z", 1795410000000 },
		{ "2026-11-23T05:00:00.1Z", 1795410000100 },
		{ "2026-11-23T05:00:00.123456789Z", 1795410000123 },
		{ "2000-02-29T23:59:59.999Z", 951868799999 },
		{ "1969-12-31T23:59:59.999Z", -1 },
		{ "0000-01-01T00:00:00Z", -62167219200000 },
		{ "9999-12-31T23:59:59.999Z", 253402300799999 },
	};
	static const char *const bad[] = { "", "2026-11-23", "2026-11-23T05:00:00",
		"2026-11-23t05:00:00Z", "2026-11-23T05:00:00z", "2026-11-23 05:00:00Z",
		"2026-11-23T05:00:00+00:00", "2026-11-23T05:00:00.Z",
		"2026-11-23T05:00:00.1234567890Z", "2026-11-23T05:00:00,5Z", "2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-11-23T24:00:00Z",
		"2026-11-23T05:60:00Z", "2026-11-23T23:59:60Z", "+026-11-23T05:00:00Z",
		"2026-11-23T05:00:00Z ", " 2026-11-23T05:00:00Z", "12026-11-23T05:00:00Z",
		"2026-11-23T5:00:00Z" };
	int64_t ms;

	for (size_t i = 0; i < countof(good); i++)
		TAP_OK(ident_time_parse(good[i].text, &ms) == 0 && ms == good[i].ms, "%s",
			good[i].text);
	for (size_t i = 0; i < countof(bad); i++) {
		ms = 7;
		TAP_OK(ident_time_parse(bad[i], &ms) == -EINVAL && ms == 7, "refused: \"%s\"",
			bad[i]);
	}
}

/* Against the C library's calendar, over 10,000 years in steps of about a day. */
static void test_calendar(void)
{
	char ours[IDENT_TIME_LEN + 1], theirs[64];
	unsigned n = 0, wrong = 0;
	struct tm tm;
	int64_t back;
	time_t t;

	for (int64_t ms = -62167219200000; ms < 253402300799999; ms += 86461234, n++) {
		t = (time_t)((ms >= 0 ? ms : ms - 999) / 1000);
		(void)gmtime_r(&t, &tm);
		(void)snprintf(theirs, sizeof(theirs), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			tm.tm_sec, (int)(ms - (int64_t)t * 1000));
		ident_time_format(ms, ours);
		wrong += strcmp(ours, theirs) != 0 || ident_time_parse(ours, &back) < 0 ||
			 back != ms;
	}
	TAP_EQ(wrong, 0, "%u times agree with gmtime and come back", n);
	ident_time_format(INT64_MAX, ours);
	TAP_STREQ(ours, "9999-12-31T23:59:59.999Z", "the end of time");
	ident_time_format(INT64_MIN, ours);
	TAP_STREQ(ours, "0000-01-01T00:00:00.000Z", "the beginning of time");
}

static void test_addresses(void)
{
	static const char *const bad[] = { "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
		"1.2.3.4/", "1.2.3.4/33", "1.2.3.4/032", "1.2.3.4/ 8", " 1.2.3.4", "1.2.3.4 ",
		"1..3.4", "1.2.3.-4", "::1", "a.b.c.d", "1.2.3.4/8/8", "99999999999.1.1.1",
		"1.2.3.4/4294967296" };
	unsigned prefix;
	uint32_t addr;

	TAP_OK(ident_cidr4_parse("10.1.2.3", 8, &addr, &prefix) == 0 && addr == 0x0a010203 &&
			prefix == 32,
		"an address");
	TAP_OK(ident_cidr4_parse("10.1.2.3/0", 10, &addr, &prefix) == 0 && prefix == 0, "a CIDR");
	TAP_OK(ident_cidr4_parse("255.255.255.255/32,x", 18, &addr, &prefix) == 0 &&
			addr == UINT32_MAX,
		"only what is inside the length");
	for (size_t i = 0; i < countof(bad); i++)
		TAP_OK(ident_cidr4_parse(bad[i], strlen(bad[i]), &addr, &prefix) == -EINVAL,
			"refused: \"%s\"", bad[i]);
}

static void test_ports(void)
{
	static const char *const bad[] = { "", "0", "65536", "80-", "-80", "90-80", "80-90-100",
		"080", "80-090", "0-5", " 80", "80 ", "http", "4294967376" };
	uint16_t low, high;

	TAP_OK(ident_ports_parse("443", 3, &low, &high) == 0 && low == 443 && high == 443,
		"a port");
	TAP_OK(ident_ports_parse("1-65535", 7, &low, &high) == 0 && low == 1 && high == 65535,
		"a range");
	TAP_OK(ident_ports_parse("80-80", 5, &low, &high) == 0, "a range of one");
	for (size_t i = 0; i < countof(bad); i++)
		TAP_OK(ident_ports_parse(bad[i], strlen(bad[i]), &low, &high) == -EINVAL,
			"refused: \"%s\"", bad[i]);
}

int main(void)
{
	test_ids();
	test_times();
	test_calendar();
	test_addresses();
	test_ports();
	return tap_done();
}
