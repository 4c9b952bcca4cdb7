/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/rtname.h"

#include <sodium.h>

#define HASH_DIGITS 12

void rtname_fill(const char *prefix, const char *id, struct rtlink *ret)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof(hash) + 1];

	(void)crypto_hash_sha256(hash, (const uint8_t *)id, strlen(id));
	(void)sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	(void)snprintf(ret->name, sizeof(ret->name), "%s%.*s", prefix, HASH_DIGITS, hex);
	memcpy(ret->mac, hash + 16, sizeof(ret->mac));
	ret->mac[0] =
		(uint8_t)((ret->mac[0] & ~0x01) | 0x02); /* one station's, locally administered */
}
