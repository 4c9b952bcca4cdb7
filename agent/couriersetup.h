/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/agent.h"
#include "proto/channel.h"

/* Tell a courier everything that it needs to know, read while root: it sees no file. */
_must_check_ int couriersetup_send(const struct agent *a, struct channel *ch, struct err *err);
