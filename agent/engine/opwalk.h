/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An operation's walk: its attempts, one step after the other, there and back, and its end. Which
 * step comes next is agent/engine/opstep.h's to say. */
#pragma once

struct engine;
struct operation;

/* It is its turn: it is first in all its lanes, or has a result to go on with. Changes memory and
 * the open transaction alone; what is to be acted on waits in `acting`. It may end, and be
 * freed. */
void opwalk_advance(struct engine *e, struct operation *op);
/* Begin what the commit has just made durable. */
void opwalk_act(struct operation *op);
