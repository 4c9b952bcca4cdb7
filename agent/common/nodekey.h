/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node's secrets: its Ed25519 key, made here, never leaving; and the token that the control API
 * gave it. Files are 0600 and ours, or are refused: a key that others could read is no key. In
 * memory they lie in sodium_malloc() pages (locked, guarded, wiped).
 *
 * node.key holds the 32-byte seed (RFC 8032, 5.1.5) as 64 hex characters and a newline. It is
 * written durably before it is first used. keyid is the first 16 hex characters of SHA-256 of the
 * public key (PROTOCOL.md section 6). */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

#define NODEKEY_FILE      "node.key"
#define NODEKEY_TOKEN_MAX 4096

struct nodekey {
	uint8_t public_key[32];
	char public_key_hex[64 + 1];
	char keyid[16 + 1];
	const uint8_t *secret_key; /* 64 bytes as libsodium and dsse_sign() want them */
};

/* Load <state_directory>/node.key; where there is none, and @create, make one, and the directory
 * (0700) when only it is missing. Calls sodium_init(). Returns 0; -ENOENT (missing, not @create),
 * -EPERM (owner or mode), -EBADMSG (not a key), or what the file system said. */
_must_check_ int nodekey_load(
	const char *state_directory, bool create, struct nodekey **ret, struct err *err);
struct nodekey *nodekey_free(struct nodekey *k);
static inline void nodekey_freep(struct nodekey **k)
{
	*k = nodekey_free(*k);
}

/* Read a token file: one line of visible ASCII, white space at its end left out. *ret is
 * sodium_malloc'ed, for nodekey_token_free(). Returns 0; -EPERM (owner, or readable by others),
 * -EBADMSG (empty, too long, other bytes), or what the file system said. */
_must_check_ int nodekey_token_read(const char *path, char **ret, struct err *err);
char *nodekey_token_free(char *token);
static inline void nodekey_token_freep(char **token)
{
	*token = nodekey_token_free(*token);
}

/* This boot's id as 32 hex characters (random(4), /proc/sys/kernel/random/boot_id). Returns 0 or a
 * negative errno. */
_must_check_ int nodekey_boot_id(char ret[static 32 + 1]);
