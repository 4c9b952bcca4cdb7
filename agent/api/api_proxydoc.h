/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the pieces of a permission document must say, beyond their types (api_bodies.def): section
 * 16 of the public schema. A piece is judged the same, whether it comes alone or in a whole
 * document. Pure.
 *
 * Each returns 0, or -EINVAL with the field below @at ("" or the piece's own name). */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"

/* Of groups, services and programs: 1 to 50 letters, digits, _ or -. */
bool api_proxydoc_is_name(const char *name);

/* @type: "ip", "jwt", "password", "token" or "hoody-identity". */
_must_check_ int api_proxydoc_group(
	const char *type, const json_t *rule, const char *at, struct err *err);
_must_check_ int api_proxydoc_cells(const json_t *cells, const char *at, struct err *err);
_must_check_ int api_proxydoc_service(const char *service, const char *at, struct err *err);
_must_check_ int api_proxydoc_hook(const json_t *hook, const char *at, struct err *err);
/* All that is in it; @is_container: it may have hooks. */
_must_check_ int api_proxydoc_whole(const json_t *document, bool is_container, struct err *err);
