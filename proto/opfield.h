/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text forms that op parameters take: names, paths, ports, addresses, URLs, keys. Pure.
 *
 * The rules are those of the public API. Every text has passed
 * opfield_is_plain() and its length has been checked before a form is asked, so that a form judges
 * what is particular to it. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

/* Without control characters (C0, DEL, C1): a newline in a value becomes a line of its own
 * somewhere. */
bool opfield_is_plain(const char *s);
/* The same, but for line breaks and tabs. */
bool opfield_is_plain_lines(const char *s);

/* Unicode characters of a text that is UTF-8. */
size_t opfield_length(const char *s);

struct opfield_form {
	bool (*is)(const char *s);
	const char *must;                /* "<field> must be <must>" */
	enum errcode reason;             /* the published code, or ERR_NONE */
	const struct opfield_form *also; /* asked next, when this one holds */
};

extern const struct opfield_form opfield_id; /* 24 lowercase hex */
extern const struct opfield_form
	opfield_name; /* container and snapshot names: [A-Za-z0-9_-] (3.2, 10) */
extern const struct opfield_form
	opfield_image; /* "debian/13", "builtin:busybox": no path can be made of it */
extern const struct opfield_form
	opfield_ssh_key; /* one public key line, type and blob agree, no options */
extern const struct opfield_form opfield_color;   /* 3 or 6 hex digits, with a # or without */
extern const struct opfield_form opfield_env_key; /* 9.2; HOODY_ is reserved */
extern const struct opfield_form opfield_ports;   /* "443", "80-90", "80,443,8000-8099" (11.1) */
extern const struct opfield_form
	opfield_addresses; /* IPv4 addresses and CIDRs, comma-separated (11.1) */
extern const struct opfield_form opfield_ipv4;      /* one address */
extern const struct opfield_form opfield_icmp;      /* "0" to "255" */
extern const struct opfield_form opfield_proxy_url; /* scheme://[user:pass@]host:port (12.1) */
extern const struct opfield_form
	opfield_image_url; /* https, or http on loopback; no userinfo, no fragment */
extern const struct opfield_form opfield_share_path; /* 13.1 */
extern const struct opfield_form opfield_mount_path; /* the same, and not the root itself */
/* What such a path is called, in place: each of its names behind one slash, none of them ".". */
void opfield_fold_path(char *path);
extern const struct opfield_form opfield_share_alias; /* 13.1 */
extern const struct opfield_form
	opfield_proxy_alias; /* 17; "containers", "proxy-…" and others are reserved */
extern const struct opfield_form opfield_program;  /* 17 */
extern const struct opfield_form opfield_absolute; /* begins with a slash */
extern const struct opfield_form opfield_sha256;   /* 64 lowercase hex */
extern const struct opfield_form opfield_time;     /* RFC 3339 UTC */

/* May @url be an ApiUrl? As opfield_image_url, with no query either, and nothing odd in its
 * path. */
bool opfield_is_api_url(const char *url);
