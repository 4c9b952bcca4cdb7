/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A worker's RESULT as the agent reads it: any bytes are a result or an error with a code and a
 * sentence that can go into reports. */
#include <jansson.h>

#include "agent/engine/worker.h"
#include "proto/errjson.h"
#include "tests/fuzz/fuzz.h"

static void check_error(const struct err *err)
{
	_cleanup_json_ json_t *v = errjson_make(err);

	assert(err->code > ERR_NONE && err->code < ERR_COUNT && *err->message);
	assert(json_is_string(json_object_get(v, "message"))); /* it is UTF-8 */
}

/* The first two bytes are the frame's word on how it went. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f = { .type = FRAME_WORKER_RESULT };
	_cleanup_json_ json_t *result = NULL;
	struct err err = {};
	int r;

	if (size < 2)
		return 0;
	f.a = (uint64_t)data[0] << (data[1] % 64);
	result = worker_read_result(&f, data + 2, size - 2, &r, &err);
	assert(r <= 0 && r > -4096);
	if (r < 0)
		check_error(&err);
	else
		assert(f.a == 0 && (result || size == 2));
	return 0;
}
