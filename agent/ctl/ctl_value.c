/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_value.h"

#include <time.h>

#include "proto/clock.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

const json_t *ctl_value_at(const json_t *v, const char *path)
{
	while (v && path) {
		const char *dot = strchr(path, '.');
		char first[64];

		(void)snprintf(first, sizeof(first), "%.*s",
			dot ? (int)(dot - path) : (int)strlen(path), path);
		v = json_is_array(v) ? json_array_get(v, strtoul(first, NULL, 10))
				     : json_object_get(v, first);
		path = dot ? dot + 1 : NULL;
	}
	return v;
}

/* --- times --- */

static bool read_time(const json_t *v, int64_t *ret_ms)
{
	*ret_ms = json_integer_value(v);
	return *ret_ms > 0 ||
	       (json_is_string(v) && ident_time_parse(json_string_value(v), ret_ms) == 0);
}

static char *clock_text(const struct ctl *ctl, int64_t ms)
{
	const time_t s = (time_t)(ms / 1000);
	char text[CTL_TEXT_MAX];
	struct tm tm;
	size_t n;

	if (!(ctl->utc ? gmtime_r(&s, &tm) : localtime_r(&s, &tm)))
		return xasprintf("%lld", (long long)ms);
	n = ctl->iso ? strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &tm)
		     : strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	return xasprintf("%.*s%s", (int)n, text, ctl->utc && !ctl->iso ? " UTC" : "");
}

char *ctl_value_clock(const struct ctl *ctl, const json_t *v)
{
	int64_t ms;

	return read_time(v, &ms) ? clock_text(ctl, ms) : NULL;
}

static char *ago(int64_t ms)
{
	int64_t age_ms = (int64_t)clock_ms(CLOCK_REALTIME) - ms;
	char text[CTL_TEXT_MAX];

	(void)ctl_text_age(llabs(age_ms), text);
	return age_ms < -1000 ? xasprintf("in %s", text) : xasprintf("%s ago", text);
}

char *ctl_value_time(const struct ctl *ctl, const json_t *v)
{
	_cleanup_(freep) char *when = NULL, *since = NULL;
	int64_t ms;

	if (!read_time(v, &ms))
		return NULL;
	when = clock_text(ctl, ms);
	since = ago(ms);
	return ctl->iso ? TAKE(when) : xasprintf("%s (%s)", when, since);
}

static char *age_text(const struct ctl *ctl, enum ctl_kind kind, const json_t *v)
{
	char text[CTL_TEXT_MAX];
	int64_t ms;

	if (!read_time(v, &ms))
		return NULL;
	if (ctl->iso || ctl->utc)
		return clock_text(ctl, ms);
	if (kind == CTL_AGO)
		return ago(ms);
	return xstrdup(ctl_text_age((int64_t)clock_ms(CLOCK_REALTIME) - ms, text));
}

/* --- the others --- */

static char *any_text(const json_t *v);

/* "one, two" of a list; "key=value key=value" of an object. */
static char *parts_text(const json_t *v)
{
	_cleanup_(freep) char *all = xstrdup("");
	const char *key;
	json_t *m;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)v, i, m) {
		_cleanup_(freep) char *before = all, *text = any_text(m);

		all = xasprintf("%s%s%s", before, *before ? ", " : "", ctl_text_or_dash(text));
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, m) {
		_cleanup_(freep) char *before = NULL, *text = any_text(m);

		if (!text)
			continue;
		before = all;
		all = xasprintf("%s%s%s=%s", before, *before ? " " : "", key, text);
	}
	return *all ? TAKE(all) : NULL;
}

static char *any_text(const json_t *v)
{
	char text[CTL_TEXT_MAX];

	if (!v || json_is_null(v))
		return NULL;
	if (json_is_string(v))
		return *json_string_value(v) ? xstrdup(json_string_value(v)) : NULL;
	if (json_is_boolean(v))
		return xstrdup(json_is_true(v) ? "yes" : "no");
	if (json_is_real(v))
		return xstrdup(ctl_text_real(json_real_value(v), text));
	if (json_is_integer(v))
		return xasprintf("%lld", (long long)json_integer_value(v));
	return parts_text(v);
}

char *ctl_value_text(const struct ctl *ctl, enum ctl_kind kind, const json_t *v)
{
	const int64_t n = (int64_t)json_number_value(v);
	char text[CTL_TEXT_MAX];

	if (!v || json_is_null(v) || (kind == CTL_SOME && n == 0))
		return NULL;
	switch (kind) {
	case CTL_BYTES:
		return xstrdup(ctl_text_size(n, text));
	case CTL_NS:
		return xstrdup(ctl_text_duration(n / 1000000, text));
	case CTL_MS:
		return xstrdup(ctl_text_duration(n, text));
	case CTL_AGE:
	case CTL_AGO:
		return age_text(ctl, kind, v);
	case CTL_TIME:
		return ctl_value_time(ctl, v);
	case CTL_TEXT:
	case CTL_SENTENCE:
	case CTL_WORD:
	case CTL_ID:
	case CTL_STATE:
	case CTL_COUNT:
	case CTL_SOME:
	case CTL_OBJECT:
		break;
	}
	return any_text(v);
}

enum ctl_colour ctl_value_colour(enum ctl_kind kind, const char *text)
{
	return kind == CTL_STATE ? ctl_text_colour_of(text) : CTL_PLAIN;
}

bool ctl_value_is_number(enum ctl_kind kind)
{
	return kind == CTL_COUNT || kind == CTL_SOME || kind == CTL_BYTES || kind == CTL_NS ||
	       kind == CTL_MS;
}
