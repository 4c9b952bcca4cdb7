/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OCI image layouts (opencontainers/image-spec image-layout.md), and the older form of
 * `docker save` (manifest.json): layers that are laid over each other. Linux on this machine's
 * architecture is chosen where there are several. */
#pragma once

#include "storage/unpack.h"

/* Does the directory hold one? */
bool oci_is_layout(int dir);

/* Calls @each (0 or a negative errno, which ends it) with an archive per layer, the lowest first.
 * Blobs are held against their digests. */
typedef int (*oci_layer)(int archive, void *userdata, struct err *err);
_must_check_ int oci_each_layer(int layout, oci_layer each, void *userdata, struct err *err);

/* By which signal its process asks to be ended (StopSignal of its configuration), as it is written
 * but for what is no plain text, of which no signal's name is made; "" where it says nothing. An
 * image without a readable configuration has nothing to say. */
#define OCI_SIGNAL_SIZE 40
void oci_stop_signal(int layout, char ret[static OCI_SIGNAL_SIZE]);

/* Apply its layers, the lowest first, to @u->tree, under @u's limits, which are for all of them
 * together. */
_must_check_ int oci_apply(int layout, struct unpack *u, struct err *err);
