/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/uplink/apiclock.h"

#include <sys/timex.h>

#include "proto/ident.h"
#include "proto/jsonx.h"

#define HALF_SECOND_MS 500 /* t is in whole ones */
/* a poll that took longer has waited at the API, which signs at the end */
#define ROUND_TRIP_MAX_MS 2000

void apiclock_heard(struct apiclock *c, int64_t signed_ms, int64_t now_ms, int64_t took_ms)
{
	c->signed_ms = signed_ms;
	c->node_ms = now_ms - MIN_OF(took_ms, (int64_t)ROUND_TRIP_MAX_MS) / 2;
}

void apiclock_words(const struct apiclock *c, char ret[static APICLOCK_WORDS_MAX])
{
	char api[IDENT_TIME_LEN + 1], node[IDENT_TIME_LEN + 1];

	ident_time_format(c->signed_ms, api);
	ident_time_format(c->node_ms, node);
	(void)snprintf(ret, APICLOCK_WORDS_MAX,
		"the control API's clock and this node's differ: its signed answer is of %s, here "
		"it "
		"was %s",
		api, node);
}

static bool is_synchronised(void)
{
	struct timex t = {};

	return adjtimex(&t) >= 0 && !(t.status & STA_UNSYNC);
}

json_t *apiclock_json(const struct apiclock *c)
{
	return jsonx_pack("{s:b, s:o}", "synchronised", is_synchronised(), "offset_ms",
		c->signed_ms
			? json_integer((json_int_t)(c->signed_ms + HALF_SECOND_MS - c->node_ms))
			: json_null());
}
