/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configuration file is read whole, then handed to inih line by line through our own reader,
 * which knows what inih keeps to itself: the line's number, whether the line was too long, and
 * the names of sections that hold no key. Of all faults the first is told, with its line.
 *
 * Defaults come first, then the file, then its drop-ins by name; each may set a key once, later
 * ones replace. Then defaults that are made of other keys are filled in and what no key can
 * judge alone is judged. A struct conf is given out whole or not at all: it is built beside and
 * moved. A reload reads everything anew and then takes back what only counts at a start. What
 * keys there are is agent/common/conf_table.c's. */
#include "agent/common/conf.h"

#include <dirent.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "agent/common/conf_kind.h"
#include "agent/common/conf_table.h"
#include "proto/opfield.h"

#define CONF_KEYS_MAX    64 /* of the table: asserted */
#define SUBNET4_BITS_MIN 2  /* the network's own address and its last one are no container's */
#define SUBNET4_BITS_MAX 24

struct reading {
	struct conf *conf;
	const char *path;
	const char *next; /* what is still to read */
	unsigned line;
	unsigned seen[CONF_KEYS_MAX]; /* the line of each key of the table, in this file */
	unsigned failed_line;         /* 0: nothing has failed */
	struct err *err;
};

/* --- one file --- */

static int fail(struct reading *rd, const char *field, const char *fmt, ...) _printf_(3, 4);
static int fail(struct reading *rd, const char *field, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (rd->failed_line)
		return -EINVAL; /* the first one is told */
	rd->failed_line = rd->line;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(
		rd->err, -EINVAL, ERR_CONFIG, field, "%s, line %u: %s", rd->path, rd->line, text);
}

static void check_section(struct reading *rd, const char *line)
{
	char name[64] = "";
	const char *end = strchr(line, ']');

	if (!end)
		return; /* inih's to refuse */
	(void)snprintf(name, sizeof(name), "%.*s",
		(int)MIN_OF((size_t)(end - line - 1), sizeof(name) - 1), line + 1);
	if (!conf_table_has_section(name))
		(void)fail(rd, name, "there is no section [%s]", name);
}

/* inih's reader (like fgets): blanks at a line's beginning are dropped, or inih would take it for a
 * continuation. */
static char *next_line(char *str, int num, void *stream)
{
	struct reading *rd = stream;
	size_t len, room = (size_t)num - 2;

	if (!*rd->next)
		return NULL;
	rd->line++;
	rd->next += strspn(rd->next, " \t\v\f\r");
	len = strcspn(rd->next, "\n");
	if (len > MIN_OF(room, CONF_LINE_MAX))
		(void)fail(rd, NULL, "the line is longer than %d bytes", CONF_LINE_MAX);
	(void)snprintf(str, (size_t)num, "%.*s\n", (int)MIN_OF(len, room), rd->next);
	if (*str == '[')
		check_section(rd, str);
	rd->next += len;
	if (*rd->next)
		rd->next++;
	return str;
}

static int set_key(struct reading *rd, const char *section, const char *name, const char *value)
{
	const struct conf_key *key = conf_table_find(section, name);
	char field[96], words[CONF_WORDS_MAX];
	const char *why = NULL;
	unsigned *seen;

	(void)snprintf(field, sizeof(field), "%s%s%s", section, *section ? "." : "", name);
	if (!key && !*section)
		return fail(rd, field, "%s stands before the first [Section]", name);
	if (!key)
		return fail(rd, field, "there is no key %s in section [%s]", name, section);
	seen = &rd->seen[key - conf_table_row(0)];
	if (*seen && !key->kind->list)
		return fail(rd, field, "%s was already set in line %u", field, *seen);
	if (conf_table_set(rd->conf, key, value, *seen, &why) < 0) {
		conf_table_words(key, words, sizeof(words));
		return fail(rd, field, "%s: \"%.80s\" %s%s%s", field, value, why ? why : "is not ",
			why ? ": want " : "", words);
	}
	*seen = rd->line;
	return 0;
}

/* inih's handler: 1 is good. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct reading *rd = user;

	return !rd->failed_line && set_key(rd, section, name, value) == 0;
}

/* The whole file, NUL-terminated. */
static int slurp(const char *path, char **ret, struct err *err)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_(freep) char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(
			err, -errno, ERR_CONFIG, path, "can't read %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > CONF_FILE_MAX)
		return err_set(err, -EINVAL, ERR_CONFIG, path,
			"%s is not a regular file of at most %ld bytes", path, CONF_FILE_MAX);
	text = xcalloc(CONF_FILE_MAX + 1, 1);
	n = read_all(fd, text, CONF_FILE_MAX);
	if (n < 0)
		return err_set(err, (int)n, ERR_CONFIG, path, "can't read %s: %s", path,
			strerror((int)-n));
	if (memchr(text, 0, (size_t)n))
		return err_set(err, -EINVAL, ERR_CONFIG, path, "%s has a NUL byte in it", path);
	*ret = TAKE(text);
	return 0;
}

static int read_text(const char *path, const char *text, struct conf *c, struct err *err)
{
	struct reading rd = { .conf = c, .path = path, .next = text, .err = err };
	int r;

	assert(conf_table_count() <= CONF_KEYS_MAX);
	r = ini_parse_stream(next_line, &rd, on_key, &rd);
	if (r < 0)
		abort(); /* no memory */
	if (r > 0 && (!rd.failed_line || (unsigned)r < rd.failed_line)) {
		rd.failed_line = 0;
		rd.line = (unsigned)r;
		return fail(&rd, NULL, "this is neither [Section] nor Key=Value nor a comment");
	}
	return rd.failed_line ? -EINVAL : 0;
}

static int read_file(const char *path, struct conf *c, struct err *err)
{
	_cleanup_(freep) char *text = NULL;
	int r = slurp(path, &text, err);

	return r < 0 ? r : read_text(path, text, c, err);
}

/* --- drop-ins --- */

static int is_dropin(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* not by locale */
}

static int read_dropins(const char *path, struct conf *c, struct err *err)
{
	_cleanup_(freep) char *dir = xasprintf("%s.d", path);
	struct dirent **entries = NULL;
	int n, r = 0;

	n = scandir(dir, &entries, is_dropin, by_name);
	if (n < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (n < 0)
		return err_set(
			err, -errno, ERR_CONFIG, dir, "can't read %s: %s", dir, strerror(errno));
	if (n > CONF_DROPINS_MAX)
		r = err_set(err, -EINVAL, ERR_CONFIG, dir, "%s holds more than %d files", dir,
			CONF_DROPINS_MAX);
	for (int i = 0; i < n; i++) {
		_cleanup_(freep) char *file = xasprintf("%s/%s", dir, entries[i]->d_name);

		if (r == 0)
			r = read_file(file, c, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* --- the whole --- */

void conf_done(struct conf *c)
{
	for (size_t i = 0; i < conf_table_count(); i++)
		conf_table_free(conf_table_row(i), c);
}

static void set_defaults(struct conf *c)
{
	const char *why;

	for (size_t i = 0; i < conf_table_count(); i++)
		if (conf_table_set(c, conf_table_row(i), "", false, &why) < 0)
			abort(); /* the table contradicts itself */
}

static void replace(char **text, char *taken)
{
	free(*text);
	*text = taken;
}

void conf_host_name(char ret[static CONF_HOST_NAME_SIZE])
{
	if (gethostname(ret, CONF_HOST_NAME_SIZE) < 0)
		*ret = '\0';
	for (char *c = ret; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '-';
}

/* Defaults that are made of something else. */
static void resolve(struct conf *c)
{
	char host[CONF_HOST_NAME_SIZE];

	conf_host_name(host);
	if (!*c->node.name)
		replace(&c->node.name, xstrdup(host));
	if (!*c->storage.pool)
		replace(&c->storage.pool, xasprintf("%s/pool", c->node.state_directory));
	if (!*c->proxy.directory)
		replace(&c->proxy.directory, xasprintf("%s/proxy", c->node.state_directory));
	if (!*c->local.socket)
		replace(&c->local.socket, xasprintf("%s/debug.sock", c->node.runtime_directory));
	if (c->control.response_signature == CONF_SIGNATURE_AUTO)
		c->control.response_signature = strncmp(c->control.api_url, "https:", 6) == 0
							? CONF_SIGNATURE_REQUIRED
							: CONF_SIGNATURE_OPTIONAL;
}

void conf_defaults(struct conf *ret)
{
	*ret = (struct conf){ 0 };
	set_defaults(ret);
	resolve(ret);
}

/* How many bits of addresses are left behind the prefix; @cidr has been judged. */
static unsigned host_bits(const char *cidr, unsigned all)
{
	return all - (unsigned)strtoul(strchr(cidr, '/') + 1, NULL, 10);
}

/* Each container has a place in both. */
static int judge_subnets(const char *path, const struct conf *c, struct err *err)
{
	unsigned four = host_bits(c->network.subnet4, 32);

	if (four < SUBNET4_BITS_MIN || four > SUBNET4_BITS_MAX)
		return err_set(err, -EINVAL, ERR_CONFIG, "Network.Subnet4",
			"%s: Network.Subnet4 must be a network of 4 to 16777216 addresses", path);
	if (*c->network.subnet6 && host_bits(c->network.subnet6, 128) < four)
		return err_set(err, -EINVAL, ERR_CONFIG, "Network.Subnet6",
			"%s: Network.Subnet6 must have as many addresses as Network.Subnet4", path);
	return 0;
}

/* What no key can judge by itself. */
static int finish(const char *path, struct conf *c, struct err *err)
{
	resolve(c);
	if (strlen(c->node.runtime_directory) + strlen("/agent.sock") > CONF_SOCKET_MAX)
		return err_set(err, -EINVAL, ERR_CONFIG, "Node.RuntimeDirectory",
			"%s: Node.RuntimeDirectory is too long for a socket in it (unix(7))", path);
	if (strlen(c->local.socket) > CONF_SOCKET_MAX)
		return err_set(err, -EINVAL, ERR_CONFIG, "Local.Socket",
			"%s: Local.Socket is too long for a socket (unix(7))", path);
	return judge_subnets(path, c, err);
}

int conf_read(const char *path, struct conf *ret, struct err *err)
{
	_cleanup_conf_ struct conf c = { 0 };
	int r;

	set_defaults(&c);
	r = read_file(path, &c, err);
	if (r == 0)
		r = read_dropins(path, &c, err);
	if (r == 0)
		r = finish(path, &c, err);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct conf){ 0 };
	return 0;
}

int conf_parse(const char *name, const char *text, struct conf *ret, struct err *err)
{
	_cleanup_conf_ struct conf c = { 0 };
	int r;

	set_defaults(&c);
	r = read_text(name, text, &c, err);
	if (r == 0)
		r = finish(name, &c, err);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct conf){ 0 };
	return 0;
}

/* systemd.exec(5), LoadCredential=: the unit takes this one from the host's credential stores, if
 * it is there. */
static void find_token(struct conf *c)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];

	assert(c->control.token_file); /* "" when unset */
	if (*c->control.token_file || !directory)
		return;
	if (snprintf(path, sizeof(path), "%s/" CONF_CREDENTIAL, directory) >= (int)sizeof(path) ||
		access(path, F_OK) < 0)
		return;
	free(c->control.token_file);
	c->control.token_file = xstrdup(path);
}

int conf_load(const char *path, struct conf *ret, struct err *err)
{
	_cleanup_conf_ struct conf c = { 0 };
	const char *missing = NULL;
	int r;

	r = conf_read(path, &c, err);
	if (r < 0)
		return r;
	find_token(&c);
	assert(c.control.api_url && c.node.node_id && c.control.token_file); /* "" when unset */
	if (*c.control.api_url && !*c.node.node_id)
		missing = "Node.NodeId";
	else if (*c.control.api_url && !*c.control.token_file)
		missing = "Control.TokenFile";
	if (missing)
		return err_set(err, -EINVAL, ERR_CONFIG, missing,
			"%s: Control.ApiUrl is set, but %s is not (hoodyctl enroll sets it)", path,
			missing);
	*ret = c;
	c = (struct conf){ 0 };
	return 0;
}

int conf_reload(const struct conf *running, const char *path, struct conf *ret,
	char ret_kept[static CONF_KEPT_MAX], struct err *err)
{
	struct conf c = { 0 };
	int r;

	r = conf_load(path, &c, err);
	if (r < 0)
		return r;
	ret_kept[0] = '\0';
	for (size_t i = 0; i < conf_table_count(); i++) {
		const struct conf_key *key = conf_table_row(i);

		if (key->reload || conf_table_is_equal(key, running, &c))
			continue;
		conf_table_copy(key, running, &c);
		conf_table_keep(key, ret_kept);
	}
	*ret = c;
	return 0;
}
