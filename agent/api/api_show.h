/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Things of this node in the shapes that the public API gives them. */
#pragma once

#include <jansson.h>

#include "agent/common/agent.h"
#include "agent/state/desired.h"

/* As the public API shows it; what only the control plane knows is left out. */
json_t *api_show_container(const struct agent *a, const struct container *c);
/* Into @shown, for who asks: by which names and under which documents the proxy has it. */
void api_show_domains(const struct agent *a, const struct container *c, json_t *shown);
void api_show_permissions(const struct agent *a, const struct container *c, json_t *shown);
