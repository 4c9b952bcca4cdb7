/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/imagejob.h"

#include "agent/spawn.h"
#include "agent/uplink.h"

json_t *imagejob_courier(const struct agent *a)
{
	_cleanup_(freep) char *courier = spawn_find("hoody-courier");
	_cleanup_(freep) char *ca = NULL;

	(void)!uplink_read_ca(a, &ca, NULL); /* without it a private server is not believed */
	return json_pack(
		"{s:s, s:s, s:s*}", "courier", courier, "user", a->conf.courier.user, "ca_pem", ca);
}
