/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's environment variables in its /etc/environment, as pam_env(8) reads it: a block of
 * ours among lines that are not. What this file's format can't carry is left out and said. */
#pragma once

#include <jansson.h>

#include "proto/base.h"

/* The public API's sync errors. The last two leave out single variables. */
enum envfile_error {
	ENVFILE_OK,
	ENVFILE_DEST_UNSUPPORTED,      /* no /etc, or something there that is no file */
	ENVFILE_BLOCK_MALFORMED,       /* somebody has edited our marks */
	ENVFILE_HOST_CONFIG_TOO_LARGE, /* more than ROOTFILE_MAX */
	ENVFILE_APPLY_FAILED,          /* the disk is full, or does not say what was written */
	ENVFILE_LEGACY_OVERFLOW,       /* a line that pam_env(8) before 1.5.3 would cut in two */
	ENVFILE_UNREPRESENTABLE,       /* a newline, or "#", which begins a comment anywhere */
};

/* The published code, NULL for ENVFILE_OK. */
const char *envfile_code(enum envfile_error e);

/* Make the block what @vars ({name: text}) says, and read it back. @root: of the container, as it
 * lies in the pool. @ret_why (at least 200 bytes): a sentence, "" for ENVFILE_OK. */
enum envfile_error envfile_write(int root, const json_t *vars, char *ret_why, size_t size);
