/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers' network modes: as configured, and as in force. Rows of the
 * state file, with the upstream's credentials: they leave it for the forwarder alone. */
#pragma once

#include <jansson.h>

#include "agent/state/store.h"

/* As network.configure has it: {type, proxy?, dns_servers?, country?, city?, region?, comment?};
 * the caller's; NULL: there is none. */
json_t *netlist_config(struct store *s, const char *container_id);
/* What is in force, of the same form; NULL: direct networking. */
json_t *netlist_active(struct store *s, const char *container_id);

/* A proxy's URL without its credentials; the caller's. */
char *netlist_endpoint(const char *url);

/* @params over what there was: an endpoint that is the same and comes without credentials keeps
 * them. */
void netlist_configure(
	struct store *s, const char *container_id, const json_t *params, int64_t now_ms);
/* NULL: none is in force. */
void netlist_activate(
	struct store *s, const char *container_id, const json_t *active, int64_t now_ms);
void netlist_remove(struct store *s, const char *container_id);
void netlist_copy(
	struct store *s, const char *from_container, const char *to_container, int64_t now_ms);

/* As the public API shows it: without credentials, and with whether there are any. @is_running,
 * @code and @problem (or NULL) are what the node sees at @now_ms. What was configured since the
 * start is "configured", and "active" is then what is in force. */
json_t *netlist_show(struct store *s, const char *container_id, bool is_running, enum errcode code,
	const char *problem, int64_t now_ms);
