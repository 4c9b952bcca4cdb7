/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The images that there are: which name means which archive (its SHA-256). Rows of the state file;
 * the trees are storage/imagestore's. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"
#include "proto/base.h"

#define IMAGELIST_NAME_MAX   255
#define IMAGELIST_DIGEST_LEN 64

/* This machine's, as Debian names it. */
const char *imagelist_architecture(void);

/* As names are kept: "debian-13", "debian:13" and "debian 13" are debian/13 (the public API's
 * normalisation); built-in ones (builtin:…) are as they are. */
void imagelist_normalise(const char *name, char ret[static IMAGELIST_NAME_MAX + 1]);
bool imagelist_is_builtin(const char *name);

/* The name's archive, by a normalised name. False: there is none. */
bool imagelist_digest(struct store *s, const char *name, char ret[static IMAGELIST_DIGEST_LEN + 1]);
/* Has any name but @except (may be NULL) this archive? */
bool imagelist_is_used(struct store *s, const char *digest, const char *except);

/* Unpacked, in bytes; 0: not known. */
int64_t imagelist_size(struct store *s, const char *digest);

/* By which signal it asks to be ended, in its own words; NULL: it says nothing. The caller's. */
char *imagelist_stop_signal(struct store *s, const char *digest);

struct imagelist_entry {
	const char *name, *digest, *url;
	const char *stop_signal; /* or NULL */
	int64_t size, created_ms;
};
void imagelist_put(struct store *s, const struct imagelist_entry *e); /* in place of the old one */
void imagelist_remove(struct store *s, const char *name);

/* As the public API shows them. */
json_t *imagelist_json(struct store *s);
/* By id (the first 24 characters of the archive's SHA-256) or by name; NULL: not there. */
json_t *imagelist_one(struct store *s, const char *id);
