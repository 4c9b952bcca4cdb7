/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a control API keeps apart for its nodes, and a standalone node by itself: names of a
 * project's containers, SSH keys of all, and how many containers a project may have. */
#pragma once

#include "agent/engine/engine.h"

/* May the order, which makes or changes a container and has not begun, have what it asks for? What
 * others that have begun will have is taken, too. False: op->err says why. Always, on a node of a
 * control API. */
bool distinct_check(struct agent *a, struct operation *op);
