/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a courier is told once, at its start. It sees no file: all of it is read while root. */
#pragma once

#include <sodium.h>

#include "agent/common/agent.h"
#include "proto/channel.h"

/* Of what one was told, without the keys, which come anew whenever they change. */
struct couriersetup {
	uint8_t digest[crypto_generichash_BYTES];
};

_must_check_ int couriersetup_send(
	const struct agent *a, struct channel *ch, struct couriersetup *ret_told, struct err *err);
/* Would another one be told something else? 1, 0, or why that can't be said. */
_must_check_ int couriersetup_has_changed(
	const struct agent *a, const struct couriersetup *told, struct err *err);
