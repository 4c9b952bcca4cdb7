/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is shown of which command; see ctl_views.c. */
#pragma once

#include "agent/ctl/ctl_show.h"

/* Always there for those that have a row. */
const struct ctl_view *ctl_views_of(const char *command);
