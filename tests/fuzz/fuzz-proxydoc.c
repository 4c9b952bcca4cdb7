/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Permission documents of local calls, whole and piece by piece: what does not fit is refused with
 * a field and a sentence, and what a whole document may hold each of its pieces may. */
#include "agent/api/api_proxydoc.h"
#include "agent/common/api_form.h"
#include "proto/jsonx.h"
#include "tests/fuzz/fuzz.h"

static void check_refusal(int r, const struct err *err)
{
	assert(r == 0 || (r == -EINVAL && err->code == ERR_INVALID_PARAMS && *err->message));
}

/* As the routes of pieces do it: the body's form, and then what it says. */
static void check_pieces(const json_t *document, bool accepted)
{
	const char *name;
	const json_t *v;
	struct err err = {};
	size_t i;
	int r;

	json_object_foreach(json_object_get(document, "groups"), name, v) {
		r = api_proxydoc_group(json_string_value(json_object_get(v, "type")), v, "", &err);
		check_refusal(r, &err);
		assert(!accepted || r == 0);
	}
	json_object_foreach(json_object_get(document, "permissions"), name, v) {
		r = api_proxydoc_cells(v, "", &err);
		check_refusal(r, &err);
		assert(!accepted || r == 0);
	}
	json_object_foreach(json_object_get(document, "hooks"), name, v) {
		const json_t *hook;

		check_refusal(api_proxydoc_service(name, "service", &err), &err);
		json_array_foreach((json_t *)(uintptr_t)v, i, hook) {
			r = api_proxydoc_hook(hook, "", &err);
			check_refusal(r, &err);
			assert(!accepted || r == 0);
		}
	}
}

/* The first byte: whose document it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *document = NULL;
	struct err err = {};
	int r;

	if (size == 0 || jsonx_parse(data + 1, size - 1, ERR_INVALID_PARAMS, &document, &err) < 0)
		return 0;
	r = api_form_check(API_FORM_DOCUMENT, document, &err);
	check_refusal(r, &err);
	if (r < 0)
		return 0;
	r = api_proxydoc_whole(document, data[0] & 1, &err);
	check_refusal(r, &err);
	check_pieces(document, r == 0);
	return 0;
}
