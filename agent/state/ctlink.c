/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/ctlink.h"

#include <arpa/inet.h>

#include "netns/rtname.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

int ctlink_range(const char *cidr, size_t len, struct fwrange *ret)
{
	uint32_t address, mask;
	unsigned prefix;

	if (ident_cidr4_parse(cidr, len, &address, &prefix) < 0)
		return -EINVAL;
	mask = prefix == 0 ? 0 : ~0u << (32 - prefix);
	*ret = (struct fwrange){ address & mask, (address & mask) | ~mask };
	return 0;
}

unsigned ctlink_subnet6(const struct conf *conf, uint8_t ret[static 16])
{
	const char *text = conf->network.subnet6;
	char base[INET6_ADDRSTRLEN] = "";
	unsigned prefix;

	memset(ret, 0, 16);
	(void)snprintf(base, sizeof(base), "%.*s", (int)strcspn(text, "/"), text);
	if (!*text || inet_pton(AF_INET6, base, ret) != 1)
		return 0;
	prefix = (unsigned)strtoul(strchr(text, '/') + 1, NULL, 10);
	for (unsigned bit = prefix; bit < 128; bit++)
		ret[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return prefix;
}

/* The subnet's beginning, and the place that the IPv4 address has in its own; zero: there is none,
 * as for who has its address since Subnet4 was another. */
void ctlink_address6_bytes(
	const struct conf *conf, const struct ctspec *spec, uint8_t ret[static 16])
{
	struct fwrange four;
	uint32_t place;

	if (ctlink_subnet6(conf, ret) == 0 ||
		ctlink_range(conf->network.subnet4, strlen(conf->network.subnet4), &four) < 0)
		return;
	if (spec->ipv4 < four.low || spec->ipv4 > four.high) {
		memset(ret, 0, 16);
		return;
	}
	place = spec->ipv4 - four.low;
	for (int i = 15; place > 0; i--, place >>= 8)
		ret[i] |= (uint8_t)place;
}

bool ctlink_address6(
	const struct conf *conf, const struct ctspec *spec, char ret[static INET6_ADDRSTRLEN])
{
	static const uint8_t none[16];
	uint8_t six[sizeof(none)];

	ctlink_address6_bytes(conf, spec, six);
	return memcmp(six, none, sizeof(none)) != 0 &&
	       inet_ntop(AF_INET6, six, ret, INET6_ADDRSTRLEN);
}

const char *ctlink_name(const struct conf *conf, struct container *c)
{
	struct rtlink l;

	if (!*c->link) {
		rtname_fill(conf->network.interface_prefix, c->spec.id, &l);
		strcpy(c->link, l.name);
	}
	return c->link;
}

json_t *ctlink_json(const struct conf *conf, const struct ctspec *spec)
{
	struct rtlink l = {};
	char mac[18], address[INET_ADDRSTRLEN], address6[INET6_ADDRSTRLEN] = "";
	const uint32_t wire = htonl(spec->ipv4);
	json_t *v;

	rtname_fill(conf->network.interface_prefix, spec->id, &l);
	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", l.mac[0], l.mac[1],
		l.mac[2], l.mac[3], l.mac[4], l.mac[5]);
	(void)inet_ntop(AF_INET, &wire, address, sizeof(address));
	(void)ctlink_address6(conf, spec, address6); /* "": it has none */
	v = json_object();
	jsonx_set_string(v, "name", l.name);
	jsonx_set_string(v, "mac", mac);
	jsonx_set_string(v, "address", address);
	jsonx_set_string(v, "address6", address6);
	jsonx_set_string(v, "subnet4", conf->network.subnet4);
	jsonx_set_string(v, "subnet6", conf->network.subnet6);
	jsonx_set_int(v, "limit_bps", spec->limits.net_bps);
	jsonx_set_string(v, "dns", conf->network.dns);
	return v;
}
