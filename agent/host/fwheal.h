/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firewall's table is kept equal to what is wanted: when somebody else has changed it, all of
 * it is loaded again in one transaction, at once and before whatever else waits in a turn; but not
 * again and again without a breath between. While the kernel refuses it, it is tried ever more
 * seldom, and that is said once. */
#pragma once

#include "netfilter/fwtable.h"
#include "proto/base.h"
#include "proto/err.h"

struct agent;
struct fwheal;

/* Watch from now on. @healed is called after each heal, well done or for the first time not: what
 * has passed meanwhile is its to judge. */
_must_check_ int fwheal_new(
	struct agent *a, void (*healed)(void *userdata), void *userdata, struct fwheal **ret);
struct fwheal *fwheal_free(struct fwheal *h);

/* The whole of @table, which is what has to be so from now on. */
_must_check_ int fwheal_load(struct fwheal *h, struct fwtable *table, struct err *err);
/* What has to be so is not, for this reason: it is loaded anew, soon and until it is. */
void fwheal_insist(struct fwheal *h, const struct err *why);
/* Why what has to be so is not; NULL: it is. */
const struct err *fwheal_failed(const struct fwheal *h);
