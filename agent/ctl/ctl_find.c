/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl_find.h"

#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_near.h"
#include "proto/ident.h"
#include "proto/jsonx.h"

#define PREFIX_MIN 2

/* What is looked for. */
struct kind {
	const char *what, *name; /* and the member that people name it by */
	enum errcode none;
	const char *path, *list; /* where they are listed */
};

static const struct kind container = { "container", "name", ERR_CONTAINER_NOT_FOUND,
	"/containers?include_deleting=true", "containers" },
			 project = { "project", "alias", ERR_PROJECT_NOT_FOUND, "/projects",
				 "projects" },
			 share = { "share", "alias", ERR_NOT_FOUND, "/storage/shares", "shares" };

static bool fits(const struct kind *k, const json_t *c, const char *word, bool by_prefix)
{
	const char *id = ctl_text_of(c, "id"), *name = ctl_text_of(c, k->name);

	if (by_prefix)
		return id && strncmp(id, word, strlen(word)) == 0;
	return (id && strcmp(id, word) == 0) || (name && strcmp(name, word) == 0);
}

static enum ctl_exit choose(const struct kind *k, const json_t *all, const char *word,
	bool by_prefix, char **ret, struct err *err)
{
	_cleanup_(freep) char *names = xstrdup("");
	const char *found = NULL;
	json_t *c;
	size_t i;

	json_array_foreach((json_t *)all, i, c) {
		char *more;

		if (!fits(k, c, word, by_prefix))
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

struct meaning {
	char text[128];
};

/* ": is it web?", or nothing. */
static struct meaning meant(const struct kind *k, const json_t *all, const char *word)
{
	struct meaning m = { "" };
	struct ctl_near near = { .word = word };
	json_t *c;
	size_t i;

	json_array_foreach((json_t *)all, i, c) {
		const char *name = ctl_text_of(c, k->name);

		if (name)
			ctl_near_try(&near, name);
	}
	if (near.best)
		(void)snprintf(m.text, sizeof(m.text), ": is it %s?", near.best);
	return m;
}

static enum ctl_exit find(
	const struct kind *k, const json_t *all, const char *word, char **ret, struct err *err)
{
	enum ctl_exit e = choose(k, all, word, /* by_prefix= */ false, ret, err);

	if (e == CTL_OK && !*ret && strlen(word) >= PREFIX_MIN)
		e = choose(k, all, word, /* by_prefix= */ true, ret, err);
	if (e == CTL_OK && !*ret) {
		(void)err_set(err, -ENOENT, k->none, NULL,
			"there is no %s \"%s\" on this node%s (%s)", k->what, word,
			meant(k, all, word).text, err_wire(k->none));
		return CTL_FAILED;
	}
	return e;
}

enum ctl_exit ctl_find_container(const json_t *all, const char *word, char **ret, struct err *err)
{
	return find(&container, all, word, ret, err);
}

static enum ctl_exit find_listed(
	const struct ctl *ctl, const struct kind *k, const char *word, char **ret, struct err *err)
{
	_cleanup_json_ json_t *all = NULL;
	enum ctl_exit e;

	if (ident_is_id(word)) { /* there or not: the API says */
		*ret = xstrdup(word);
		return CTL_OK;
	}
	e = ctl_http_list(ctl, k->path, k->list, &all, err);
	return e == CTL_OK ? find(k, all, word, ret, err) : e;
}

enum ctl_exit ctl_find(const struct ctl *ctl, const char *word, char **ret, struct err *err)
{
	return find_listed(ctl, &container, word, ret, err);
}

enum ctl_exit ctl_find_project(const struct ctl *ctl, const char *word, char **ret, struct err *err)
{
	return find_listed(ctl, &project, word, ret, err);
}

enum ctl_exit ctl_find_share(const struct ctl *ctl, const char *word, char **ret, struct err *err)
{
	return find_listed(ctl, &share, word, ret, err);
}
