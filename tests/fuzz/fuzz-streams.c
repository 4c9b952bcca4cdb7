/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an image server publishes (simple streams), index and images: what is found in it is
 * whole. */
#include "proto/jsonx.h"
#include "storage/streams.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "debian/13", "a", "" };
	_cleanup_json_ json_t *document = NULL;
	struct err err = {};
	const char *path;

	if (jsonx_parse(data, size, ERR_IMAGE_INVALID, &document, &err) < 0)
		return 0;
	path = streams_images_path(document);
	assert(!path || strlen(path) <= size);
	for (size_t i = 0; i < countof(names); i++) {
		struct streams_item item;

		if (streams_find(document, names[i], "amd64", &item, &err) < 0) {
			assert(err.code == ERR_IMAGE_NOT_FOUND && *err.message);
			continue;
		}
		assert(item.size > 0 && strlen(item.path) <= size && strlen(item.sha256) <= size);
	}
	return 0;
}
