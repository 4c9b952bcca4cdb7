/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's IPv6 address: the place in Network.Subnet6 that its IPv4 address has in
 * Network.Subnet4, whatever bits either is written with beyond its prefix; none without a subnet or
 * an address. */
#include "agent/state/ctlink.h"
#include "tests/unit/tap.h"

int main(void)
{
	static struct {
		char four[20], six[24];
		uint32_t ipv4;
		const char *want; /* NULL: none */
	} cases[] = {
		{ "10.200.0.0/16", "fd00:1::/64", 0x0ac80002, "fd00:1::2" },
		{ "10.200.0.0/16", "fd00:1::/64", 0x0ac8ffff, "fd00:1::ffff" },
		{ "10.200.3.9/16", "fd00:1::/64", 0x0ac80002, "fd00:1::2" },
		{ "10.200.0.0/16", "fd00:1::dead/64", 0x0ac80002, "fd00:1::2" },
		{ "10.200.0.0/16", "fd00:1::1f00/116", 0x0ac80002, "fd00:1::1002" },
		{ "10.0.0.0/8", "fd00:1::/64", 0x0a123456, "fd00:1::12:3456" },
		{ "10.200.0.0/16", "", 0x0ac80002, NULL },
		{ "10.200.0.0/16", "fd00:1::/64", 0, NULL },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		const struct conf conf = { .network = { .subnet4 = cases[i].four,
						   .subnet6 = cases[i].six } };
		const struct ctspec spec = { .ipv4 = cases[i].ipv4 };
		char text[INET6_ADDRSTRLEN] = "";
		bool has = ctlink_address6(&conf, &spec, text);

		TAP_STREQ(has ? text : NULL, cases[i].want, "%s, %s: %08x", cases[i].four,
			cases[i].six, cases[i].ipv4);
	}
	return tap_done();
}
