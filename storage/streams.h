/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Simple streams, as LXC's and Incus' image servers publish them (format products:1.0): from a name
 * like debian/13 to the newest build for an architecture, and of that to the archive that we can
 * unpack. Pure. */
#pragma once

#include <jansson.h>

#include "proto/base.h"
#include "proto/err.h"

struct streams_item {
	const char *path, *sha256; /* below the server's base; borrowed from the document */
	int64_t size;
};

/* The path of the document that lists images, out of streams/v1/index.json; NULL: there is none. */
const char *streams_images_path(const json_t *index);

/* @architecture as Debian names it. -ENOENT (IMAGE_NOT_FOUND). */
_must_check_ int streams_find(const json_t *images, const char *name, const char *architecture,
	struct streams_item *ret, struct err *err);
