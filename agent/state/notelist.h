/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people write at a container and no part of the node needs: color, comment, whether AI
 * features and the development kit are wanted, and its realms. Kept and shown. Rows of the state
 * file. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"

/* What @params say of it, from now on; null forgets. The rest stays. */
void notelist_take(struct store *s, const char *container_id, const json_t *params);
void notelist_copy(struct store *s, const char *from_container, const char *to_container);
void notelist_remove(struct store *s, const char *container_id);

/* Into a container's public form, what was never said as published. */
void notelist_show(struct store *s, const char *container_id, json_t *into);

/* "abc", "#abc" -> "#ABC", as colors are published. The caller's; NULL: null. */
json_t *notelist_color(const char *color);
