/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl's nouns of one path each: a row says which, and in what form its answer is shown. What
 * is sent is given in the public API's own words: KEY=VALUE. */
#include <curl/curl.h>

#include "agent/ctl/ctl_change.h"
#include "agent/ctl/ctl_find.h"
#include "agent/ctl/ctl_http.h"
#include "agent/ctl/ctl_keys.h"
#include "agent/ctl/ctl_views.h"
#include "proto/jsonx.h"

struct noun {
	const char *command;
	const char *method;
	const char *path; /* {c}: the first argument, a container; {0}, {1}, {2}: an argument */
	enum { LIST, OBJECT, CHANGE } form;
	const char *list; /* the list's member */
	const char *name; /* the member that the second argument is; or NULL */
};

static const struct noun nouns[] = {
	{ "container update", "PATCH", "/containers/{c}", CHANGE },
	{ "snapshot list", "GET", "/containers/{c}/snapshots", LIST, "snapshots" },
	{ "snapshot create", "POST", "/containers/{c}/snapshots", CHANGE, .name = "alias" },
	{ "snapshot restore", "PATCH", "/containers/{c}/snapshots/{1}", CHANGE },
	{ "snapshot alias", "PATCH", "/containers/{c}/snapshots/{1}/alias", CHANGE },
	{ "snapshot delete", "DELETE", "/containers/{c}/snapshots/{1}", CHANGE },
	{ "firewall list", "GET", "/containers/{c}/firewall/rules", OBJECT },
	{ "firewall add", "POST", "/containers/{c}/firewall/{1}", CHANGE },
	{ "firewall toggle", "PATCH", "/containers/{c}/firewall/{1}", CHANGE },
	{ "firewall remove", "DELETE", "/containers/{c}/firewall/{1}", CHANGE },
	{ "firewall reset", "POST", "/containers/{c}/firewall/reset", CHANGE },
	{ "network info", "GET", "/containers/{c}/network", OBJECT },
	{ "network configure", "PATCH", "/containers/{c}/network", CHANGE },
	{ "network start", "POST", "/containers/{c}/network/start", CHANGE },
	{ "network stop", "POST", "/containers/{c}/network/stop", CHANGE },
	{ "network remove", "DELETE", "/containers/{c}/network", CHANGE },
	{ "share list", "GET", "/storage/shares", LIST, "shares" },
	{ "share incoming", "GET", "/containers/{c}/storage/incoming", LIST, "shares" },
	{ "share create", "POST", "/containers/{c}/storage/shares", CHANGE },
	{ "share update", "PATCH", "/containers/{c}/storage/shares/{1}", CHANGE },
	{ "share mount", "PATCH", "/containers/{c}/storage/incoming/{1}/mount", CHANGE },
	{ "share delete", "DELETE", "/storage/shares/{0}", CHANGE },
	{ "env list", "GET", "/containers/{c}/env", OBJECT },
	{ "env set", "PATCH", "/containers/{c}/env", CHANGE },
	{ "env unset", "DELETE", "/containers/{c}/env/{1}", CHANGE },
	{ "image list", "GET", "/images/public", LIST, "images" },
	{ "image info", "GET", "/images/public/{0}", OBJECT },
	{ "image pull", "POST", "/images/import/{0}", CHANGE },
	{ "image remove", "DELETE", "/images/user/{0}", CHANGE },
	{ "stats", "GET", "/containers/{c}/stats", OBJECT },
	{ "node commands", "GET", "/servers/node/available-commands", LIST, "commands" },
};

static char *escape(const char *word)
{
	char *escaped = curl_easy_escape(NULL, word, 0), *copy;

	if (!escaped)
		abort();
	copy = xstrdup(escaped);
	curl_free(escaped);
	return copy;
}

/* {c} and {N} in the path. */
static enum ctl_exit fill_path(
	const struct ctl *ctl, const char *template, char **ret, struct err *err)
{
	_cleanup_(freep) char *path = xstrdup("");

	for (const char *at = template; *at;) {
		size_t len = strcspn(at, "{");
		_cleanup_(freep) char *word = NULL, *before = path;
		enum ctl_exit e = CTL_OK;

		if (at[len] && at[len + 1] == 'c')
			e = ctl_find(ctl, ctl->args[0], &word, err);
		else if (at[len] && strncmp(ctl->command, "share ", strlen("share ")) == 0)
			e = ctl_find_share(ctl, ctl->args[at[len + 1] - '0'], &word, err);
		else if (at[len])
			word = escape(ctl->args[at[len + 1] - '0']);
		path = NULL;
		if (e != CTL_OK)
			return e;
		path = xasprintf("%s%.*s%s", before, (int)len, at, word ? word : "");
		at += len + (at[len] ? 3 : 0);
	}
	*ret = TAKE(path);
	return CTL_OK;
}

/* "ingress" or "egress", where the command has a direction. */
static enum ctl_exit direction_of(const struct ctl *ctl, const char **ret, struct err *err)
{
	const struct ctl_keys *k = ctl_keys_of(ctl->command);

	*ret = NULL;
	if (!k || !k->egress)
		return CTL_OK;
	*ret = ctl->args[1];
	if (strcmp(*ret, "ingress") == 0 || strcmp(*ret, "egress") == 0)
		return CTL_OK;
	(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, NULL,
		"\"%.60s\" is no direction: want ingress or egress", *ret);
	return CTL_USAGE;
}

/* A word behind the container is the name, as people say it. */
static enum ctl_exit read_body(
	const struct ctl *ctl, const char *name, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *body = json_object();
	const char *direction;
	enum ctl_exit e = direction_of(ctl, &direction, err);

	if (name && ctl->args[1])
		jsonx_set_string(body, name, ctl->args[1]);
	if (e == CTL_OK)
		e = ctl_keys_read(ctl, 0, direction, body, err);
	*ret = TAKE(body);
	return e;
}

static const struct noun *find(const char *command)
{
	for (size_t i = 0; i < countof(nouns); i++)
		if (strcmp(nouns[i].command, command) == 0)
			return &nouns[i];
	abort(); /* both tables are ours; tests/flow/ctl.py asks each for its help */
}

enum ctl_exit ctl_noun(const struct ctl *ctl, struct err *err)
{
	const struct noun *n = find(ctl->command);
	_cleanup_(freep) char *path = NULL;
	_cleanup_json_ json_t *body = NULL;
	enum ctl_exit e = read_body(ctl, n->name, &body, err);

	if (e == CTL_OK)
		e = fill_path(ctl, n->path, &path, err);
	if (e != CTL_OK)
		return e;
	switch (n->form) {
	case LIST:
		return ctl_show_list(ctl, ctl_views_of(ctl->command), path, n->list, err);
	case OBJECT:
		return ctl_show_object(ctl, ctl_views_of(ctl->command), path, err);
	case CHANGE:
		return ctl_change(ctl, n->method, path, body, err);
	}
	return CTL_FAILED;
}
