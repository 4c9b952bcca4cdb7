/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/state/imagelist.h"

#include "agent/state/rowjson.h"
#include <ctype.h>
#include <sys/utsname.h>

#include "proto/ident.h"
#include "proto/jsonx.h"

#define BUILTIN "builtin:"

bool imagelist_is_builtin(const char *name)
{
	return strncmp(name, BUILTIN, strlen(BUILTIN)) == 0;
}

/* A system's name, one separator, and a version that begins with a digit. */
void imagelist_normalise(const char *name, char ret[static IMAGELIST_NAME_MAX + 1])
{
	size_t n;

	(void)snprintf(ret, IMAGELIST_NAME_MAX + 1, "%s", name);
	if (imagelist_is_builtin(name) || strchr(name, '/'))
		return;
	n = strcspn(ret, "-: ");
	if (n > 0 && ret[n] && isdigit((unsigned char)ret[n + 1]))
		ret[n] = '/';
}

bool imagelist_digest(struct store *s, const char *name, char ret[static IMAGELIST_DIGEST_LEN + 1])
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT digest FROM images WHERE name=?1", "t", name);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	if (r > 0)
		(void)snprintf(ret, IMAGELIST_DIGEST_LEN + 1, "%s", store_text(q, 0));
	return r > 0;
}

bool imagelist_is_used(struct store *s, const char *digest, const char *except)
{
	_cleanup_stmt_ struct store_stmt *q = store_query(
		s, "SELECT 1 FROM images WHERE digest=?1 AND name IS NOT ?2", "tt", digest, except);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0;
}

int64_t imagelist_size(struct store *s, const char *digest)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT MAX(size) FROM images WHERE digest=?1", "t", digest);
	int r = store_step(q);

	store_must(MIN_OF(r, 0));
	return r > 0 ? store_int(q, 0) : 0;
}

char *imagelist_stop_signal(struct store *s, const char *digest)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT MAX(stop_signal) FROM images WHERE digest=?1", "t", digest);
	int r = store_step(q);
	const char *text = r > 0 ? store_text(q, 0) : NULL;

	store_must(MIN_OF(r, 0));
	return text ? xstrdup(text) : NULL;
}

void imagelist_put(struct store *s, const struct imagelist_entry *e)
{
	store_must(store_exec(s,
		"INSERT OR REPLACE INTO images(name, digest, url, size, created_ms, "
		"stop_signal) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
		"tttiit", e->name, e->digest, e->url, e->size, e->created_ms, e->stop_signal));
}

void imagelist_remove(struct store *s, const char *name)
{
	store_must(store_exec(s, "DELETE FROM images WHERE name=?1", "t", name));
}

const char *imagelist_architecture(void)
{
	static struct utsname u;

	if (!u.machine[0] && uname(&u) < 0)
		return "unknown";
	return strcmp(u.machine, "x86_64") == 0    ? "amd64"
	       : strcmp(u.machine, "aarch64") == 0 ? "arm64"
						   : u.machine;
}

#define COLUMNS "name, digest, url, size, created_ms"

static json_t *row_json(struct store_stmt *q)
{
	const char *name = store_text(q, 0), *digest = store_text(q, 1);
	size_t os = strcspn(name, "/");
	char id[IDENT_ID_LEN + 1], added[IDENT_TIME_LEN + 1];
	_cleanup_(freep) char *release = NULL;
	json_t *v;

	(void)snprintf(id, sizeof(id), "%s", digest);
	ident_time_format(store_int(q, 4), added);
	release = name[os] ? xasprintf("%.*s", (int)strcspn(name + os + 1, "/"), name + os + 1)
			   : NULL;
	v = json_object();
	jsonx_set_string(v, "id", id);
	jsonx_set_string(v, "alias", name);
	jsonx_set_string(v, "image_name", name);
	jsonx_set(v, "os", json_stringn(name, os));
	jsonx_set_string(v, "release", release);
	jsonx_set_string(v, "variant", "default");
	jsonx_set_string(v, "architecture", imagelist_architecture());
	jsonx_set_string(v, "sha256", digest);
	jsonx_set_int(v, "size", store_int(q, 3));
	jsonx_set_string(v, "added_date", added);
	jsonx_set_string(v, "url", store_text(q, 2));
	return v;
}

json_t *imagelist_json(struct store *s)
{
	_cleanup_stmt_ struct store_stmt *q =
		store_query(s, "SELECT " COLUMNS " FROM images ORDER BY name", "");

	return rowjson_all(q, row_json);
}

json_t *imagelist_one(struct store *s, const char *id)
{
	char name[IMAGELIST_NAME_MAX + 1];
	_cleanup_stmt_ struct store_stmt *q = NULL;
	int r;

	imagelist_normalise(id, name);
	q = store_query(s,
		"SELECT " COLUMNS
		" FROM images WHERE name=?1 OR substr(digest, 1, 24)=?2 ORDER BY name LIMIT 1",
		"tt", name, id);
	r = store_step(q);
	store_must(MIN_OF(r, 0));
	return r > 0 ? row_json(q) : NULL;
}
