/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_words.h"

char *ctl_words_network(const struct ctl *ctl, const json_t *v)
{
	const char *type = ctl_text_of(v, "type"), *status = ctl_text_of(v, "status");

	(void)ctl;
	if (!json_is_true(json_object_get(v, "configured")) || !type)
		return xstrdup("direct: no mode is configured");
	if (status && strcmp(status, "configured") == 0)
		return xasprintf("%s, configured and not in force: network start", type);
	return xasprintf("%s, %s", type, status ? status : "-");
}

bool ctl_words_is_closed(const json_t *v, const char *direction)
{
	return json_array_size(json_object_get(v, direction)) > 0 ||
	       json_is_true(json_object_get(json_object_get(v, "closed"), direction));
}

json_t *ctl_words_of_id(const json_t *list, const char *id)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		const char *is = ctl_text_of(v, "id");

		if (is && id && strcmp(is, id) == 0)
			return v;
	}
	return NULL;
}

const char *ctl_words_name(const json_t *containers, const char *id)
{
	const char *name = ctl_text_of(ctl_words_of_id(containers, id), "name");

	return name && *name ? name : id;
}
