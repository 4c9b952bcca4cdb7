/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the worker's jobs on images need to know for their courier. */
#pragma once

#include <jansson.h>

#include "agent/common/agent.h"

/* {"run", "ca_pem"?}: the caller's. */
json_t *imagejob_courier(const struct agent *a);
/* For each job on an image that is here, to make it anew of its archive: the caller's. */
json_t *imagejob_params(const struct agent *a, const char *url, const char *digest);
