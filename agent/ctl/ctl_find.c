/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_find.h"

#include "agent/ctl/ctl_http.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define PREFIX_MIN 2

static bool fits(const json_t *c, const char *word, bool by_prefix)
{
	const char *id = ctl_text_of(c, "id"), *name = ctl_text_of(c, "name");

	if (by_prefix)
		return id && strncmp(id, word, strlen(word)) == 0;
	return (id && strcmp(id, word) == 0) || (name && strcmp(name, word) == 0);
}

static enum ctl_exit choose(
	const json_t *all, const char *word, bool by_prefix, char **ret, struct err *err)
{
	_cleanup_(freep) char *names = xstrdup("");
	const char *found = NULL;
	json_t *c;
	size_t i;

	json_array_foreach((json_t *)all, i, c) {
		char *more;

		if (!fits(c, word, by_prefix))
			continue;
		more = xasprintf("%s %s", names, ctl_text_of(c, "id"));
		free(names);
		names = more;
		if (found)
			found = "";
		else
			found = ctl_text_of(c, "id");
	}
	if (found && !*found) {
		(void)err_set(err, -ENOTUNIQ, ERR_INVALID_PARAMS, NULL, "\"%s\" could be any of%s",
			word, names);
		return CTL_USAGE;
	}
	*ret = found ? xstrdup(found) : NULL;
	return CTL_OK;
}

enum ctl_exit ctl_find_container(const json_t *all, const char *word, char **ret, struct err *err)
{
	enum ctl_exit e = choose(all, word, /* by_prefix= */ false, ret, err);

	if (e == CTL_OK && !*ret && strlen(word) >= PREFIX_MIN)
		e = choose(all, word, /* by_prefix= */ true, ret, err);
	if (e == CTL_OK && !*ret) {
		(void)err_set(err, -ENOENT, ERR_CONTAINER_NOT_FOUND, NULL,
			"there is no container \"%s\" on this node (CONTAINER_NOT_FOUND)", word);
		return CTL_FAILED;
	}
	return e;
}

enum ctl_exit ctl_find(const struct ctl *ctl, const char *word, char **ret, struct err *err)
{
	_cleanup_json_ json_t *all = NULL;
	enum ctl_exit e;

	if (ident_is_id(word)) { /* there or not: the API says */
		*ret = xstrdup(word);
		return CTL_OK;
	}
	e = ctl_http_list(ctl, "/containers?include_deleting=true", "containers", &all, err);
	return e == CTL_OK ? ctl_find_container(all, word, ret, err) : e;
}
