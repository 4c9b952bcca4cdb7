/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The schema's history: migration i brings a database from version i to i + 1 (PRAGMA
 * user_version), in one transaction. A migration that was released never changes; a new one is
 * added behind it. */
#pragma once

#include "proto/base.h"

extern const char *const store_schema[];
extern const size_t store_schema_version; /* how many there are */
