/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory and what is below it, as records through a descriptor: what hoodyctl cp sends from
 * one side to the other. Directories, files and links, with their names; of directories and files
 * the permission bits of their modes and when they were modified, too. Who receives owns them;
 * extended attributes, and so ACLs and capabilities, stay behind. */
#pragma once

#include "proto/base.h"
#include "proto/err.h"

#define CTL_TREE_TEXT_MAX 512

/* What was left out: what is neither directory, file nor link, and what other mounts have. */
struct ctl_tree_told {
	uint64_t skipped;
};

/* Send the directory @dir, as @out gives it away. It and each below it is opened by its one name:
 * a link is sent as one and never followed, another mount not entered. */
_must_check_ int ctl_tree_send(int dir, int out, struct err *err);

/* Make @name in @dir of what comes, whole or not at all, and nothing where there is one already.
 * Nothing that comes is believed: a name is one, depth and number have their bounds. */
_must_check_ int ctl_tree_receive(
	int in, int dir, const char *name, struct ctl_tree_told *ret, struct err *err);

/* How it went, after all that was sent: from who receives to who sends, and back. */
_must_check_ int ctl_tree_tell(int fd, const struct ctl_tree_told *told, const struct err *err);
_must_check_ int ctl_tree_hear(int fd, struct ctl_tree_told *ret, struct err *err);

/* Where a copy of @from goes when the caller says @to: into it where it is a directory, else as
 * it. -EINVAL: that has no name. */
_must_check_ int ctl_tree_target(
	const char *to, const char *from, int *ret_dir, char **ret_name, struct err *err);
