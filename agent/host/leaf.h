/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A leaf: an unprivileged program of ours that parses what strangers send (hoody-courier,
 * hoody-portal), as the agent keeps it alive. It is started with a channel, told what it needs, and
 * when it ends, or breaks the channel's rules and is killed, started again with back-off. */
#pragma once

#include <systemd/sd-event.h>

#include "agent/common/journald.h"
#include "proto/base.h"
#include "proto/channel.h"
#include "proto/err.h"
#include "proto/leafid.h"

struct agent;
struct leaf;

struct leaf_kind {
	const char *name; /* of the program, "hoody-courier" */
	const char *what; /* "the courier" */
	enum leafid_role role;
	enum journald_id failed, violation;
	const struct channel_permit *permits; /* their handlers' userdata is the leaf */
	size_t n_permits;
	/* It runs: send what it must know. < 0 (@err says why): it is killed and tried again. */
	int (*set_up)(struct channel *ch, void *userdata, struct err *err);
	/* It is gone, and what was asked of it will not be answered. */
	void (*down)(void *userdata);
};

/* @kind must live as long. */
_must_check_ int leaf_new(struct agent *a, const struct leaf_kind *kind, void *userdata,
	struct leaf **ret, struct err *err);
struct leaf *leaf_free(struct leaf *l);

/* The userdata that it was made with. */
void *leaf_owner(const struct leaf *l);
/* NULL while none runs, or its channel is closed. */
struct channel *leaf_channel(const struct leaf *l);
/* It has said that it is ready: when it has served for a second, its end is a first one for
 * back-off. One that is never ready is killed in the end. */
void leaf_ready(struct leaf *l);
/* End this one; another is started. */
void leaf_kill(struct leaf *l);
/* The same, as what is wanted and no failure: the other one follows at once. */
void leaf_renew(struct leaf *l);
/* The same, and say why: it has not answered in its time. */
void leaf_overdue(struct leaf *l);
