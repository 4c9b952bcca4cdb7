/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text forms that are closed and small: each is read by hand, left to right, without locale or libc
 * time zone. What doesn't match to the last byte is refused; nothing is trimmed, folded or guessed.
 *
 * Times follow RFC 3339 section 5.6 with "Z" alone, years 0000 to 9999, proleptic Gregorian. A leap
 * second (":60") has no place on the POSIX scale and is refused. */
#include "proto/ident.h"

#define MS_PER_DAY  86400000LL
#define TIME_MIN_MS (-62167219200000LL) /* 0000-01-01T00:00:00.000Z */
#define TIME_MAX_MS 253402300799999LL   /* 9999-12-31T23:59:59.999Z */

bool ident_is_hex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return s[len] == '\0';
}

bool ident_is_id(const char *s)
{
	return ident_is_hex(s, IDENT_ID_LEN);
}

bool ident_is_operation_id(const char *s)
{
	return ident_is_hex(s, IDENT_OPERATION_LEN);
}

bool ident_is_kid(const char *s, size_t max)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._:+/=@-";
	size_t len = strnlen(s, max + 1);

	return len >= 1 && len <= max && strspn(s, allowed) == len;
}

/* A decimal number without leading zeros at *@i; moves *@i behind it. */
static bool read_number(const char *s, size_t len, size_t *i, uint32_t max, uint32_t *ret)
{
	size_t start = *i;
	uint32_t v = 0;

	while (*i < len && s[*i] >= '0' && s[*i] <= '9') {
		v = v * 10 + (uint32_t)(s[*i] - '0');
		(*i)++;
		if (v > max)
			return false;
	}
	if (*i == start || (s[start] == '0' && *i - start > 1))
		return false;
	*ret = v;
	return true;
}

int ident_cidr4_parse(const char *s, size_t len, uint32_t *ret_addr, unsigned *ret_prefix)
{
	uint32_t addr = 0, prefix = 32, octet;
	size_t i = 0;

	for (int n = 0; n < 4; n++) {
		if (n > 0 && (i >= len || s[i++] != '.'))
			return -EINVAL;
		if (!read_number(s, len, &i, 255, &octet))
			return -EINVAL;
		addr = addr << 8 | octet;
	}
	if (i < len && s[i] == '/') {
		i++;
		if (!read_number(s, len, &i, 32, &prefix))
			return -EINVAL;
	}
	if (i != len)
		return -EINVAL;
	*ret_addr = addr;
	*ret_prefix = prefix;
	return 0;
}

int ident_ports_parse(const char *s, size_t len, uint16_t *ret_low, uint16_t *ret_high)
{
	uint32_t low, high;
	size_t i = 0;

	if (!read_number(s, len, &i, UINT16_MAX, &low))
		return -EINVAL;
	high = low;
	if (i < len && s[i] == '-') {
		i++;
		if (!read_number(s, len, &i, UINT16_MAX, &high))
			return -EINVAL;
	}
	if (i != len || low == 0 || low > high)
		return -EINVAL;
	*ret_low = (uint16_t)low;
	*ret_high = (uint16_t)high;
	return 0;
}

/* Days since the epoch of a civil date, and back: H. Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms" (years begin in March, eras of 400 years). */
static int64_t days_of_civil(int64_t y, int64_t m, int64_t d)
{
	int64_t era, yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

static void civil_of_days(int64_t days, int *y, int *m, int *d)
{
	int64_t era, doe, yoe, doy, mp;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

static int days_in_month(int y, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return days[m - 1] + (m == 2 && leap);
}

/* Match "NNNN-NN-NN…" by a picture in which 0 stands for a digit; numbers go to @ret in order. */
static bool read_picture(const char *s, const char *picture, int *ret)
{
	int n = 0;

	for (size_t i = 0; picture[i]; i++) {
		if (picture[i] != '0') {
			if (s[i] != picture[i])
				return false;
			continue;
		}
		if (s[i] < '0' || s[i] > '9')
			return false;
		if (i == 0 || picture[i - 1] != '0')
			ret[n++] = 0;
		ret[n - 1] = ret[n - 1] * 10 + (s[i] - '0');
	}
	return true;
}

/* ".123456789" at *@s: its milliseconds, cut and not rounded. Moves *@s behind it. */
static bool read_fraction(const char **s, int *ret_ms)
{
	int digits = 0, ms = 0;

	if (**s == '.') {
		for ((*s)++; **s >= '0' && **s <= '9'; (*s)++)
			if (++digits <= 3)
				ms = ms * 10 + (**s - '0');
		if (digits < 1 || digits > 9)
			return false;
		for (; digits < 3; digits++)
			ms *= 10;
	}
	*ret_ms = ms;
	return true;
}

int ident_time_parse(const char *s, int64_t *ret_ms)
{
	static const char picture[] = "0000-00-00T00:00:00";
	int f[6], ms;

	if (!read_picture(s, picture, f))
		return -EINVAL;
	s += sizeof(picture) - 1;
	if (!read_fraction(&s, &ms) || strcmp(s, "Z") != 0)
		return -EINVAL;
	if (f[1] < 1 || f[1] > 12 || f[2] < 1 || f[2] > days_in_month(f[0], f[1]))
		return -EINVAL;
	if (f[3] > 23 || f[4] > 59 || f[5] > 59)
		return -EINVAL;
	*ret_ms = days_of_civil(f[0], f[1], f[2]) * MS_PER_DAY +
		  ((f[3] * 60LL + f[4]) * 60 + f[5]) * 1000 + ms;
	return 0;
}

static void put_number(char *at, int v, int width)
{
	for (int i = width - 1; i >= 0; i--, v /= 10)
		at[i] = (char)('0' + v % 10);
}

void ident_time_format(int64_t ms, char ret[static IDENT_TIME_LEN + 1])
{
	int64_t days, rest;
	int y, m, d, t;

	ms = MAX_OF(MIN_OF(ms, TIME_MAX_MS), TIME_MIN_MS);
	days = (ms >= 0 ? ms : ms - (MS_PER_DAY - 1)) / MS_PER_DAY;
	rest = ms - days * MS_PER_DAY;
	t = (int)(rest / 1000);
	civil_of_days(days, &y, &m, &d);
	memcpy(ret, "0000-00-00T00:00:00.000Z", IDENT_TIME_LEN + 1);
	put_number(ret, y, 4);
	put_number(ret + 5, m, 2);
	put_number(ret + 8, d, 2);
	put_number(ret + 11, t / 3600, 2);
	put_number(ret + 14, t / 60 % 60, 2);
	put_number(ret + 17, t % 60, 2);
	put_number(ret + 20, (int)(rest % 1000), 3);
}
