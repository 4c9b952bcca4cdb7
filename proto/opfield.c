/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each form is a predicate over one text and the sentence that explains it, which goes into an
 * error behind "must be"; a form can go on in another one (`also`), which then has its own code.
 * They accept what is published and no more: a value that passes here is later put into
 * generated configuration, paths and rule sets.
 *
 * None depends on a locale or on a name service. URLs are split in one place, so strictly that
 * no two readers can disagree on the host. Whether a thing of that name exists is not asked
 * here. */
#include "proto/opfield.h"

#include <arpa/inet.h>
#include <limits.h>
#include <strings.h>

#include "proto/encoding.h"
#include "proto/ident.h"

#define DIGITS  "0123456789"
#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define UPPER   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LETTERS LOWER UPPER
#define ALNUM   LETTERS DIGITS
#define HEX     DIGITS "abcdefABCDEF"

#define LIST_MAX     256 /* entries of a port or address list; their texts are shorter anyway */
#define SSH_BLOB_MAX 8192
#define SOCKS_MAX    255 /* bytes of a user's name, and of a password (RFC 1929) */

static bool has_no_control(const char *s, const char *but)
{
	for (const unsigned char *c = (const unsigned char *)s; *c; c++)
		if ((*c < 0x20 && !strchr(but, *c)) || *c == 0x7f ||
			(*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0))
			return false;
	return true;
}

bool opfield_is_plain(const char *s)
{
	return has_no_control(s, "");
}

bool opfield_is_plain_lines(const char *s)
{
	return has_no_control(s, "\t\n\r");
}

size_t opfield_length(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80; /* not a continuation byte */
	return n;
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static bool only(const char *s, const char *set)
{
	return s[strspn(s, set)] == '\0';
}

/* --- names --- */

static bool is_name(const char *s)
{
	return *s && only(s, ALNUM "_-");
}

/* Words that begin with a letter or digit, separated by single slashes; ".." nowhere. */
static bool is_image(const char *s)
{
	bool start = true;

	for (; *s; s++) {
		if (start ? !is_one_of(*s, ALNUM) : !is_one_of(*s, ALNUM "._:+-/"))
			return false;
		if (s[0] == '.' && s[1] == '.')
			return false;
		start = *s == '/';
	}
	return !start;
}

static bool is_share_alias(const char *s)
{
	size_t len = strlen(s);

	return len >= 2 && only(s, LOWER DIGITS "_-") && is_one_of(s[0], LOWER DIGITS) &&
	       is_one_of(s[len - 1], LOWER DIGITS);
}

static bool is_proxy_alias(const char *s)
{
	size_t len = strlen(s);

	return len >= 1 && only(s, LOWER DIGITS "-") && s[0] != '-' && s[len - 1] != '-';
}

static bool is_free_alias(const char *s)
{
	return strcmp(s, "containers") != 0 && strcmp(s, "proxy") != 0 &&
	       strcmp(s, "workspaces") != 0 && strncmp(s, "proxy-", 6) != 0 &&
	       strncmp(s, "workspaces-", 11) != 0;
}

static bool is_program(const char *s)
{
	return is_one_of(*s, LOWER) && only(s, LOWER DIGITS "-");
}

static bool is_color(const char *s)
{
	size_t len;

	s += *s == '#';
	len = strspn(s, HEX);
	return (len == 3 || len == 6) && !s[len];
}

static bool is_env_key(const char *s)
{
	return is_one_of(*s, LETTERS "_") && only(s, ALNUM "_");
}

static bool is_free_env_key(const char *s)
{
	return strncmp(s, "HOODY_", 6) != 0;
}

/* --- keys, digests, times --- */

/* "type base64 [comment]": the blob begins with its type's name (RFC 4253 section 6.6), so that
 * what precedes the blob can't be an authorized_keys option such as command="…". sshd(8) reads one
 * form of base64 alone, with its padding. */
static bool is_ssh_key(const char *s)
{
	size_t type_len = strcspn(s, " "), blob_len, size;
	_cleanup_(freep) uint8_t *blob = NULL;
	_cleanup_(freep) char *again = NULL;
	const char *b64 = s + type_len + 1;

	if (type_len == 0 || type_len > 64 || s[type_len] != ' ')
		return false;
	blob_len = strcspn(b64, " ");
	if (blob_len > SSH_BLOB_MAX || encoding_unbase64(b64, blob_len, &blob, &size) < 0)
		return false;
	again = encoding_base64(blob, size);
	return strlen(again) == blob_len && memcmp(again, b64, blob_len) == 0 &&
	       size > 4 + type_len &&
	       memcmp(blob, (uint8_t[]){ 0, 0, 0, (uint8_t)type_len }, 4) == 0 &&
	       memcmp(blob + 4, s, type_len) == 0;
}

static bool is_sha256(const char *s)
{
	return ident_is_hex(s, 64);
}

static bool is_time(const char *s)
{
	int64_t ms;

	return ident_time_parse(s, &ms) == 0;
}

/* --- addresses and ports --- */

static bool is_port_range(const char *s, size_t len)
{
	uint16_t low, high;

	return ident_ports_parse(s, len, &low, &high) == 0;
}

static bool is_cidr(const char *s, size_t len)
{
	unsigned prefix;
	uint32_t addr;

	return ident_cidr4_parse(s, len, &addr, &prefix) == 0;
}

static bool is_list_of(const char *s, bool (*is)(const char *s, size_t len))
{
	size_t len;

	for (int n = 0; n < LIST_MAX; n++) {
		len = strcspn(s, ",");
		if (!is(s, len))
			return false;
		if (!s[len])
			return true;
		s += len + 1;
	}
	return false;
}

static bool is_ports(const char *s)
{
	return is_list_of(s, is_port_range);
}

static bool is_addresses(const char *s)
{
	return is_list_of(s, is_cidr);
}

static bool is_ipv4(const char *s)
{
	return !strchr(s, '/') && is_cidr(s, strlen(s));
}

static bool is_icmp(const char *s)
{
	size_t len = strnlen(s, 4);

	return len >= 1 && len <= 3 && only(s, DIGITS) && (len == 1 || s[0] != '0') &&
	       atoi(s) <= 255;
}

/* --- paths --- */

/* The next component at *@s, without slashes; false at the end. */
static bool next_component(const char **s, const char **ret, size_t *ret_len)
{
	*s += strspn(*s, "/");
	*ret = *s;
	*ret_len = strcspn(*s, "/");
	*s += *ret_len;
	return *ret_len > 0;
}

static bool component_is(const char *c, size_t len, const char *name)
{
	return len == strlen(name) && memcmp(c, name, len) == 0;
}

/* Does the first component, after any ".", name a tree that is the kernel's or the host's business?
 */
static bool in_forbidden_tree(const char *s)
{
	static const char *const trees[] = { "proc", "sys", "dev", "boot", "run" };
	const char *c;
	size_t len;

	do
		if (!next_component(&s, &c, &len))
			return false;
	while (component_is(c, len, "."));
	for (size_t i = 0; i < countof(trees); i++)
		if (component_is(c, len, trees[i]))
			return true;
	if (!component_is(c, len, "var"))
		return false;
	do
		if (!next_component(&s, &c, &len))
			return false;
	while (component_is(c, len, "."));
	return component_is(c, len, "run");
}

void opfield_fold_path(char *path)
{
	const char *rest = path, *c;
	char *at = path;
	size_t len;

	while (next_component(&rest, &c, &len)) {
		if (component_is(c, len, "."))
			continue;
		*at++ = '/';
		memmove(at, c, len);
		at += len;
	}
	if (at == path)
		*at++ = '/';
	*at = '\0';
}

static bool is_share_path(const char *s)
{
	const char *rest = s, *c;
	size_t len;

	if (*s != '/' || !only(s, ALNUM "/-_.") || in_forbidden_tree(s))
		return false;
	while (next_component(&rest, &c, &len))
		if (len > NAME_MAX || component_is(c, len, ".."))
			return false;
	return true;
}

static bool is_mount_path(const char *s)
{
	return is_share_path(s) && !only(s, "/.");
}

static bool is_absolute(const char *s)
{
	return *s == '/';
}

/* --- URLs (RFC 3986, the part of it that we speak) --- */

struct url {
	const char *host; /* without brackets */
	size_t host_len;
	bool has_userinfo;
	bool has_port;
	const char *rest; /* path, query and fragment */
};

static bool is_host(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_one_of(s[i], ALNUM ".-"))
			return false;
	return len >= 1 && len <= 255;
}

static bool is_ipv6(const char *s, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (len >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", (int)len, s);
	return inet_pton(AF_INET6, text, &address) == 1;
}

/* Split "[user[:pass]@]host[:port]rest". The authority ends at the first of "/?#" and has one "@"
 * at most: two readers could otherwise disagree about the host. */
static bool split_authority(const char *s, struct url *u)
{
	size_t len = strcspn(s, "/?#"), at;
	const char *end = s + len, *colon;

	u->rest = end;
	at = strcspn(s, "@");
	u->has_userinfo = at < len;
	if (u->has_userinfo)
		s += at + 1;
	if (memchr(s, '@', (size_t)(end - s)))
		return false;
	if (*s == '[') {
		u->host = s + 1;
		u->host_len = strcspn(s + 1, "]");
		colon = u->host + u->host_len + 1;
		if (colon > end || !is_ipv6(u->host, u->host_len))
			return false;
	} else {
		u->host = s;
		u->host_len = strcspn(s, ":/?#");
		colon = s + u->host_len;
		if (!is_host(u->host, u->host_len))
			return false;
	}
	u->has_port = colon < end;
	if (!u->has_port)
		return true;
	return *colon == ':' && !memchr(colon, '-', (size_t)(end - colon)) &&
	       is_port_range(colon + 1, (size_t)(end - colon - 1));
}

/* What may stand in a URL at all: printable ASCII without blanks, quotes and brackets. */
static bool is_url_text(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || strchr("\"<>\\^`{|}", *s))
			return false;
	return true;
}

/* Bytes that @len characters of a URL stand for (RFC 3986 section 2.1). */
static size_t decoded_length(const char *s, size_t len)
{
	size_t n = len;

	for (size_t i = 0; i + 2 < len; i++)
		if (s[i] == '%' && is_one_of(s[i + 1], HEX) && is_one_of(s[i + 2], HEX)) {
			n -= 2;
			i += 2;
		}
	return n;
}

/* A URL's user and password go into a byte's worth of text each. */
static bool fits_socks(const char *s, const struct url *u)
{
	size_t len = u->has_userinfo ? strcspn(s, "@") : 0, user = strcspn(s, ":@");

	return len == 0 ||
	       (decoded_length(s, user) <= SOCKS_MAX &&
		       (user == len || decoded_length(s + user + 1, len - user - 1) <= SOCKS_MAX));
}

static bool is_proxy_url(const char *s)
{
	static const char *const schemes[] = { "socks5://", "http://", "https://" };
	struct url u = { 0 };
	const char *rest;

	for (size_t i = 0; i < countof(schemes); i++) {
		if (strncmp(s, schemes[i], strlen(schemes[i])) != 0)
			continue;
		rest = s + strlen(schemes[i]);
		return is_url_text(s) && split_authority(rest, &u) && u.has_port &&
		       (!*u.rest || strcmp(u.rest, "/") == 0) && (i > 0 || fits_socks(rest, &u));
	}
	return false;
}

static bool is_loopback(const struct url *u)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr six;
	unsigned prefix;
	uint32_t addr;

	if (u->host_len >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", (int)u->host_len, u->host);
	if (strcasecmp(text, "localhost") == 0)
		return true;
	if (ident_cidr4_parse(text, u->host_len, &addr, &prefix) == 0)
		return addr >> 24 == 127;
	return inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool is_image_url(const char *s)
{
	bool https = strncmp(s, "https://", 8) == 0;
	struct url u = { 0 };

	if ((!https && strncmp(s, "http://", 7) != 0) || !is_url_text(s) || strchr(s, '#'))
		return false;
	if (!split_authority(s + (https ? 8 : 7), &u) || u.has_userinfo)
		return false;
	return https || is_loopback(&u);
}

#define FORM(predicate, text)                     \
	{                                         \
		.is = (predicate), .must = (text) \
	}

const struct opfield_form opfield_id = FORM(ident_is_id, "24 lowercase hex characters");
const struct opfield_form opfield_name = FORM(is_name, "of letters, digits, _ and -");
const struct opfield_form opfield_image =
	FORM(is_image, "an image's name, like debian/13 or builtin:busybox");
const struct opfield_form opfield_color = FORM(is_color, "3 or 6 hex digits");
const struct opfield_form opfield_ssh_key =
	FORM(is_ssh_key, "one SSH public key: type, base64 and an optional comment");
const struct opfield_form opfield_ports =
	FORM(is_ports, "ports from 1 to 65535, like 443, 80-90 or 80,443");
const struct opfield_form opfield_addresses =
	FORM(is_addresses, "IPv4 addresses or CIDRs, separated by commas");
const struct opfield_form opfield_ipv4 = FORM(is_ipv4, "an IPv4 address");
const struct opfield_form opfield_icmp = FORM(is_icmp, "a number from 0 to 255, as a string");
const struct opfield_form opfield_proxy_url = FORM(is_proxy_url,
	"a URL like socks5://[user:password@]host:port (or http, https), and for "
	"socks5 user and password of at most 255 bytes");
const struct opfield_form opfield_image_url =
	FORM(is_image_url, "an https URL (http on loopback only), without user or fragment");
const struct opfield_form opfield_share_alias =
	FORM(is_share_alias, "of a-z, 0-9, _ and -, with a letter or digit at both ends");
const struct opfield_form opfield_program = FORM(is_program, "a program's name");
const struct opfield_form opfield_absolute = FORM(is_absolute, "an absolute path");
const struct opfield_form opfield_sha256 = FORM(is_sha256, "64 lowercase hex characters");
const struct opfield_form opfield_time = FORM(is_time, "a UTC time like 2026-11-23T05:00:00.000Z");

static const struct opfield_form free_alias = FORM(is_free_alias, "a name that is not reserved");
const struct opfield_form opfield_proxy_alias = {
	.is = is_proxy_alias,
	.must = "of a-z, 0-9 and -, with a letter or digit at both ends",
	.also = &free_alias,
};

static const struct opfield_form free_env_key = {
	.is = is_free_env_key,
	.must = "a name that does not begin with HOODY_",
	.reason = ERR_RESERVED_ENV_PREFIX,
};
const struct opfield_form opfield_env_key = {
	.is = is_env_key,
	.must = "a name of letters, digits and _ that does not begin with a digit",
	.reason = ERR_INVALID_ENV_KEY,
	.also = &free_env_key,
};

const struct opfield_form opfield_share_path = {
	.is = is_share_path,
	.must = "an absolute path of letters, digits, / - _ and . without \"..\" and with names of "
		"at most 255, outside /proc /sys /dev /boot /run /var/run",
	.reason = ERR_INVALID_PATH,
};
const struct opfield_form opfield_mount_path = {
	.is = is_mount_path,
	.must = "an absolute path of letters, digits, / - _ and . without \"..\" and with names of "
		"at most 255, below / and outside /proc /sys /dev /boot /run /var/run",
	.reason = ERR_INVALID_PATH,
};

bool opfield_is_api_url(const char *url)
{
	/* No user, query, fragment or odd path. */
	static const char may_be[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789/-._~%:[]";

	return url[strspn(url, may_be)] == '\0' && opfield_image_url.is(url);
}
