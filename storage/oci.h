/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OCI image layouts (opencontainers/image-spec image-layout.md), and the older form of
 * `docker save` (manifest.json): layers that are laid over each other. Linux on this machine's
 * architecture is chosen where there are several. */
#pragma once

#include "storage/unpack.h"

/* Does the directory hold one? */
bool oci_is_layout(int dir);

/* Apply its layers, the lowest first, to @u->tree, under @u's limits, which are for all of them
 * together. Blobs are held against their digests. */
_must_check_ int oci_apply(int layout, struct unpack *u, struct err *err);
