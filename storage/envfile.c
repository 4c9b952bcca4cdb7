/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/envfile.h"

#include <sys/stat.h>

#include "storage/block.h"
#include "storage/rootfile.h"

#define NAME "environment"
/* BUF_SIZE of Linux-PAM's pam_env.c up to 1.5.2, newline and NUL off */
#define LINE_MAX_LEGACY 1022

const char *envfile_code(enum envfile_error e)
{
	static const char *const codes[] = {
		[ENVFILE_OK] = NULL,
		[ENVFILE_DEST_UNSUPPORTED] = "ENV_DEST_UNSUPPORTED",
		[ENVFILE_BLOCK_MALFORMED] = "ENV_BLOCK_MALFORMED",
		[ENVFILE_HOST_CONFIG_TOO_LARGE] = "ENV_HOST_CONFIG_TOO_LARGE",
		[ENVFILE_APPLY_FAILED] = "ENV_APPLY_FAILED",
		[ENVFILE_LEGACY_OVERFLOW] = "ENV_LEGACY_OVERFLOW",
		[ENVFILE_UNREPRESENTABLE] = "ENV_UNREPRESENTABLE",
	};

	return codes[e];
}

/* --- the format --- */

/* Needs no quotes, for pam_env(8) as for what else reads this file (a shell, systemd). */
static bool is_plain(const char *s)
{
	return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./"
			   "-")] == '\0';
}

/* pam_env(8) takes off a quote at either end and looks at nothing between them. */
static char *line_of(const char *name, const char *value)
{
	return is_plain(value) ? xasprintf("%s=%s\n", name, value)
			       : xasprintf("%s=\"%s\"\n", name, value);
}

static enum envfile_error judge(const char *value, const char *line)
{
	if (strpbrk(value, "#\n\r"))
		return ENVFILE_UNREPRESENTABLE;
	return strlen(line) - 1 > LINE_MAX_LEGACY ? ENVFILE_LEGACY_OVERFLOW : ENVFILE_OK;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t sorted_names(const json_t *vars, const char **ret)
{
	const char *name;
	json_t *v;
	size_t n = 0;

	json_object_foreach((json_t *)(uintptr_t)vars, name, v)
		ret[n++] = name;
	qsort(ret, n, sizeof(*ret), by_text);
	return n;
}

/* By name, so that the same map is the same text. */
static char *body_of(const json_t *vars, enum envfile_error *ret_left_out, const char **ret_name)
{
	_cleanup_(freep) const char **names = xcalloc(json_object_size(vars) + 1, sizeof(*names));
	char *body = xstrdup("");
	size_t n = sorted_names(vars, names);

	for (size_t i = 0; i < n; i++) {
		const char *value = json_string_value(json_object_get(vars, names[i]));
		_cleanup_(freep) char *line = line_of(names[i], value ? value : "");
		enum envfile_error e = judge(value ? value : "", line);
		char *longer;

		if (e != ENVFILE_OK) {
			*ret_left_out = e;
			*ret_name = names[i];
			continue;
		}
		longer = xasprintf("%s%s", body, line);
		free(body);
		body = longer;
	}
	return body;
}

/* --- the file --- */

static enum envfile_error fail(
	enum envfile_error e, char *ret_why, size_t size, const char *why, const char *detail)
{
	(void)snprintf(ret_why, size, "%s%s%s", why, *detail ? ": " : "", detail);
	return e;
}

static enum envfile_error refused(int r, char *ret_why, size_t size)
{
	if (r == -ENOSPC || r == -EDQUOT || r == -EIO)
		return fail(ENVFILE_APPLY_FAILED, ret_why, size,
			"/etc/environment can't be written", strerror(-r));
	if (r == -EFBIG)
		return fail(ENVFILE_HOST_CONFIG_TOO_LARGE, ret_why, size,
			"/etc/environment would be larger than 64 KiB", "");
	if (r == -EBADMSG)
		return fail(ENVFILE_BLOCK_MALFORMED, ret_why, size,
			"the lines that mark the agent's block in /etc/environment are not as it "
			"left them",
			"");
	return fail(ENVFILE_DEST_UNSUPPORTED, ret_why, size,
		"/etc/environment is not a file that can be written", strerror(-r));
}

static int apply(int folder, const char *body)
{
	_cleanup_(freep) char *there = NULL, *block = NULL;
	size_t size = 0;
	int r = rootfile_set_block(folder, NAME, body, 0644);

	if (r >= 0)
		r = rootfile_read(folder, NAME, &there, &size);
	if (r == -ENOENT && !*body)
		return 0;
	if (r >= 0)
		r = block_read(there, &block);
	return r < 0 ? r : strcmp(block, body) == 0 ? 0 : -EIO;
}

enum envfile_error envfile_write(int root, const json_t *vars, char *ret_why, size_t size)
{
	enum envfile_error left_out = ENVFILE_OK;
	const char *name = NULL;
	_cleanup_(freep) char *body = body_of(vars, &left_out, &name);
	_cleanup_(closep) int folder = -1;
	int r = rootfile_open_folder(root, "etc", &folder);

	*ret_why = '\0';
	if (r == -ENOENT && json_object_size(vars) == 0)
		return ENVFILE_OK;
	if (r >= 0)
		r = apply(folder, body);
	if (r < 0)
		return refused(r, ret_why, size);
	if (left_out == ENVFILE_UNREPRESENTABLE)
		return fail(left_out, ret_why, size,
			"/etc/environment can't carry a value with a newline or \"#\"; left out",
			name);
	if (left_out == ENVFILE_LEGACY_OVERFLOW)
		return fail(left_out, ret_why, size,
			"a line of /etc/environment may have 1022 bytes; left out", name);
	return ENVFILE_OK;
}
