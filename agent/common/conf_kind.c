/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kinds of values of the configuration's keys: what each looks like in words, and how it is read. A
 * text is stored as written unless its kind says otherwise; numbers are held against their key's
 * bounds, or found among its names. */
#include "agent/common/conf_kind.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "agent/common/conf_table.h"
#include "proto/ident.h"
#include "proto/opfield.h"
#include "proto/signame.h"

#define NAME_MAX_LEN         64
#define INTERFACE_PREFIX_MAX 3 /* with 12 hex digits behind it a name fits IFNAMSIZ - 1 = 15 */

static bool is_name(const char *s, size_t max, const char *more)
{
	if (!isalpha((unsigned char)*s) || strlen(s) > max)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

static int text_id(const char *value, char **ret, const char **ret_why)
{
	return ident_is_id(value) ? 0 : -EINVAL;
}

static int text_label(const char *value, char **ret, const char **ret_why)
{
	if (strlen(value) > NAME_MAX_LEN)
		return -EINVAL;
	for (const char *c = value; *c; c++)
		if (*c < ' ' || *c > '~')
			return -EINVAL;
	return 0;
}

static int text_user(const char *value, char **ret, const char **ret_why)
{
	return is_name(value, 31, "_-") ? 0 : -EINVAL;
}

static int text_word(const char *value, char **ret, const char **ret_why)
{
	return is_name(value, 31, "_") ? 0 : -EINVAL;
}

static int text_cgroup(const char *value, char **ret, const char **ret_why)
{
	return is_name(value, 31, "_-") ? 0 : -EINVAL;
}

static int text_signal(const char *value, char **ret, const char **ret_why)
{
	return MIN_OF(signame_parse(value), 0);
}

static int text_prefix(const char *value, char **ret, const char **ret_why)
{
	return is_name(value, INTERFACE_PREFIX_MAX, "") ? 0 : -EINVAL;
}

/* Doubled and trailing slashes go; "." and ".." are refused rather than resolved. */
static int text_path(const char *value, char **ret, const char **ret_why)
{
	_cleanup_(freep) char *path = xcalloc(strlen(value) + 1, 1);
	size_t n = 0;

	if (*value != '/')
		return -EINVAL;
	for (const char *p = value; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 0) {
			p++;
			continue;
		}
		if ((len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.')) {
			*ret_why = "has a \".\" or \"..\" in it";
			return -EINVAL;
		}
		path[n++] = '/';
		memcpy(path + n, p, len);
		n += len;
		p += len;
	}
	if (n == 0) {
		*ret_why = "is the root directory";
		return -EINVAL;
	}
	*ret = TAKE(path);
	return 0;
}

static int text_socket(const char *value, char **ret, const char **ret_why)
{
	if (strlen(value) > CONF_SOCKET_MAX) {
		*ret_why = "is longer than 107 bytes (unix(7))";
		return -EINVAL;
	}
	return text_path(value, ret, ret_why);
}

static int text_api_url(const char *value, char **ret, const char **ret_why)
{
	size_t len = strlen(value);

	if (!opfield_is_api_url(value))
		return -EINVAL;
	while (len > 0 && value[len - 1] == '/')
		len--;
	*ret = xasprintf("%.*s", (int)len, value);
	return 0;
}

/* "ADDRESS" or "ADDRESS/LENGTH" of one family (AF_UNSPEC: either). */
static bool is_address(const char *s, int family, bool want_length, bool may_length)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16];
	size_t len = strcspn(s, "/");
	const char *slash = s[len] == '/' ? s + len + 1 : NULL;
	long bits = family == AF_INET ? 32 : 128;
	char *end;

	if (len >= sizeof(text) || (slash && !may_length) || (!slash && want_length))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", (int)len, s);
	if (family == AF_UNSPEC)
		return is_address(s, AF_INET, want_length, may_length) ||
		       is_address(s, AF_INET6, want_length, may_length);
	if (inet_pton(family, text, address) != 1)
		return false;
	if (!slash)
		return true;
	if (!isdigit((unsigned char)*slash) || (*slash == '0' && slash[1]))
		return false;
	errno = 0;
	return strtol(slash, &end, 10) <= bits && !*end && errno == 0;
}

struct network {
	uint8_t address[16];
	unsigned prefix;
};

/* Of two addresses, as many bits as @n. */
static bool begin_alike(const uint8_t *a, const uint8_t *b, unsigned n)
{
	unsigned rest = n % 8;

	return memcmp(a, b, n / 8) == 0 && (rest == 0 || (a[n / 8] ^ b[n / 8]) >> (8 - rest) == 0);
}

static int judge_subnet(const char *value, int family, const struct network *nobodys, size_t n,
	const char **ret_why)
{
	char text[INET6_ADDRSTRLEN];
	struct network net = {};

	if (!is_address(value, family, true, true))
		return -EINVAL;
	(void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(value, "/"), value);
	(void)inet_pton(family, text, net.address);
	net.prefix = (unsigned)strtoul(strchr(value, '/') + 1, NULL, 10);
	for (size_t i = 0; i < n; i++)
		if (begin_alike(net.address, nobodys[i].address,
			    MIN_OF(net.prefix, nobodys[i].prefix))) {
			*ret_why = "has loopback, link-local, multicast or reserved addresses";
			return -EINVAL;
		}
	return 0;
}

/* Addresses that are never a container's: RFC 6890's "this host", loopback, link-local, and what is
 * multicast or reserved. */
static int text_subnet4(const char *value, char **ret, const char **ret_why)
{
	static const struct network nobodys[] = {
		{ { 0 }, 8 },
		{ { 127 }, 8 },
		{ { 169, 254 }, 16 },
		{ { 224 }, 3 },
	};

	return judge_subnet(value, AF_INET, nobodys, countof(nobodys), ret_why);
}

/* Likewise, by IANA's registry of IPv6's address space: loopback, mapped and translated IPv4, and
 * what is reserved beside them lie in the first of these. */
static int text_subnet6(const char *value, char **ret, const char **ret_why)
{
	static const struct network nobodys[] = {
		{ { 0x00 }, 8 },
		{ { 0xfe, 0x80 }, 10 },
		{ { 0xff }, 8 },
	};

	return judge_subnet(value, AF_INET6, nobodys, countof(nobodys), ret_why);
}

/* Words parted by blanks or commas; one space between them in what is stored. */
static int text_addresses(const char *value, bool may_length, char **ret)
{
	_cleanup_(freep) char *list = xcalloc(strlen(value) + 2, 1);
	_cleanup_(freep) char *copy = xstrdup(value);
	char *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(copy, " \t,", &save); w; w = strtok_r(NULL, " \t,", &save)) {
		if (!is_address(w, AF_UNSPEC, false, may_length))
			return -EINVAL;
		n += (size_t)sprintf(list + n, "%s%s", n ? " " : "", w);
	}
	if (n == 0)
		return -EINVAL; /* separators alone */
	*ret = TAKE(list);
	return 0;
}

static int text_hosts(const char *value, char **ret, const char **ret_why)
{
	return text_addresses(value, false, ret);
}

static int text_networks(const char *value, char **ret, const char **ret_why)
{
	return text_addresses(value, true, ret);
}

static int text_proxy(const char *value, char **ret, const char **ret_why)
{
	static const char *const schemes[] = { "socks5://", "http://", "https://" };

	for (size_t i = 0; i < countof(schemes); i++)
		if (strncmp(value, schemes[i], strlen(schemes[i])) == 0 &&
			value[strlen(schemes[i])])
			return strpbrk(value, " \t\"'\\") ? -EINVAL : 0;
	return -EINVAL;
}

static int text_listen(const char *value, char **ret, const char **ret_why)
{
	const char *colon = strrchr(value, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t len = colon ? (size_t)(colon - value) : 0;
	bool six = *value == '[';
	char *end;
	long port;

	if (!colon || len == 0 || len >= sizeof(host) || !isdigit((unsigned char)colon[1]))
		return -EINVAL;
	port = strtol(colon + 1, &end, 10);
	if (*end || port < 1 || port > 65535 || (six && value[len - 1] != ']'))
		return -EINVAL;
	(void)snprintf(host, sizeof(host), "%.*s", (int)(six ? len - 2 : len), value + six);
	return is_address(host, six ? AF_INET6 : AF_INET, false, false) ? 0 : -EINVAL;
}

static int in_bounds(const struct conf_key *key, int64_t n, int64_t *ret, const char **ret_why)
{
	if (n < key->min || n > key->max) {
		*ret_why = "is out of bounds";
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

/* Decimal digits, and the end of them. */
static int digits(const char *value, int64_t *ret, const char **ret_end)
{
	char *end;

	if (!isdigit((unsigned char)*value))
		return -EINVAL;
	errno = 0;
	*ret = strtoll(value, &end, 10);
	*ret_end = end;
	return errno ? -EINVAL : 0;
}

static int number_plain(
	const struct conf_key *key, const char *value, int64_t *ret, const char **ret_why)
{
	const char *end;
	int64_t n;

	if (digits(value, &n, &end) < 0 || *end)
		return -EINVAL;
	return in_bounds(key, n, ret, ret_why);
}

static int number_size(
	const struct conf_key *key, const char *value, int64_t *ret, const char **ret_why)
{
	static const char units[] = "KMGT";
	const char *end, *unit;
	int64_t n;
	int shift = 0;

	if (digits(value, &n, &end) < 0)
		return -EINVAL;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (int)(unit - units + 1);
	}
	if (n > INT64_MAX >> shift)
		return -EINVAL;
	return in_bounds(key, n << shift, ret, ret_why);
}

static int number_bool(
	const struct conf_key *key, const char *value, int64_t *ret, const char **ret_why)
{
	static const char *const words[][2] = { { "no", "yes" }, { "false", "true" },
		{ "off", "on" }, { "0", "1" } };

	for (size_t i = 0; i < countof(words); i++)
		for (int n = 0; n < 2; n++)
			if (strcmp(words[i][n], value) == 0) {
				*ret = n;
				return 0;
			}
	return -EINVAL;
}

static int number_enum(
	const struct conf_key *key, const char *value, int64_t *ret, const char **ret_why)
{
	for (int64_t n = 0; key->names[n]; n++)
		if (strcmp(key->names[n], value) == 0) {
			*ret = n;
			return 0;
		}
	return -EINVAL;
}

const struct conf_kind conf_kind_node_id = { "24 lowercase hex characters", .text = text_id };
const struct conf_kind conf_kind_label = { "at most 64 printable ASCII characters",
	.text = text_label };
const struct conf_kind conf_kind_user = { "a user or group name", .text = text_user };
const struct conf_kind conf_kind_word = { "a letter, then letters, digits and _, 31 at most",
	.text = text_word };
const struct conf_kind conf_kind_cgroup = { "a letter, then letters, digits, _ and -, 31 at most",
	.text = text_cgroup };
const struct conf_kind conf_kind_prefix = { "a letter, then letters and digits, 3 at most",
	.text = text_prefix };
const struct conf_kind conf_kind_signal_name = { "a signal (SIGTERM, TERM, 15, SIGRTMIN+3)",
	.text = text_signal };
const struct conf_kind conf_kind_path = { "an absolute path", .text = text_path };
const struct conf_kind conf_kind_socket_path = { "an absolute path of at most 107 bytes",
	.text = text_socket };
const struct conf_kind conf_kind_api_url = {
	"an https URL, or an http URL of a loopback address, without user, query and fragment",
	.text = text_api_url
};
const struct conf_kind conf_kind_subnet4 = { "an IPv4 network (ADDRESS/LENGTH)",
	.text = text_subnet4 };
const struct conf_kind conf_kind_subnet6 = { "an IPv6 network (ADDRESS/LENGTH)",
	.text = text_subnet6 };
const struct conf_kind conf_kind_hosts = { "addresses with blanks or commas between them",
	.text = text_hosts, .list = true };
const struct conf_kind conf_kind_networks = {
	"addresses or networks with blanks or commas between them", .text = text_networks,
	.list = true
};
const struct conf_kind conf_kind_proxy = { "a socks5, http or https URL", .text = text_proxy };
const struct conf_kind conf_kind_listen_address = { "ADDRESS:PORT, IPv6 in brackets",
	.text = text_listen };
const struct conf_kind conf_kind_number = { "a number", .storage = CONF_STORAGE_INT,
	.number = number_plain };
const struct conf_kind conf_kind_seconds = { "a number of seconds", .storage = CONF_STORAGE_INT,
	.number = number_plain };
const struct conf_kind conf_kind_bytes = { "bytes, or with K, M, G or T behind it",
	.storage = CONF_STORAGE_INT, .number = number_size };
const struct conf_kind conf_kind_boolean = { "yes or no", .storage = CONF_STORAGE_BOOL,
	.number = number_bool };
const struct conf_kind conf_kind_choice = { "one of", .storage = CONF_STORAGE_ENUM,
	.number = number_enum };
