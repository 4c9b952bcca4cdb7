/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ssh key that may log in to each container as root. Rows of the state file. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"

#define KEYLIST_FINGERPRINT_MAX 64

/* "SHA256:…" as `ssh-keygen -lf` prints it. False: @key is no public key. */
bool keylist_fingerprint(const char *key, char ret[static KEYLIST_FINGERPRINT_MAX]);

/* The line; NULL: none. The caller's. */
char *keylist_get(struct store *s, const char *container_id);
/* NULL: none from now on. The same again keeps its time. */
void keylist_set(struct store *s, const char *container_id, const char *key, int64_t now_ms);
/* The container's root has it, or doesn't take it. The first time that it has is the one kept. */
void keylist_set_installed(
	struct store *s, const char *container_id, bool installed, int64_t now_ms);

/* Does a container other than @but have a key of this fingerprint? */
bool keylist_is_others(struct store *s, const char *fingerprint, const char *but);

/* Into a container's public form: ssh_public_key, ssh_key_fingerprint, ssh_key_installed_at. */
void keylist_show(struct store *s, const char *container_id, json_t *into);
